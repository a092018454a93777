"""Rows of CSV, TSV and Parquet files.

A TSV whose cells are all quoted evenly is read with quotes, any other without (so that a lone quote is text).
"""

import csv
import io
import sys
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Literal

from ..errors import InputError
from ._read import Line, open_bytes
from ._rows import Row

DELIMITERS = (",", ";", "\t", "|")
PEEKED_LINES = 1000
SAMPLED_LINES = 50
"""Lines by which the delimiter is found."""
LONGEST_RECORD = 64 << 20
"""Characters of the longest record that is read."""


def read_table(path: Path, *, tabs: bool, header: bool = True, encoding: str = "utf-8") -> Iterator[Line]:
    """Yield the rows of a CSV or TSV file, all cells as text.

    Args:
        path: the file.
        tabs: cells are separated by tabs; otherwise by whichever of ``, ; | tab`` splits the first rows alike.
        header: the first line names the columns; otherwise they are called 1, 2, 3, …
        encoding: of the file.

    Raises:
        InputError: two columns have the same name.
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    delimiter, quoting = _find_dialect(path, tabs, encoding)
    with _open_text(path, encoding) as stream:
        head = stream.readline()
        notes = ("byte-order mark",) if head.startswith("\ufeff") else ()
        lines = chain([head.removeprefix("\ufeff")] if head else [], stream)
        columns: list[str] | None = None
        for first, cells, fault in _Records(lines, delimiter, quoting):
            if fault is not None:
                yield Line(first, None, cells[0] if cells else "", fault)
            elif columns is None and header:
                columns = _name_columns(path, cells)
            elif cells:
                columns = columns or [str(i + 1) for i in range(len(cells))]
                yield _as_line(first, columns, cells, notes)
                notes = ()


class _Records:
    """The records of a table as (line, cells, fault).

    A record of several lines whose quotes are not closed as they should be is a quote that was left open: its first line
    is a fault, and reading goes on behind that line.
    """

    def __init__(self, lines: Iterator[str], delimiter: str, quoting: Literal[0, 3]) -> None:
        self._lines = lines
        self._delimiter, self._quoting = delimiter, quoting
        self._taken: list[str] = []
        self._n_chars = 0

    def _take(self) -> Iterator[str]:
        for line in self._lines:
            self._taken.append(line)
            self._n_chars += len(line)
            yield line
            if self._n_chars > LONGEST_RECORD:
                return

    def __iter__(self) -> Iterator[tuple[int, list[str], str | None]]:
        number = 1
        while True:
            self._taken, self._n_chars = [], 0
            try:
                cells = next(csv.reader(self._take(), delimiter=self._delimiter, quoting=self._quoting), None)
                fault = None
            except csv.Error as error:
                cells, fault = [], f"no table: {error}"
            if cells is None:
                return
            if fault is None and len(self._taken) > 1 and not self._is_sound():
                cells, fault = [self._taken[0].rstrip("\r\n")], "a quote that is not closed"
                self._lines = chain(self._taken[1:], self._lines)
                del self._taken[1:]
            yield number, cells, fault
            number += len(self._taken)

    def _is_sound(self) -> bool:
        try:
            list(csv.reader(self._taken, delimiter=self._delimiter, quoting=self._quoting, strict=True))
        except csv.Error:
            return False
        return True


def _name_columns(path: Path, cells: list[str]) -> list[str]:
    """Return the names of the columns; of several without a name all but the first are called by their number."""
    names = [c if c or i == cells.index("") else str(i + 1) for i, c in enumerate(cells)]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise InputError(
            f"data file {path}", expected="columns of different names", received=f"{names.count(twice)} columns {twice!r}",
            cure="rename all but one of them in the first line; nothing was written",
        )  # fmt: skip
    return names


def _open_text(path: Path, encoding: str) -> Any:
    manager = open_bytes(path, encoding)

    class Opened:
        def __enter__(self) -> IO[str]:
            return io.TextIOWrapper(manager.__enter__(), "utf-8", errors="surrogateescape", newline="")

        def __exit__(self, *error: Any) -> None:
            manager.__exit__(*error)

    return Opened()


def _as_line(number: int, columns: list[str], cells: list[str], notes: tuple[str, ...]) -> Line:
    raw = "\t".join(cells)
    if any("\udc80" <= c <= "\udcff" for c in raw):
        shown = raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return Line(number, None, shown, "not UTF-8")
    if len(cells) != len(columns):
        return Line(number, None, raw, f"{len(cells)} cells, expected {len(columns)}")
    return Line(number, dict(zip(columns, cells, strict=True)), "", None, notes)


def _find_dialect(path: Path, tabs: bool, encoding: str) -> tuple[str, Literal[0, 3]]:
    with _open_text(path, encoding) as stream:
        peeked = list(islice(stream, PEEKED_LINES))
    if not tabs:
        return max(DELIMITERS, key=lambda d: _score_delimiter(d, peeked)), csv.QUOTE_MINIMAL
    quoted = [c for line in peeked for c in line.rstrip("\r\n").split("\t") if c.startswith('"')]
    even = bool(quoted) and all(len(c) > 1 and c.endswith('"') for c in quoted)
    return "\t", csv.QUOTE_MINIMAL if even else csv.QUOTE_NONE


def _score_delimiter(delimiter: str, lines: list[str]) -> tuple[float, int]:
    """Return the share of the first rows that have as many cells as the header, and how many these are."""
    try:
        widths = [len(cells) for cells in csv.reader(lines[:SAMPLED_LINES], delimiter=delimiter) if cells]
    except csv.Error:
        return 0.0, 0
    if not widths or widths[0] < 2:
        return 0.0, 0
    return widths.count(widths[0]) / len(widths), widths[0]


def read_parquet(path: Path) -> Iterator[Line]:
    """Yield the rows of a Parquet file.

    Parquet gives every object of a column the same keys: keys that are null are left out again, except the columns
    themselves. Times become ISO 8601 text; bytes are a fault, since JSON has no place for them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        yield Line(1, None, "", f"no Parquet file: {error}")
        return
    number = 0
    with file:
        for batch in file.iter_batches(batch_size=1000):
            for row in batch.to_pylist():
                number += 1
                yield _plain_line(number, row)


def _plain_line(number: int, row: Row) -> Line:
    try:
        return Line(number, {k: _plain(v, k) for k, v in row.items()})
    except ValueError as error:
        return Line(number, None, str(row)[:2000], str(error))


def _plain(value: Any, column: str) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v, column) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(v, column) for v in value]
    if isinstance(value, bytes):
        raise ValueError(f"column {column!r} holds bytes, expected text, numbers, lists or objects")
    if isinstance(value, float) and value - value != 0:
        raise ValueError(f"column {column!r} holds {value}, which is no JSON")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
