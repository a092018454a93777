"""Rows into a file by its suffix: JSON lines, one JSON array, CSV, TSV, Parquet; ``.gz`` packs the text formats.

Whatever is written stands under a temporary name until it is whole.
"""

import csv
import gzip
import io
import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from ...errors import InputError
from ._record import Row

SUFFIXES = (".jsonl", ".jsonl.gz", ".json", ".json.gz", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


class Sink(ABC):
    """Takes rows one by one."""

    @abstractmethod
    def write(self, row: Row) -> None:
        """Take one row."""

    def close(self) -> None:
        """Write what is left."""

    def abort(self) -> None:
        """Let go of the files; they will not be used."""

    def __enter__(self) -> "Sink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()


@contextmanager
def replace_when_whole(target: Path, *, force: bool) -> Iterator[Path]:
    """Hand out a name beside ``target``; what stands there when the block ends becomes ``target``.

    Args:
        target: a file or folder.
        force: replace what is there.

    Raises:
        InputError: something is there, or its folder is missing.
    """
    check_target(target, force=force)
    fresh = target.with_name(f".{target.name}.{os.getpid()}.part")
    _remove(fresh)
    try:
        yield fresh
        if target.is_dir() and not target.is_symlink():
            old = target.with_name(f".{target.name}.{os.getpid()}.old")
            target.replace(old)
            fresh.replace(target)
            _remove(old)
        else:
            fresh.replace(target)
    finally:
        _remove(fresh)


def check_target(target: Path, *, force: bool) -> None:
    """Refuse to write where something is, or where there is no folder.

    Raises:
        InputError: it may not be written.
    """
    if target.exists() and not force:
        raise InputError(
            f"--output {target}", expected="a name that is free", received="a file or folder that is there already",
            cure="choose another name, or replace it with --force",
        )  # fmt: skip
    if not target.absolute().parent.is_dir():
        raise InputError(
            f"--output {target}", expected="a name in a folder that exists", received="no such folder",
            cure=f"mkdir -p {target.parent}",
        )  # fmt: skip


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def suffix_of(path: Path) -> str:
    """Return the suffix that says how ``path`` is written; raises :class:`InputError` for an unknown one."""
    found = next((s for s in sorted(SUFFIXES, key=len, reverse=True) if path.name.lower().endswith(s)), None)
    if found is None:
        raise InputError(
            f"--output {path}", expected=f"a name that ends in {', '.join(SUFFIXES)}", received=repr(path.name),
            cure="name the file so, or write a Hugging Face folder with --format hf",
        )  # fmt: skip
    return found


def open_sink(path: Path, suffix: str) -> Sink:
    """Open ``path`` for rows as ``suffix`` says."""
    if suffix == ".parquet":
        from ._parquet import ParquetSink

        return ParquetSink(path)
    stream = _open_text(path, packed=suffix.endswith(".gz"))
    kind = suffix.removesuffix(".gz")
    if kind in (".csv", ".tsv"):
        return TableSink(stream, "\t" if kind == ".tsv" else ",")
    return JSONSink(stream, as_array=kind == ".json")


def _open_text(path: Path, *, packed: bool) -> IO[str]:
    if packed:
        return io.TextIOWrapper(_Packed(path), "utf-8", newline="", write_through=True)
    return path.open("w", encoding="utf-8", newline="")


class _Packed(gzip.GzipFile):
    """A gzip file with neither name nor time in it: equal rows make equal bytes."""

    def __init__(self, path: Path) -> None:
        self._raw = path.open("wb")
        super().__init__(filename="", mode="wb", fileobj=self._raw, mtime=0)

    def close(self) -> None:
        super().close()
        self._raw.close()


class JSONSink(Sink):
    """One object a line, or one array with an object a line."""

    def __init__(self, stream: IO[str], *, as_array: bool) -> None:
        self._stream, self._as_array, self._n = stream, as_array, 0

    def write(self, row: Row) -> None:
        """See :class:`Sink`."""
        before = ("[\n" if self._n == 0 else ",\n") if self._as_array else ""
        after = "" if self._as_array else "\n"
        self._stream.write(before + json.dumps(row, ensure_ascii=False) + after)
        self._n += 1

    def close(self) -> None:
        """See :class:`Sink`."""
        if self._as_array:
            self._stream.write("\n]\n" if self._n else "[]\n")
        self._stream.close()

    def abort(self) -> None:
        """See :class:`Sink`."""
        self._stream.close()


class TableSink(Sink):
    """Cells as text: null is empty, lists and objects are JSON. The first row names the columns.

    Columns that are called 1, 2, 3, … came from a table without header and are written without one.
    """

    def __init__(self, stream: IO[str], delimiter: str) -> None:
        self._stream, self._delimiter = stream, delimiter
        self._columns: list[str] | None = None
        self._writer: Any = None

    def write(self, row: Row) -> None:
        """See :class:`Sink`.

        Raises:
            InputError: the row has a column that the first one has not.
        """
        if self._columns is None:
            self._begin(row)
        columns = self._columns or []
        unknown = row.keys() - set(columns)
        if unknown:
            raise InputError(
                "export to a table", expected=f"rows with the columns {', '.join(columns)}",
                received=f"also {', '.join(sorted(unknown))}", cure="write .jsonl, or narrow the rows with --where",
            )  # fmt: skip
        cells = [_cell(row.get(c)) for c in columns]
        if self._delimiter == "\t" and not any(mark in cell for cell in cells for mark in "\t\n\r"):
            self._stream.write("\t".join(cells) + "\n")  # a lone quote is text in a TSV
        else:
            self._writer.writerow(cells)

    def _begin(self, row: Row) -> None:
        numbered = all(c.isdigit() for c in row)
        self._columns = sorted(row, key=int) if numbered else list(row)
        self._writer = csv.writer(self._stream, delimiter=self._delimiter, lineterminator="\n")
        if not numbered:
            self._writer.writerow(self._columns)

    def close(self) -> None:
        """See :class:`Sink`."""
        self._stream.close()

    def abort(self) -> None:
        """See :class:`Sink`."""
        self._stream.close()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
