"""Checkpoints that are adapters, merged into the weights they stand on when something has to load them."""

import shutil
from pathlib import Path
from typing import Any

from ..errors import NotFoundError
from ..stage import clear_stage, run_stage
from ..store import Project

CHILD = "flywheel.train._merge"
MERGED = "merged"


def is_adapter(path: Path) -> bool:
    """Say whether a checkpoint's folder holds an adapter alone."""
    return (path / "adapter_config.json").is_file() and not (path / "config.json").is_file()


def merged_folder(project: Project, checkpoint_id: str, adapter: Path, base: Path, method: str) -> Path:
    """Return the folder of an adapter's merged weights, made once.

    Engines, lm-eval and further trainings load it like any other checkpoint.

    Raises:
        StageError: the merging process failed.
    """
    out = project.state / MERGED / checkpoint_id
    if not (out / "config.json").is_file():
        out.parent.mkdir(parents=True, exist_ok=True)
        merge(project, adapter, base, method, out)
    return out


def merge(project: Project, adapter: Path, base: Path, method: str, out: Path) -> None:
    """Write the weights that an adapter makes of ``base`` to the folder ``out``.

    Raises:
        StageError: the merging process failed.
    """
    work = project.work / f"merge-{out.name}"
    clear_stage(work)
    job: dict[str, Any] = {"adapter": str(adapter), "base": str(base), "method": method, "out": str(out)}
    run_stage(CHILD, job, work)
    clear_stage(work)


def export_checkpoint(
    project: Project, checkpoint_id: str, path: Path, base: Path, method: str, out: Path, *, as_adapter: bool = False
) -> None:
    """Copy a checkpoint to a folder of its own: whole weights, merged where it is an adapter, or the adapter alone.

    Raises:
        NotFoundError: the adapter of a training that had none is asked for.
    """
    if as_adapter:
        found = next((f for f in (path / "adapter", path) if (f / "adapter_config.json").is_file()), None)
        if found is None:
            raise NotFoundError(
                f"adapter of checkpoint {checkpoint_id}", expected="a training with train.peft",
                received="one of all weights", cure="leave --adapter out",
            )  # fmt: skip
        shutil.copytree(found, out)
    elif is_adapter(path):
        shutil.copytree(merged_folder(project, checkpoint_id, path, base, method), out)
    else:
        shutil.copytree(path, out, ignore=shutil.ignore_patterns("adapter"))
    if (path / "README.md").is_file():
        shutil.copy(path / "README.md", out / "README.md")
