"""Training as a stage: a snapshot and a checkpoint in, a new checkpoint out, known by its content id."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import DiskFullError, OutOfMemoryError
from ..schema import DropRow, content_id, utc_now
from ..stage import RESULT, Event, clear_stage, run_stage, started_ahead
from ..store import Store
from ._batch import smaller_batch
from ._heldout import record_heldout
from ._log import LogKeeper, write_log
from ._machines import Launch, announced, read_launch
from ._options import Running, Shape
from ._python import environment, resolve_python
from .methods import find_method

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
    """One training: ``method`` is a name of :data:`~flywheel.train.METHODS`; ``args`` are its trainer's own names."""

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
    shape: Shape = field(default_factory=Shape)
    running: Running = field(default_factory=Running)
    origin: dict[str, Any] = field(default_factory=dict)
    """For the model card: ``recipe base_model parents versions``."""

    @property
    def checkpoint_id(self) -> str:
        """Id of what this job makes: all that shapes it."""
        shape = [self.run_id, self.iteration, self.method, self.parent_revision, self.snapshot_id, self.args, self.seed]
        more = self.shape.identity()
        return content_id("ckpt", [*shape, more] if more else shape)


def trainer_ahead(method: str) -> AbstractContextManager[None]:
    """Let a training process load what ``method`` needs while the rows are made ready for it, in the block.

    It is for this interpreter alone: a training under another, or by ``accelerate launch``, starts its own.
    """
    return started_ahead(CHILD, method)


def train_checkpoint(
    store: Store, job: TrainJob, *, on_event: Callable[[Event], None] = lambda event: None
) -> Checkpoint:
    """Run ``job``, unless its checkpoint is there already; go on from the last saved state of one that was killed.

    What the trainer logged is in ``train_log``, of a training that fails up to its fault.

    Raises:
        DiskFullError: no room for the checkpoint.
        InputError: the rows are wrong as a whole.
        OutOfMemoryError: memory ran out, also with the smaller batches that the job allows.
        RecipeError: the trainer refuses an argument.
        StageError: the training process failed.
    """
    path = store.project.checkpoints / job.checkpoint_id
    known = store.query("SELECT 1 FROM checkpoints WHERE checkpoint_id = ?", [job.checkpoint_id])
    if known and is_whole(path):
        return Checkpoint(job.checkpoint_id, path, job.method)
    work = store.project.work / job.checkpoint_id
    if not is_whole(path):
        _check_room(job.parent.path, store.project.checkpoints)
        if (work / RESULT).is_file():  # of weights that are gone: nothing to go on from
            clear_stage(work)
    keeper = LogKeeper(on_event)
    try:
        result = _run(store, job, path, work, keeper)
    except Exception:
        keeper.save(store, job.checkpoint_id)
        raise
    with store.kept_open():
        _record(store, job, path, result)
    clear_stage(work)
    return Checkpoint(job.checkpoint_id, path, job.method)


def is_whole(path: Path) -> bool:
    """Say whether a checkpoint's folder holds weights: whole ones, or an adapter."""
    return any((path / name).is_file() for name in ("config.json", "adapter_config.json"))


def _run(store: Store, job: TrainJob, path: Path, work: Path, on_event: Callable[[Event], None]) -> dict[str, Any]:
    """Run the training process; again with a smaller micro-batch where memory ran out and the job allows it."""
    running = job.running
    python = resolve_python(running.python)
    launch = None if running.accelerate is None else read_launch(running.accelerate)
    for left in range(running.oom_retries, -1, -1):
        try:
            return run_stage(
                CHILD, _contract(job, path, launch), work, on_event=on_event, python=python,
                launcher=() if launch is None else launch.command(0), elsewhere=_elsewhere(store, launch, work, running), env=environment(running.python, store.project.work) | _tracking(store, path),
            )  # fmt: skip
        except OutOfMemoryError:
            smaller = smaller_batch(job.args)
            if not left or smaller is None:
                raise
            batch = smaller["per_device_train_batch_size"]
            on_event({"event": "retry", "note": f"out of memory: again with a micro-batch of {batch}"})
            job = replace(job, args=smaller)
    raise AssertionError("unreachable")


def _elsewhere(
    store: Store, launch: Launch | None, work: Path, running: Running
) -> AbstractContextManager[None] | None:
    if launch is None or launch.machines == 1:
        return None
    return announced(store.project.work, launch, CHILD, work, running.python and resolve_python(running.python))


def _tracking(store: Store, path: Path) -> dict[str, str]:
    """Return where TensorBoard's files go: beside the checkpoints, or where the user has them; the trainer's own folder is cleared."""
    own = store.project.state / "tensorboard" / path.name
    return {"TENSORBOARD_LOGGING_DIR": os.environ.get("TENSORBOARD_LOGGING_DIR") or str(own.resolve())}


def _contract(job: TrainJob, path: Path, launch: Launch | None) -> dict[str, Any]:
    running = job.running
    return {
        "method": job.method, "model": str(job.parent.path), "data": str(job.snapshot_path), "out": str(path),
        "args": job.args, "seed": job.seed, **job.shape.contract(), "save_every_s": running.save_every_s,
        "heldout": running.heldout and str(running.heldout.path), "unseen": running.unseen and str(running.unseen), "root": str(running.root), "card": _origin(job, path.name), "base_name": _name_base(job),
        "processes": 1 if launch is None else launch.processes,
    }  # fmt: skip


def _name_base(job: TrainJob) -> str:
    """Return the name of the model that is trained: of the first model the one on the hub, else of its folder; then ids.

    ``flywheel train --export ID`` writes the model of an id.
    """
    is_first = job.parent.stage == "seed"
    return str(job.origin.get("base_model", job.parent.path.name)) if is_first else job.parent.checkpoint_id


def _origin(job: TrainJob, checkpoint_id: str) -> dict[str, Any]:
    return {
        "recipe": "", "base_model": job.parent.path.name, "parents": [f"`{job.parent.checkpoint_id}` ({job.parent.stage})"],
        "versions": {}, **job.origin, "checkpoint_id": checkpoint_id, "run_id": job.run_id, "iteration": job.iteration,
        "method": job.method, "title": find_method(job.method).title, "snapshot_id": job.snapshot_id, "n_rows": job.n_rows,
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
    if n := _record_heldout_faults(store, job, result):
        result["metrics"]["heldout_dropped"] = n
    record = {
        "checkpoint_id": job.checkpoint_id, "run_id": job.run_id, "iteration": job.iteration, "stage": job.method,
        "parent_id": job.parent.checkpoint_id, "snapshot_id": job.snapshot_id,
        "path": os.path.relpath(path, store.project.root), "config": json.dumps(result["config"]),
        "metrics": json.dumps(result["metrics"]), "created_at": utc_now(),
    }  # fmt: skip
    _record_faults(store, job, result["faults"], result["n_given"])
    if "after" in result["metrics"] and job.running.heldout is not None:
        file, bad = job.running.heldout.path, {f["ordinal"] for f in result["heldout_faults"]}
        rows = [(i, json.loads(line)) for i, line in enumerate(_lines(file)) if i not in bad]
        record_heldout(
            store, job.method, result["metrics"], file.stem, rows, result["heldout_items"],
            before_id=job.parent.checkpoint_id, after_id=job.checkpoint_id,
        )  # fmt: skip
    write_log(store, job.checkpoint_id, result["log"])
    store.insert("checkpoints", [record], key="checkpoint_id")


def _record_faults(store: Store, job: TrainJob, faults: Sequence[dict[str, Any]], n_given: int) -> None:
    """Put rows that were left out on record; a step that dropped nothing is no step of the funnel."""
    if not faults:
        return
    step = f"{job.method}/preflight"
    places = {f["ordinal"] for f in faults}
    sql = "SELECT ordinal, sample_id FROM snapshot_rows WHERE snapshot_id = ? AND ordinal IN (SELECT unnest(?))"
    rows = dict(store.query(sql, [job.snapshot_id, sorted(places)]))
    raw = {i: line for i, line in enumerate(_read_lines(job.snapshot_path)) if i in places}
    store.fix_plan(job.run_id, job.iteration, step, [(job.snapshot_id, n_given)])
    dropped = [(f["ordinal"], _reason(f), raw[f["ordinal"]], f.get("evidence")) for f in faults]
    _insert_drops(store, job, step, [(o, str(rows.get(o, o)), *why) for o, *why in dropped])


def _record_heldout_faults(store: Store, job: TrainJob, result: dict[str, Any]) -> int:
    """Put held-out rows that nothing is measured on, on record; return how many."""
    heldout, faults = job.running.heldout, result["heldout_faults"]
    if heldout is None or not (faults or heldout.unread):
        return 0
    step, name, raw = f"{job.method}/heldout", heldout.path.stem, _lines(heldout.path)
    dropped = [*((text, why) for text, why in heldout.unread), *((raw[f["ordinal"]], _reason(f)) for f in faults)]
    store.fix_plan(job.run_id, job.iteration, step, [(name, len(raw) + len(heldout.unread))])
    _insert_drops(store, job, step, [(i, f"{name}/{i}", why, text, None) for i, (text, why) in enumerate(dropped)])
    return len(dropped)


def _lines(path: Path) -> list[str]:
    return list(_read_lines(path))


def _read_lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as stream:
        yield from (line.rstrip("\n") for line in stream if line.strip())


def _reason(fault: dict[str, Any]) -> str:
    return f"{fault['kind']}: {fault['reason']}"


def _insert_drops(store: Store, job: TrainJob, step: str, dropped: Sequence[tuple[Any, ...]]) -> None:
    """Write drops: of each a number, the input's id, why, its text, and what that rests on."""
    drops = [
        DropRow(content_id("drop", [job.checkpoint_id, step, n]), job.run_id, job.iteration, step, reason, input_id, None, text, 1, evidence=evidence)
        for n, input_id, reason, text, evidence in dropped
    ]  # fmt: skip
    store.insert("drops", [asdict(d) for d in drops], key="drop_id")
