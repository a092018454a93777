"""The rows of a split as the suite names them: a file, the hub, or the task's own data (``task:validation``)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..config import Source
from ..errors import InputError, NotFoundError, RecipeError
from ..store import SourceRow, read_source
from ._task_files import FoundTask, Function

TASK = "task:"
"""What names a split of the task's own data set begins with."""


def read_rows(spec: str, found: FoundTask, base: Path, place: str) -> list[SourceRow]:
    """Return the rows of ``spec``.

    Raises:
        NotFoundError: there is no such file, data set or split.
        InputError: a row cannot be read; an evaluation set is taken whole or not at all.
    """
    rows = _read_own(spec, found, place) if spec.startswith(TASK) else list(read_source(spec, base))
    for row in rows:
        if row.fault:
            raise InputError(
                f"{place}: {spec}:{row.ordinal + 1}",
                expected="a JSON object on each line",
                received=f"{row.fault}: {row.raw[:120]!r}",
                cure="mend or remove the line; an evaluation set is never scored in part",
            )
    if not rows:
        raise InputError(
            f"{place}: {spec}", expected="at least one row", received="none", cure="check the file and the slice"
        )
    return rows


def find_own_shots(task: Mapping[str, Any]) -> str | None:
    """Return the split of its own data that a task takes its examples from."""
    split = task.get("fewshot_split") or task.get("training_split")
    return f"{TASK}{split}" if isinstance(split, str) else None


def _read_own(spec: str, found: FoundTask, place: str) -> list[SourceRow]:
    import datasets

    source, task = Source.parse(spec), found.read()
    split = source.where.removeprefix(TASK)
    path, name, kwargs = task.get("dataset_path"), task.get("dataset_name"), task.get("dataset_kwargs") or {}
    if not isinstance(path, str) or isinstance(task.get("custom_dataset"), Function):
        raise RecipeError(
            place, expected="a task with a dataset_path", received=f"task {found.name} names none",
            cure="give the split rows of your own: a file, or hub:owner/name/config/split",
        )  # fmt: skip
    options = {k: v for k, v in kwargs.items() if k != "trust_remote_code"}
    try:
        loaded = datasets.load_dataset(path, name, split=split, **options)
    except Exception as error:  # the hub client's errors have no common base; all mean "cannot be had"
        raise NotFoundError(
            f"{place}: data set {path} of task {found.name}", expected=f"configuration {name!r}, split {split!r}",
            received=f"{type(error).__name__}: {error}".split("\n")[0],
            cure="check the split and the network, or give the split rows of your own: a local JSONL file",
        ) from error  # fmt: skip
    stop = len(loaded) if source.stop is None else min(source.stop, len(loaded))
    rows = (loaded[i] for i in range(source.start, stop))
    return [SourceRow(source.start + i, json.loads(json.dumps(r, default=str))) for i, r in enumerate(rows)]
