r"""The rows of a file, one after the other, in constant memory: JSON lines, JSON arrays, CSV, TSV, Parquet; gzip too.

A row that cannot be read is yielded with its fault. Lines end at ``\n`` only: U+2028 and its like are text.
"""

import codecs
import gzip
import json
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, RawIOBase
from itertools import islice
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import orjson

from ..errors import InputError, NotFoundError
from ..schema import without_halves
from ._rows import Row

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
LONGEST_LINE = 64 << 20
"""Bytes of the longest line that is read as a row."""

_LARGE = re.compile(r"[eE]\+?\d{3}|\d{300}")
_UNSTORABLE = {
    "Integer exceeds 64-bit range": "an integer of more than 64 bits",
    "Recursion limit reached": "lists and objects nested too deep (over 250)",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a file. ``number`` is its line, from 1; in a JSON array or a Parquet file, its row.

    ``fault`` says why it cannot be used; ``row`` is then None and ``raw`` has its text. ``notes`` name what was mended.
    """

    number: int
    row: Row | None
    raw: str = ""
    fault: str | None = None
    notes: tuple[str, ...] = ()


def read_lines(
    path: Path, *, header: bool = True, encoding: str = "utf-8", cure: str = "check the path on the command line"
) -> Iterator[Line]:
    """Yield the rows of ``path``, by its suffix.

    Args:
        path: the file.
        encoding: of a text; bytes that are not in it make their row a fault.
        header: the first line of a CSV or TSV file names its columns; otherwise they are called 1, 2, 3, …
        cure: what to do when there is no such file.

    Raises:
        NotFoundError: there is no such file.
        InputError: it is no file of rows.
    """
    if not path.is_file():
        raise NotFoundError(
            f"data file {path}", expected="a file of that name",
            received="a folder" if path.is_dir() else "no such file", cure=cure,
        )  # fmt: skip
    suffix = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"data file {path}", expected=f"a file that ends in {', '.join(SUFFIXES)} (or one of them and .gz)",
            received=f"the suffix {suffix!r}", cure="rename or convert it",
        )  # fmt: skip
    if suffix == ".parquet":
        from ._tables import read_parquet

        return read_parquet(path)
    if suffix in (".csv", ".tsv"):
        from ._tables import read_table

        return read_table(path, tabs=suffix == ".tsv", header=header, encoding=encoding)
    return _read_json(path, encoding) if suffix == ".json" else _read_jsonl(path, encoding)


@contextmanager
def open_bytes(path: Path, encoding: str = "utf-8") -> Iterator[IO[bytes]]:
    """Open ``path``, unpacked when it is gzip by its first bytes; a text in another encoding is read as UTF-8."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        unpacked = cast(IO[bytes], gzip.GzipFile(fileobj=stream)) if packed else stream
        try:
            yield unpacked if encoding == "utf-8" else cast(IO[bytes], BufferedReader(_Transcoded(unpacked, encoding)))
        finally:
            unpacked.close()


class _Transcoded(RawIOBase):
    """A text in any encoding as UTF-8; bytes that are not in it stay as they are, and are no UTF-8 then."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        errors = "replace" if encoding.startswith("utf") else "surrogateescape"
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = self._stream.read(1 << 16)
            self._rest = self._decoder.decode(piece, final=not piece).encode("utf-8", "surrogateescape")
            if not piece:
                break
        n = min(len(buffer), len(self._rest))
        buffer[:n], self._rest = self._rest[:n], self._rest[n:]
        return n


def _read_jsonl(path: Path, encoding: str = "utf-8") -> Iterator[Line]:
    with open_bytes(path, encoding) as stream:
        number = 0
        try:
            while line := stream.readline(LONGEST_LINE):
                number += 1
                if number == 1 and line.startswith(b"\xef\xbb\xbf"):
                    yield parse_line(number, line[3:], ("byte-order mark",))
                elif len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                    _skip_line(stream)
                    yield Line(number, None, _show(line[:1000]), f"a line longer than {LONGEST_LINE >> 20} MB")
                elif line.strip():
                    yield parse_line(number, line)
        except (EOFError, OSError, zlib.error) as error:
            yield Line(number + 1, None, "", f"the file breaks off: {error}")


def parse_line(number: int, line: bytes, notes: tuple[str, ...] = ()) -> Line:
    """Return the row that one JSON line holds, or its fault."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Line(number, None, _show(line), f"not UTF-8: {error.reason} at byte {error.start}")
    try:
        value = json.loads(text, parse_constant=refuse_constant, object_pairs_hook=refuse_repeats)
    except (ValueError, RecursionError) as error:
        return Line(number, None, text.rstrip("\n"), f"not JSON: {without_place(error)}")
    return as_line(number, value, text, notes)


def as_line(number: int, value: Any, text: str, notes: tuple[str, ...] = ()) -> Line:
    """Return a decoded value as a row, if it is an object."""
    if not isinstance(value, dict):
        return Line(number, None, text.rstrip("\n"), f"not a JSON object but a {type(value).__name__}")
    if "\\ud" in text.lower() and _has_halves(value):
        value, notes = without_halves(value), (*notes, "half of a surrogate pair")
    if fault := _why_not_storable(value, text):
        return Line(number, None, text.rstrip("\n"), fault)
    if any(mark in text for mark in "\u2028\u2029\x85"):
        notes = (*notes, "line separator inside a text (U+2028, U+2029 or U+0085)")
    return Line(number, value, "", None, notes)


def _why_not_storable(value: Row, text: str) -> str | None:
    """Return what of a row no store can hold: Python reads more than JSON has places for."""
    if _LARGE.search(text) and any(math.isinf(v) for v in _numbers(value)):
        return "a number that is too large (1e400, say)"
    try:
        orjson.dumps(value)
    except TypeError as error:
        return _UNSTORABLE.get(str(error), str(error))
    return None


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _numbers(inner)


def refuse_constant(name: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads and JSON does not have."""
    raise ValueError(f"{name} is no JSON")


def refuse_repeats(pairs: list[tuple[str, Any]]) -> Row:
    """Refuse an object in which a key stands twice: Python would keep the last one, and lose the other's value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [k for k, _ in pairs]
        raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} stands twice in an object")
    return found


def without_place(error: Exception) -> str:
    """Return a decoder's complaint without the position, so that equal faults are counted as one reason."""
    return str(error).split(": line ")[0]


def _skip_line(stream: IO[bytes]) -> None:
    while (piece := stream.readline(1 << 20)) and not piece.endswith(b"\n"):
        pass


def _show(line: bytes) -> str:
    return line.rstrip(b"\n").decode("utf-8", "backslashreplace")


def _has_halves(value: Any) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in json.dumps(value, ensure_ascii=False))


def _read_json(path: Path, encoding: str) -> Iterator[Line]:
    """Read a ``.json`` file: an array of rows, one object of rows, or JSON lines under the wrong name."""
    from ._json_array import read_array
    from ._json_object import read_object

    with open_bytes(path, encoding) as stream:
        head = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"["):
        with open_bytes(path, encoding) as stream:
            yield from read_array(stream)
    elif head and _is_of_lines(path, encoding):
        yield from _read_jsonl(path, encoding)
    elif head:
        yield from read_object(path, encoding)


def _is_of_lines(path: Path, encoding: str) -> bool:
    """Say whether the first line is a row, and not the only one."""
    first = list(islice(_read_jsonl(path, encoding), 2))
    return len(first) == 2 and first[0].fault is None
