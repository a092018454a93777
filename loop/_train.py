"""Training with its progress shown; left out, on record, when there are too few rows, or for KTO rows of one label."""

import json
from pathlib import Path
from typing import Any

from ..config import Recipe, RewardConfig
from ..gen import Step
from ..judge import Snapshot, drop_rows
from ..llm import hash_model
from ..stage import Event
from ..store import Store
from ..train import STREAMED, Checkpoint, Running, Shape, TrainJob, train_checkpoint
from ._describe import describe_training
from ._own_rows import freeze_heldout
from ._report_to import Reporter
from ._rewards import describe_rewards
from ._versions import versions_of
from ._words import count

SUPERVISED = ("sft", "seq2seq", "classify")
"""Methods that a curriculum is for."""
VERSIONED = ("torch", "transformers", "trl", "peft", "accelerate", "datasets")


def train(
    store: Store, recipe: Recipe, reporter: Reporter, step: Step, parent: Checkpoint, snapshot: Snapshot, *, seed: int,
    base: Path,
) -> Checkpoint | None:  # fmt: skip
    """Train ``parent`` on a snapshot by the step's name, a method; None when it is left out, on record."""
    run_id, iteration, method = step.run_id, step.iteration, step.name
    if (reason := _why_left_out(recipe, method, snapshot)) is not None:
        drop_rows(store, run_id, iteration, f"{method}/train", reason, snapshot.snapshot_id, snapshot.n_rows)
        reporter.say(f"[{iteration}] {method} left out: {reason}")
        return None
    args: dict[str, Any] = dict(getattr(recipe.train, method) or {})
    if method in ("sft", "dpo") and recipe.curate.difficulty.order != "given":
        args.setdefault("train_sampling_strategy", "sequential")  # a curriculum that is shuffled is none
    template = take_template(args, base)
    job = TrainJob(
        run_id, iteration, method, parent, hash_model(parent.path), snapshot.snapshot_id, snapshot.path, snapshot.n_rows,
        args, seed, shape_of(recipe, method, base, template), running_of(store.project.root, store.project.work, recipe, method, base),
        {"recipe": recipe.name, "base_model": _name_model(recipe.model, base), "parents": _parents(store, parent), "versions": versions_of(VERSIONED)},
    )  # fmt: skip
    reporter.begin(f"[{iteration}] train {method}", unit="steps")
    made = train_checkpoint(store, job, on_event=lambda event: _show(reporter, event))
    reporter.end(describe_training(store, made, snapshot, parent))
    return made


def _why_left_out(recipe: Recipe, method: str, snapshot: Snapshot) -> str | None:
    """Return why a snapshot is not trained on; the turn goes on without. Rows of one's own with one label are refused instead."""
    if snapshot.n_rows < recipe.train.min_rows:
        return f"{count(snapshot.n_rows, 'row')}: fewer than train.min_rows = {recipe.train.min_rows}"
    if method != "kto" or recipe.train.rows is not None:
        return None
    with snapshot.path.open(encoding="utf-8") as stream:
        labels = {json.loads(line)["label"] for line in stream}
    if len(labels) > 1:
        return None
    label = "true" if True in labels else "false"
    return f"{count(snapshot.n_rows, 'row')}, all with label {label}: KTO learns from how completions of both labels differ"


def take_template(args: dict[str, Any], base: Path) -> str | None:
    """Take a chat template's file, from the recipe's folder, out of the arguments; return its text, which is what counts."""
    path = base / Path(str(args.get("chat_template_path"))).expanduser()
    if "chat_template_path" not in args or not path.is_file():
        return None  # the name of a model that has one
    del args["chat_template_path"]
    return path.read_text(encoding="utf-8")


def shape_of(recipe: Recipe, method: str, base: Path, template: str | None) -> Shape:
    """Return what the weights depend on beside the method's arguments."""
    config = recipe.train
    rewards = config.rewards or (RewardConfig(verifier=recipe.verifier.name, options=recipe.verifier.options),)
    return Shape(
        peft=config.peft, merge=config.merge if config.peft is not None else True, quantization=config.quantization,
        rewards=describe_rewards(rewards, base) if method == "grpo" else None,
        curriculum=tuple(s.model_dump(mode="json") for s in config.curriculum) if method in SUPERVISED else (),
        curriculum_by=config.curriculum_by if method in SUPERVISED else None, reasoning=config.reasoning,
        accept=config.accept, labels=config.labels if method == "classify" else (), chat_template=template,
        streaming=config.streaming and method in STREAMED,
        accelerate=None if config.accelerate is None else _path(config.accelerate, base).read_text(encoding="utf-8"),
    )  # fmt: skip


def running_of(project: Path, work: Path, recipe: Recipe, method: str, base: Path) -> Running:
    """Return where a training runs, and what it is measured on: frozen in the folder ``work``."""
    config = recipe.train
    heldout = None if config.heldout is None else freeze_heldout(config, base, work)
    root = base if config.rows is not None else project
    return Running(
        python=find_python(config.python, base), oom_retries=config.oom_retries, save_every_s=config.save_every_s,
        accelerate=None if config.accelerate is None else _path(config.accelerate, base),
        heldout=heldout if method in SUPERVISED else None, unseen=None if heldout is None else heldout.path, root=root.resolve(),
    )  # fmt: skip


def find_python(given: str | None, base: Path) -> str | None:
    """Return the interpreter of ``train.python``: a file, from the recipe's folder, or a command."""
    return str(_path(given, base)) if given is not None and _path(given, base).is_file() else given


def _path(given: str, base: Path) -> Path:
    path = base / Path(given).expanduser()
    return path.parent.resolve() / path.name  # the python of an environment is a link, and has to stay one


def _name_model(model: str, base: Path) -> str:
    """Return how a card names the first model: as the recipe does, but of a folder its name, not where it is here."""
    folder = base / Path(model).expanduser()
    return folder.resolve().name if folder.is_dir() else model


def _parents(store: Store, parent: Checkpoint) -> list[str]:
    """Return the line of parents, from the nearest to the first model."""
    rows = store.query(
        """
        WITH RECURSIVE line AS (
            SELECT checkpoint_id, parent_id, stage, iteration, 0 AS depth FROM checkpoints WHERE checkpoint_id = ?
            UNION ALL
            SELECT c.checkpoint_id, c.parent_id, c.stage, c.iteration, depth + 1 FROM checkpoints c JOIN line ON c.checkpoint_id = line.parent_id
        )
        SELECT checkpoint_id, stage, iteration FROM line ORDER BY depth
        """,
        [parent.checkpoint_id],
    )
    return [f"`{i}` ({_name_stage(stage, n)})" for i, stage, n in rows]


def _name_stage(stage: str, iteration: int | None) -> str:
    if stage == "seed":
        return "the first model"
    return stage if iteration is None else f"{stage}, iteration {iteration}"


def _show(reporter: Reporter, event: Event) -> None:
    if event["event"] == "step":
        reporter.update(done=event["step"], total=event["total"], tokens=event["tokens"])
    elif event["event"] == "retry":
        reporter.update(note=event["note"])
    elif event["event"] == "log":
        parts = [f"{word} {event[key]:{form}}" for key, word, form in _SHOWN if key in event]
        reporter.update(note=", ".join(parts), tokens=event.get("tokens", 0))


_SHOWN = (("loss", "loss", ".4f"), ("reward", "reward", ".3f"), ("learning_rate", "lr", ".2g"))
