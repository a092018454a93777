"""Rows from where a recipe says: a JSONL or CSV file (plain or gzip), or a hub data set; a slice of either."""

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import Source, require_file
from ..errors import FileAccessError, InputError, NotFoundError, explain_os_error
from ..schema import without_halves

_UNEVEN = "another number of cells than the head"


@dataclass(frozen=True)
class SourceRow:
    """One row of a source. ``fault`` says why it cannot be used; ``row`` is then empty and ``raw`` has its text."""

    ordinal: int
    row: dict[str, Any]
    raw: str = ""
    fault: str | None = None


def read_source(spec: str, base: Path, *, cure: str = "check the path in the recipe") -> Iterator[SourceRow]:
    """Yield the rows of ``spec``; a line that is no JSON object in UTF-8 is yielded with its fault.

    Args:
        spec: see :data:`flywheel.config.SourceSpec`.
        base: folder that relative paths start from.
        cure: what to do when there is no such file.

    Raises:
        NotFoundError: no such file, or the hub does not give the data set.
        FileAccessError: the file may not be read.
        InputError: the file cannot be unpacked, or the slice is behind its end.
    """
    source = Source.parse(spec)
    rows = _read_hub(source) if source.is_hub else _read_file(base / Path(source.where).expanduser(), cure)
    n = 0
    for n, row in enumerate(rows, start=1):
        if n > source.start:
            yield row
        if n == source.stop:
            return
    if source.start and n <= source.start:
        raise InputError(
            f"data {spec}", expected=f"rows from number {source.start} on, counted from 0",
            received=f"{n} rows in all", cure="choose a slice within them",
        )  # fmt: skip


def _read_file(path: Path, cure: str) -> Iterator[SourceRow]:
    place = f"data file {path}"
    require_file(path, place, expected="a JSONL or CSV file", cure=cure)
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            if path.name.removesuffix(".gz").endswith(".csv"):
                yield from _read_csv(stream, place)
                return
            for ordinal, line in enumerate(stream):
                if line.strip():
                    yield _parse_line(ordinal, line.removeprefix(codecs.BOM_UTF8) if ordinal == 0 else line)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            place, expected="a whole gzip file", received=str(error), cure="fetch or pack the file again"
        ) from None
    except OSError as error:
        raise FileAccessError(place, **explain_os_error(error)._asdict()) from None


def _read_csv(stream: Any, place: str) -> Iterator[SourceRow]:
    """Yield the rows of a table with a head, of an open binary file; every value is a text. A byte order mark is no part of the first column's name."""
    try:
        with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
            table = csv.DictReader(text, restkey="")
            for ordinal, row in enumerate(table):
                found = {k: v for k, v in row.items() if k and v is not None}
                is_bad = len(found) < len(table.fieldnames or ()) or "" in row
                raw = json.dumps(row, ensure_ascii=False)
                yield SourceRow(ordinal, {}, raw, _UNEVEN) if is_bad else SourceRow(ordinal, found, raw)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            place, expected="a table in UTF-8", received=str(error), cure="save it as CSV in UTF-8"
        ) from None


def _parse_line(ordinal: int, line: bytes) -> SourceRow:
    """Parse one line. Faults are worded without positions, so that equal ones can be counted together."""
    try:
        text = line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return SourceRow(ordinal, {}, line.decode("utf-8", "backslashreplace").rstrip("\r\n"), "not text in UTF-8")
    try:
        row = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        return SourceRow(ordinal, {}, text, "not JSON: nested too deeply")
    except ValueError as error:
        return SourceRow(
            ordinal, {}, text, f"not JSON: {error.msg if isinstance(error, json.JSONDecodeError) else error}"
        )
    if not isinstance(row, dict):
        return SourceRow(ordinal, {}, text, f"not a JSON object but a {type(row).__name__}")
    if "\\ud" in text.lower():
        row = without_halves(row)
    return SourceRow(ordinal, row, text)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _show(value: Any) -> str:
    return f"{len(value)} bytes" if isinstance(value, bytes) else str(value)


def _read_hub(source: Source) -> Iterator[SourceRow]:
    import datasets

    try:
        rows = datasets.load_dataset(source.where, source.config, split=source.split)
    except Exception as error:  # the hub client's errors have no common base; all mean "cannot be had"
        raise NotFoundError(
            f"hub data set {source.where}",
            expected=f"configuration {source.config!r}, split {source.split!r}",
            received=f"{type(error).__name__}: {error}".split("\n")[0],
            cure="check the name and the network, or name a local JSONL file",
        ) from error
    for name, kind in (rows.features or {}).items():
        if isinstance(kind, datasets.Image):
            rows = rows.cast_column(
                name, datasets.Image(decode=False)
            )  # as {"bytes", "path"}: nobody here looks at pixels
    for ordinal, row in enumerate(rows):
        yield SourceRow(ordinal, dict(row), json.dumps(row, default=_show))
