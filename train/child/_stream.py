"""A training set that is never in memory as a whole: checked in parts by one process, and written as shards that all read.

What is found lies beside the shards: a training that goes on looks at no row twice.
"""

import itertools
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import RecipeError
from ...stage import has_failed, write_json
from .._form import Form
from .._preflight import Fault, find_row_faults, form_of, refuse_whole
from ..methods import Method
from ._args import is_main, world_size
from ._load import Reader
from ._rows import FileRows, Row, kept_columns, make_demands
from ._shards import Lanes, Sharded

PART = 1000
"""Rows that are looked at together."""
SHARDS, FOUND = "rows", "rows.json"
WAIT_S = 0.5


@dataclass(frozen=True)
class Streamed:
    """Rows that were checked.

    Attributes:
        rows: those that are trained on.
        n_given: all.
        faults: of the others.
        form: what the rows are like.
    """

    rows: Sharded
    n_given: int
    faults: list[dict[str, Any]]
    form: Form


def stream_rows(job: dict[str, Any], method: Method, reader: Reader, folder: Path) -> Streamed:
    """Return the rows of a job, checked as :func:`~._rows.check` does; the first process looks at them, the others wait for it.

    Args:
        job: see ``TrainJob``.
        method: what is trained.
        reader: of the model.
        folder: the stage's own.

    Raises:
        InputError: the rows are wrong as a whole.
        RecipeError: the arguments leave no room for any row.
    """
    found = folder / FOUND
    if is_main() and not found.is_file():
        write_json(found, _check(job, method, reader, folder / SHARDS))
    while not found.is_file():
        if has_failed(folder):
            raise SystemExit(1)  # the first process has told why
        time.sleep(WAIT_S)
    told = json.loads(found.read_text(encoding="utf-8"))
    form = Form(tuple(told["form"]["columns"]), told["form"]["shape"], told["form"]["images"])
    return Streamed(Sharded(folder / SHARDS, told["n_rows"], told["n_lanes"]), told["n_given"], told["faults"], form)


def _check(job: dict[str, Any], method: Method, reader: Reader, folder: Path) -> dict[str, Any]:
    given = FileRows(job["data"], job, method)
    demands = make_demands(given, job, method, reader, job["args"])
    form = form_of(given, demands)
    if form.images:
        raise RecipeError(
            "recipe key train.streaming", expected="rows of text", received="rows with images",
            cure="remove train.streaming: rows with images are read into memory, the images themselves when they are needed",
        )  # fmt: skip
    demands = replace(demands, form=form)
    faults: list[Fault] = []
    lanes, n = Lanes(folder, kept_columns(form), world_size()), 0
    for part in _parts(given):
        bad = {f.ordinal: replace(f, ordinal=n + f.ordinal) for f in find_row_faults(part, demands, form)}
        faults += bad.values()
        for i, row in enumerate(part):
            if i not in bad:
                lanes.add(row)
        n += len(part)
    refuse_whole(n, faults, demands)
    made = lanes.close()
    return {
        "n_rows": len(made), "n_lanes": made.n_lanes, "n_given": n, "faults": [asdict(f) for f in faults],
        "form": asdict(form),
    }  # fmt: skip


def _parts(rows: FileRows) -> Iterator[list[Row]]:
    stream = iter(rows)
    while part := list(itertools.islice(stream, PART)):
        yield part
