"""Rows of CSV, TSV and Parquet files.

A TSV whose cells are all quoted evenly is read with quotes, any other without (so that a lone quote is text).
"""

import csv
import io
import sys
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

from ._read import Line, open_bytes
from ._rows import Row

DELIMITERS = (",", ";", "\t", "|")
PEEKED_LINES = 1000


def read_table(path: Path, *, tabs: bool, header: bool = True) -> Iterator[Line]:
    """Yield the rows of a CSV or TSV file, all cells as text.

    Args:
        path: the file.
        tabs: cells are separated by tabs; otherwise by whichever of ``, ; | tab`` the first line holds most.
        header: the first line names the columns; otherwise they are called 1, 2, 3, …
    """
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    delimiter, quoting = _find_dialect(path, tabs)
    with _open_text(path) as stream:
        notes = _skip_mark(stream)
        reader = csv.reader(stream, delimiter=delimiter, quoting=quoting)
        columns, first = None, 1
        cells: list[str]
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Line(first, None, "", f"no table: {error}")
                return
            if columns is None:
                columns = cells if header else [str(i + 1) for i in range(len(cells))]
            if cells and not (header and first == 1):
                yield _as_line(first, columns, cells, notes)
                notes = ()
            first = reader.line_num + 1


def _open_text(path: Path) -> Any:
    manager = open_bytes(path)

    class Opened:
        def __enter__(self) -> IO[str]:
            return io.TextIOWrapper(manager.__enter__(), "utf-8", errors="surrogateescape", newline="")

        def __exit__(self, *error: Any) -> None:
            manager.__exit__(*error)

    return Opened()


def _skip_mark(stream: IO[str]) -> tuple[str, ...]:
    if stream.read(1) == "\ufeff":
        return ("byte-order mark",)
    stream.seek(0)
    return ()


def _as_line(number: int, columns: list[str], cells: list[str], notes: tuple[str, ...]) -> Line:
    raw = "\t".join(cells)
    if any("\udc80" <= c <= "\udcff" for c in raw):
        shown = raw.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return Line(number, None, shown, "not UTF-8")
    if len(cells) != len(columns):
        return Line(number, None, raw, f"{len(cells)} cells, expected {len(columns)}")
    return Line(number, dict(zip(columns, cells, strict=True)), "", None, notes)


def _find_dialect(path: Path, tabs: bool) -> tuple[str, Literal[0, 3]]:
    with _open_text(path) as stream:
        peeked = list(islice(stream, PEEKED_LINES))
    head = peeked[0] if peeked else ""
    if not tabs:
        return max(DELIMITERS, key=head.count), csv.QUOTE_MINIMAL
    quoted = [c for line in peeked for c in line.rstrip("\r\n").split("\t") if c.startswith('"')]
    even = bool(quoted) and all(len(c) > 1 and c.endswith('"') for c in quoted)
    return "\t", csv.QUOTE_MINIMAL if even else csv.QUOTE_NONE


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
