"""The merging process. Runs as ``python -m flywheel.train._merge FOLDER PARENT``."""

import os
import shutil
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from ..stage import Emit, child_main


def merge(job: dict[str, Any], folder: Path, emit: Emit) -> dict[str, Any]:
    """Write the merged weights of ``job`` under a temporary name, then give the folder its own."""
    from .child import merge_adapter
    from .child._load import load_model, load_reader
    from .methods import find_method

    method, out = find_method(job["method"]), Path(job["out"])
    reader = load_reader(job["base"], method)
    partial = out.with_name(out.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(job["adapter"], partial)
    base = load_model(job["base"], method, sees=reader.sees, labels=_labels(job["adapter"]))
    merge_adapter(partial, base, reader.processor)
    shutil.rmtree(out, ignore_errors=True)
    os.replace(partial, out)
    return {}


def _labels(adapter: str) -> list[str]:
    """Return the names of a classifier's classes, which stand in the file beside the adapter."""
    import json

    file = Path(adapter) / "labels.json"
    return list(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else []


if __name__ == "__main__":
    child_main(merge)
