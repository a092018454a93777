"""Rows of a user's own for training (``train.rows``): JSON lines, JSON, CSV, TSV, Parquet, or a data set of the hub."""

import json
from itertools import islice
from pathlib import Path

from ..config import Source, TrainConfig
from ..errors import InputError
from ..files import Line, read_lines
from ..judge import OwnRow
from ..schema import content_id
from ..store import read_source
from ..train import Heldout


def read_own_rows(spec: str, base: Path, key: str = "train.rows") -> list[OwnRow]:
    """Return the rows of a source.

    Args:
        spec: see :data:`flywheel.config.SourceSpec`; the file's suffix says what it is.
        base: folder that relative paths start from.
        key: the recipe's, that names the source.

    Raises:
        NotFoundError: no such file, or the hub does not give the data set.
        InputError: it is no file of rows.
    """
    source = Source.parse(spec)
    if source.is_hub:
        found = read_source(spec, base)
        return [OwnRow(None if r.fault else r.row, r.raw if r.fault else _as_text(r.row), r.fault) for r in found]
    lines = read_lines(base / Path(source.where).expanduser(), cure=f"check {key} in the recipe")
    return [_read(line) for line in islice(lines, source.start, source.stop)]


def _read(line: Line) -> OwnRow:
    if line.row is None:
        return OwnRow(None, line.raw, line.fault or "no row")
    return OwnRow(line.row, _as_text(line.row))


def _as_text(row: object) -> str:
    return json.dumps(row, ensure_ascii=False, default=str)


def freeze_heldout(spec: str, base: Path, folder: Path) -> Heldout:
    """Write held-out rows where the training process reads them.

    Raises:
        InputError: none can be read.
    """
    rows = read_own_rows(spec, base, "train.heldout")
    texts = [row.raw for row in rows if row.columns is not None]
    unread = tuple((row.raw, row.fault or "no row") for row in rows if row.columns is None)
    if not texts:
        raise InputError(
            "recipe key train.heldout", expected="rows to measure on",
            received=f"{spec}: {len(rows)} lines, none of them a row" + (f" ({unread[0][1]})" if unread else ""),
            cure="mend the file, or remove train.heldout",
        )  # fmt: skip
    path = folder / f"{content_id('held', texts)}.jsonl"
    path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    return Heldout(path, unread)


def contents(train: TrainConfig, base: Path) -> dict[str, str]:
    """Return the content id of each source that a recipe's ``train:`` names: part of a run's identity."""
    named = {"train.rows": train.rows, "train.heldout": train.heldout}
    return {
        f"rows {spec}": content_id("rows", [row.raw for row in read_own_rows(spec, base, key)])
        for key, spec in named.items() if spec
    }  # fmt: skip
