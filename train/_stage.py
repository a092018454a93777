"""Training as a stage: a snapshot and a checkpoint in, a new checkpoint out, known by its content id."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DiskFullError
from ..schema import content_id, utc_now
from ..stage import Event, clear_stage, run_stage
from ..store import Store

CHILD = "flywheel.train._child"
ROOM_FACTOR = 3.0
"""Free space asked for before a training, as a multiple of the parent checkpoint's size."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights on disk."""

    checkpoint_id: str
    path: Path
    stage: str


@dataclass(frozen=True)
class TrainJob:
    """One training: ``method`` is ``sft`` or ``dpo``; ``args`` are TRL's own names."""

    run_id: str
    iteration: int
    method: str
    parent: Checkpoint
    parent_revision: str
    snapshot_id: str
    snapshot_path: Path
    n_rows: int
    args: dict[str, Any]
    seed: int

    @property
    def checkpoint_id(self) -> str:
        """Id of what this job makes: all that shapes it."""
        shape = [self.run_id, self.iteration, self.method, self.parent_revision, self.snapshot_id, self.args, self.seed]
        return content_id("ckpt", shape)


def train_checkpoint(
    store: Store, job: TrainJob, *, on_event: Callable[[Event], None] = lambda event: None
) -> Checkpoint:
    """Run ``job``, unless its checkpoint is there already.

    Raises:
        DiskFullError: no room for the checkpoint.
        RecipeError: TRL refuses an argument.
        StageError: the training process failed.
    """
    path = store.project.checkpoints / job.checkpoint_id
    known = store.query("SELECT 1 FROM checkpoints WHERE checkpoint_id = ?", [job.checkpoint_id])
    if known and path.is_dir():
        return Checkpoint(job.checkpoint_id, path, job.method)
    work = store.project.work / job.checkpoint_id
    if not path.is_dir():
        _check_room(job.parent.path, store.project.checkpoints)
        clear_stage(work)
    result = run_stage(CHILD, _contract(job, path), work, on_event=on_event)
    _record(store, job, path, result)
    clear_stage(work)
    return Checkpoint(job.checkpoint_id, path, job.method)


def _contract(job: TrainJob, path: Path) -> dict[str, Any]:
    return {
        "method": job.method, "model": str(job.parent.path), "data": str(job.snapshot_path), "out": str(path),
        "args": job.args, "seed": job.seed,
    }  # fmt: skip


def _check_room(parent: Path, folder: Path) -> None:
    size = sum(f.stat().st_size for f in parent.iterdir() if f.is_file())
    free, needed = shutil.disk_usage(folder).free, int(size * ROOM_FACTOR)
    if free < needed:
        raise DiskFullError(
            f"checkpoint folder {folder}",
            expected=f"{needed / 1e6:.0f} MB free ({ROOM_FACTOR:g} times the parent checkpoint)",
            received=f"{free / 1e6:.0f} MB free",
            cure="free some space, then give the same command again: everything before this training is kept",
        )


def _record(store: Store, job: TrainJob, path: Path, result: dict[str, Any]) -> None:
    record = {
        "checkpoint_id": job.checkpoint_id, "run_id": job.run_id, "iteration": job.iteration, "stage": job.method,
        "parent_id": job.parent.checkpoint_id, "snapshot_id": job.snapshot_id,
        "path": os.path.relpath(path, store.project.root), "config": json.dumps(result["config"]),
        "metrics": json.dumps(result["metrics"]), "created_at": utc_now(),
    }  # fmt: skip
    log = [
        {
            "checkpoint_id": job.checkpoint_id, "step": e.get("step", 0), "epoch": e.get("epoch"), "loss": e.get("loss"),
            "learning_rate": e.get("learning_rate"), "entry": json.dumps(e),
        }
        for e in result["log"]
    ]  # fmt: skip
    store.insert("train_log", log, key="checkpoint_id")
    store.insert("checkpoints", [record], key="checkpoint_id")
