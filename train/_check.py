"""Rows looked at as a training would, by the model's own tokenizer and template, without training. Also the process that does it:
``python -m flywheel.train._check FOLDER PARENT``.
"""

import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from ..stage import Emit, child_main, run_stage
from ._options import Running, Shape
from ._preflight import Fault
from ._python import environment, resolve_python

CHILD = "flywheel.train._check"


def find_faults(
    model: Path, method: str, args: dict[str, Any], shape: Shape, running: Running, rows: Path, folder: Path
) -> list[Fault]:
    """Return what a training would leave out of ``rows``, in their order, and why.

    Args:
        model: its folder.
        method: what would be trained.
        args: the method's.
        shape: what the weights would depend on.
        running: where it would run, and which rows must not be trained on.
        rows: JSON lines, in the method's columns.
        folder: the process's own.

    Raises:
        InputError: the rows are wrong as a whole, or none is left.
        RecipeError: the model is of another kind, or the arguments leave no room for any row.
    """
    job = {
        "method": method, "model": str(model), "data": str(rows), "args": args, **shape.contract(),
        "unseen": running.unseen and str(running.unseen), "root": str(running.root),
    }  # fmt: skip
    python, env = resolve_python(running.python), environment(running.python, folder.parent)
    return [Fault(**fault) for fault in run_stage(CHILD, job, folder, python=python, env=env)["faults"]]


def look(job: dict[str, Any], folder: Path, emit: Emit) -> dict[str, Any]:
    """Return the faults of a job's rows."""
    from .child import find_faults

    return {"faults": json.loads(json.dumps(find_faults(job)))}


if __name__ == "__main__":
    child_main(look)
