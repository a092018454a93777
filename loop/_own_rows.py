"""Rows of a user's own for training (``train.rows``): JSON lines, JSON, CSV, TSV, Parquet, or a data set of the hub."""

import json
import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ..config import Source, TrainConfig
from ..errors import InputError
from ..files import read_lines
from ..judge import OwnRow
from ..schema import content_id
from ..store import read_source
from ..train import Heldout

_NAMES = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")
"""Places in a text of ``train.columns``."""


def read_own_rows(train: TrainConfig, base: Path, key: str = "rows") -> list[OwnRow]:
    """Return the rows of a source, in the columns that the recipe makes of theirs.

    Args:
        train: names the source, see :data:`flywheel.config.SourceSpec`; the file's suffix says what it is.
        base: folder that relative paths start from.
        key: which source: ``rows`` or ``heldout``.

    Raises:
        NotFoundError: no such file, or the hub does not give the data set.
        InputError: it is no file of rows.
    """
    spec = str(getattr(train, key))
    source = Source.parse(spec)
    if source.is_hub:
        found = [(None if r.fault else r.row, r.raw, r.fault) for r in read_source(spec, base)]
    else:
        lines = read_lines(base / Path(source.where).expanduser(), cure=f"check train.{key} in the recipe")
        found = [(line.row, line.raw, line.fault) for line in islice(lines, source.start, source.stop)]
    return [_read(row, raw, fault, train.columns) for row, raw, fault in found]


def _read(row: dict[str, Any] | None, raw: str, fault: str | None, columns: Mapping[str, Any]) -> OwnRow:
    if row is None:
        return OwnRow(None, raw, fault or "no row")
    made = rename_columns(row, columns) if columns else row
    return OwnRow(made, _as_text(made))


def rename_columns(row: Mapping[str, Any], columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with the columns that a recipe makes of others, and the others that none is made of.

    What needs a place that the row lacks is left out: the trainer's checks then name the missing column.
    """
    used: set[str] = set()
    made = {name: _fill(row, value, used) for name, value in columns.items()}
    others = {k: v for k, v in row.items() if k not in used}
    return others | {k: v for k, v in made.items() if v is not None}


def _fill(row: Mapping[str, Any], value: Any, used: set[str]) -> Any:
    """Return what ``value`` stands for: a place of the row, a text with places, or messages of these; None where one is missing."""
    if isinstance(value, list):
        filled = [
            {**m, "content": _fill(row, m["content"], used) if _NAMES.search(m["content"]) else m["content"]}
            for m in value
        ]
        return None if any(m["content"] is None for m in filled) else filled
    names = _NAMES.findall(value)
    found = {name: _find(row, name) for name in names or [value]}
    used.update(name if name in row else name.split(".")[0] for name in found)
    if any(part is None for part in found.values()):
        return None
    return _NAMES.sub(lambda m: str(found[m[1]]), value).strip() if names else found[value]


def _find(row: Mapping[str, Any], name: str) -> Any:
    """Return what stands at a place: a column's name, or a way into it by dots; None where there is nothing."""
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _as_text(row: object) -> str:
    return json.dumps(row, ensure_ascii=False, default=str)


def freeze_heldout(train: TrainConfig, base: Path, folder: Path) -> Heldout:
    """Write the rows of ``train.heldout`` where the training process reads them.

    Raises:
        InputError: none can be read.
    """
    rows = read_own_rows(train, base, "heldout")
    texts = [row.raw for row in rows if row.columns is not None]
    unread = tuple((row.raw, row.fault or "no row") for row in rows if row.columns is None)
    if not texts:
        raise InputError(
            "recipe key train.heldout", expected="rows to measure on",
            received=f"{train.heldout}: {len(rows)} lines, none of them a row" + (f" ({unread[0][1]})" if unread else ""),
            cure="mend the file, or remove train.heldout",
        )  # fmt: skip
    path = folder / f"{content_id('held', texts)}.jsonl"
    path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    return Heldout(path, unread)


def contents(train: TrainConfig, base: Path) -> dict[str, str]:
    """Return the content id of each source that a recipe's ``train:`` names: part of a run's identity."""
    named = {"rows": train.rows, "heldout": train.heldout}
    return {
        f"rows {spec}": content_id("rows", [row.raw for row in read_own_rows(train, base, key)])
        for key, spec in named.items() if spec
    }  # fmt: skip
