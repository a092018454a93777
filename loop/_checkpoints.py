"""Which checkpoints a run has, where they are, and which of them is champion."""

from pathlib import Path
from typing import Any

from ..errors import NotFoundError, RecipeError
from ..llm import SEED_MODEL, ResolvedModel, hash_model, seed_model_path
from ..schema import canonical_json, content_id, utc_now
from ..store import Store
from ..train import Checkpoint, export_checkpoint, is_adapter, merged_folder

TRAINED = "trained"
"""Names what the last training made; followed by a colon and a recipe's name, that recipe's."""


class Checkpoints:
    """The checkpoints of one run.

    Args:
        first: the model that the run began with, where it is now.
    """

    def __init__(self, store: Store, run_id: str, first: ResolvedModel) -> None:
        self._store = store
        self._run_id = run_id
        self._first = first

    # --- which one ---------------------------------------------------------------------------------------------

    def first(self) -> Checkpoint:
        """Return the one that the run began with."""
        ((checkpoint_id,),) = self._store.query("SELECT base_checkpoint_id FROM runs WHERE run_id = ?", [self._run_id])
        return self.load(str(checkpoint_id))

    def champion(self) -> Checkpoint:
        """Return the one in use."""
        return self.load(find_champion(self._store, self._run_id))

    def champion_before(self, iteration: int) -> Checkpoint:
        """Return the one that was in use when an iteration began.

        Raises:
            RecipeError: it has not begun.
        """
        found = self._store.query(
            "SELECT champion_before FROM iterations WHERE run_id = ? AND iteration = ?", [self._run_id, iteration]
        )
        if not found:
            raise RecipeError(
                f"iteration {iteration}", expected="an iteration that has begun", received="none",
                cure="give flywheel generate first, or flywheel run for the whole turn",
            )  # fmt: skip
        return self.load(str(found[0][0]))

    def champion_for(self, iteration: int, challenger: Checkpoint) -> Checkpoint:
        """Return whom ``challenger`` has to beat: the champion, but never itself when a decision is looked up again."""
        found = self._store.query(
            "SELECT champion_id FROM decisions WHERE run_id = ? AND iteration = ? AND stage = ? AND role = 'gate'",
            [self._run_id, iteration, challenger.stage],
        )
        return self.load(str(found[0][0])) if found else self.champion()

    def latest(self, iteration: int, stage: str) -> Checkpoint | None:
        """Return what a training stage of an iteration made, if it has run."""
        found = self._store.query(
            "SELECT checkpoint_id FROM checkpoints WHERE run_id = ? AND iteration = ? AND stage = ? ORDER BY created_at DESC LIMIT 1",
            [self._run_id, iteration, stage],
        )
        return self.load(str(found[0][0])) if found else None

    def last_trained(self, recipe: str = "") -> str | None:
        """Return the id of what the project's last training made, of the recipe of a name where one is given; None of no training."""
        found = self._store.query(
            """
            SELECT checkpoint_id FROM checkpoints c LEFT JOIN runs r USING (run_id)
            WHERE snapshot_id IS NOT NULL AND ($1 = '' OR r.name = $1) ORDER BY c.created_at DESC, checkpoint_id LIMIT 1
            """,
            [recipe],
        )
        return str(found[0][0]) if found else None

    def find(self, name: str | None) -> Checkpoint:
        """Return a checkpoint: ``champion`` (also None), ``first``, ``trained`` (what the project's last training made;
        ``trained:NAME`` of the recipe of that name), ``seed``, an id or a unique beginning of one, or a model's folder.

        Raises:
            NotFoundError: none or several match.
        """
        if name in (None, "champion"):
            return self.champion()
        assert name is not None
        if name in ("first", self._first.name):
            return self.first()
        if name == TRAINED or name.startswith(f"{TRAINED}:"):
            return self._last_trained(name.partition(":")[2])
        if name == SEED_MODEL:
            return self._adopt(seed_model_path())
        folder = Path(name).expanduser().absolute()
        if (folder / "config.json").is_file():
            return self._adopt(folder)
        found = self._store.query("SELECT checkpoint_id FROM checkpoints WHERE starts_with(checkpoint_id, ?)", [name])
        if len(found) != 1:
            raise NotFoundError(
                f"checkpoint {name!r}",
                expected="champion, first, trained, seed, the id of one checkpoint or a unique beginning of it, or a model's folder",
                received=f"{len(found)} match", cure='flywheel sql "select checkpoint_id, iteration, stage from checkpoints"',
            )  # fmt: skip
        return self.load(str(found[0][0]))

    def _last_trained(self, recipe: str) -> Checkpoint:
        if (found := self.last_trained(recipe)) is None:
            of = f" of the recipe {recipe!r}" if recipe else ""
            raise NotFoundError(
                f"checkpoint {f'{TRAINED}:{recipe}' if recipe else TRAINED!r}", expected=f"what the last training{of} made",
                received="no such training in this project", cure="flywheel train, or flywheel run; a recipe's name is its key name",
            )  # fmt: skip
        return self.load(found)

    def find_without_weights(self, name: str) -> tuple[str, str, str] | None:
        """Return (id, stage, name) of an endpoint's model or recorded answers by id or a unique beginning of it; else None."""
        found = self._store.query(
            "SELECT checkpoint_id, stage, config ->> '$.model' FROM checkpoints WHERE starts_with(checkpoint_id, ?)",
            [name],
        )
        return found[0] if len(found) == 1 and found[0][1] in ("endpoint", "recorded") else None

    def _adopt(self, folder: Path) -> Checkpoint:
        """Put a model's folder on record, known by its weights, and return it."""
        checkpoint_id = content_id("ckpt", hash_model(folder))
        self.record(checkpoint_row(checkpoint_id, "folder", str(folder), str(folder)))
        return self.load(checkpoint_id)

    def record(self, row: dict[str, Any]) -> None:
        """Put a model on record that no run has made, once."""
        self._store.insert("checkpoints", [row], key="checkpoint_id")

    # --- where it is -------------------------------------------------------------------------------------------

    def load(self, checkpoint_id: str) -> Checkpoint:
        """Return a checkpoint with its folder; of an adapter, the folder of the weights that it makes of its parent's.

        Raises:
            NotFoundError: there is no model in it.
        """
        ((path, stage, parent),) = self._store.query(
            "SELECT path, stage, parent_id FROM checkpoints WHERE checkpoint_id = ?", [checkpoint_id]
        )
        folder = self._store.project.root / path
        if is_adapter(folder):
            base = self.load(str(parent)).path
            folder = merged_folder(self._store.project, checkpoint_id, folder, base, stage)
        if stage == "seed" and not (folder / "config.json").is_file():
            folder = Path(self._first.path)
        if not (folder / "config.json").is_file():
            raise NotFoundError(
                f"checkpoint {checkpoint_id}", expected=f"a model in {folder}", received="no config.json there",
                cure="restore the folder from a backup (train.keep removes old weights), or start over in an empty project folder",
            )  # fmt: skip
        return Checkpoint(checkpoint_id, folder, stage)

    def make_whole(self, checkpoint: Checkpoint) -> Checkpoint:
        """Return a checkpoint with the folder of its whole weights: an adapter is merged once it has to be loaded."""
        return self.load(checkpoint.checkpoint_id) if is_adapter(checkpoint.path) else checkpoint

    def export(self, checkpoint_id: str, out: Path, *, as_adapter: bool = False) -> None:
        """Copy a checkpoint to the folder ``out``: whole weights, or the adapter that it was trained as.

        Raises:
            NotFoundError: its weights are gone, or it has no adapter.
        """
        ((path, stage, parent),) = self._store.query(
            "SELECT path, stage, parent_id FROM checkpoints WHERE checkpoint_id = ?", [checkpoint_id]
        )
        made, base = self.load(checkpoint_id), checkpoint_id if parent is None else str(parent)
        folder = self._store.project.root / path if stage != "seed" else made.path
        export_checkpoint(
            self._store.project, checkpoint_id, folder, self.load(base).path, stage, out, as_adapter=as_adapter
        )

    def resolve(self, checkpoint: Checkpoint) -> ResolvedModel:
        """Return a checkpoint as the model that an engine serves."""
        checkpoint = self.make_whole(checkpoint)
        name = self._first.name if checkpoint.stage == "seed" else checkpoint.checkpoint_id
        return ResolvedModel(name, str(checkpoint.path), hash_model(checkpoint.path), checkpoint.checkpoint_id)


def find_champion(store: Store, run_id: str) -> str:
    """Return the id of the checkpoint that a run has in use."""
    ((checkpoint_id,),) = store.query("SELECT checkpoint_id FROM champions WHERE run_id = ? AND is_current", [run_id])
    return str(checkpoint_id)


def checkpoint_row(checkpoint_id: str, stage: str, path: str, name: str) -> dict[str, Any]:
    """Return the row of a model that no run has made: given by its folder, an endpoint's, a file of answers."""
    return {
        "checkpoint_id": checkpoint_id, "run_id": None, "iteration": None, "stage": stage, "parent_id": None,
        "snapshot_id": None, "path": path, "config": canonical_json({"model": name}), "metrics": None, "created_at": utc_now(),
    }  # fmt: skip
