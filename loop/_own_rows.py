"""Rows of a user's own for training (``train.rows``): JSON lines, JSON, CSV, TSV, Parquet, or a data set of the hub."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ..config import Source
from ..files import Line, read_lines
from ..judge import OwnRow
from ..schema import content_id
from ..store import read_source


def read_own_rows(spec: str, base: Path) -> list[OwnRow]:
    """Return the rows of a source.

    Args:
        spec: see :data:`flywheel.config.SourceSpec`; the file's suffix says what it is.
        base: folder that relative paths start from.

    Raises:
        NotFoundError: no such file, or the hub does not give the data set.
        InputError: it is no file of rows.
    """
    source = Source.parse(spec)
    if source.is_hub:
        found = read_source(spec, base)
        return [OwnRow(None if r.fault else r.row, r.raw if r.fault else _as_text(r.row), r.fault) for r in found]
    lines = read_lines(base / Path(source.where).expanduser())
    return [_read(line) for line in islice(lines, source.start, source.stop)]


def _read(line: Line) -> OwnRow:
    if line.row is None:
        return OwnRow(None, line.raw, line.fault or "no row")
    return OwnRow(line.row, _as_text(line.row))


def _as_text(row: object) -> str:
    return json.dumps(row, ensure_ascii=False, default=str)


def freeze_heldout(spec: str, base: Path, folder: Path) -> tuple[Path, str]:
    """Write held-out rows where the training process reads them; return the file and its content id."""
    texts = [row.raw for row in read_own_rows(spec, base) if row.columns is not None]
    content = content_id("held", texts)
    path = folder / f"{content}.jsonl"
    path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    return path, content


def contents(specs: Iterator[str | None], base: Path) -> dict[str, str]:
    """Return the content id of each source: part of a run's identity."""
    return {
        f"rows {spec}": content_id("rows", [row.raw for row in read_own_rows(spec, base)]) for spec in specs if spec
    }
