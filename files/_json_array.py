"""A JSON array of rows, decoded element by element: the memory in use is that of the largest element.

A malformed element costs itself, not the file: its end is found by counting brackets outside of strings; where that
fails (a quote is missing), reading goes on at the next element that has a key of the one before.
"""

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from typing import IO, Any

from ._read import Line, as_line, refuse_constant, refuse_repeats, without_place

CHUNK_BYTES = 1 << 20
LARGEST_ELEMENT = 64 << 20
"""Characters of the largest element that is read, and the farthest that the end of a broken one is looked for."""

_BLANK = re.compile(r"[\s,]*")
_NEXT = re.compile(r"\}\s*,\s*(?=\{)")
_STEP = re.compile(r'["{}\[\]]')
_STRING_END = re.compile(r'(?:[^"\\]|\\.)*"', re.DOTALL)


class _Buffer:
    """The part of the file that is being looked at, as text."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("backslashreplace")
        self.text = ""
        self.at_end = False
        self.broke_off: str | None = None

    def grow(self) -> bool:
        """Read as much again as is there; return False when the file is at its end."""
        if self.at_end:
            return False
        try:
            piece = self._stream.read(max(CHUNK_BYTES, len(self.text)))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            piece, self.broke_off = b"", str(error)
        self.at_end = not piece
        self.text += self._decoder.decode(piece, final=self.at_end)
        return True

    def drop(self, n: int) -> None:
        """Forget the first ``n`` characters."""
        self.text = self.text[n:]


def read_array(stream: IO[bytes]) -> Iterator[Line]:
    """Yield the elements of the array in ``stream``, numbered from 1."""
    buffer, decoder = (
        _Buffer(stream),
        json.JSONDecoder(parse_constant=refuse_constant, object_pairs_hook=refuse_repeats),
    )
    buffer.grow()
    at, number, keys = buffer.text.index("[") + 1, 0, frozenset[str]()
    while True:
        if at > CHUNK_BYTES:
            buffer.drop(at)
            at = 0
        at = _skip_blank(buffer, at)
        if at >= len(buffer.text):
            yield Line(number + 1, None, "", f"the array breaks off: {buffer.broke_off or 'no closing bracket'}")
            return
        if buffer.text[at] == "]":
            return
        number += 1
        line, at = _next_element(buffer, at, number, keys, decoder)
        keys = frozenset(line.row) if line.row is not None else keys
        yield line
        if line.row is None and at >= len(buffer.text) and not buffer.grow():
            return  # the broken element took the rest of the file along


def _skip_blank(buffer: _Buffer, at: int) -> int:
    while True:
        found = _BLANK.match(buffer.text, at)
        at = found.end() if found else at
        if at < len(buffer.text) or not buffer.grow():
            return at


def _next_element(
    buffer: _Buffer, at: int, number: int, keys: frozenset[str], decoder: json.JSONDecoder
) -> tuple[Line, int]:
    """Return the element at ``at`` and where it ends."""
    while True:
        try:
            value, end = decoder.raw_decode(buffer.text, at)
        except (ValueError, RecursionError) as error:
            if _may_be_cut(buffer, at, error) and buffer.grow():
                continue
            return _quarantine(buffer, at, number, keys, without_place(error), decoder)
        if end < len(buffer.text) or not buffer.grow():
            return as_line(number, value, buffer.text[at:end]), end


def _may_be_cut(buffer: _Buffer, at: int, error: Exception) -> bool:
    """Say whether more text could mend the error: it stands at the end of what was read, or in an open string."""
    if len(buffer.text) - at > LARGEST_ELEMENT:
        return False
    if not isinstance(error, json.JSONDecodeError):
        return False
    return "Unterminated" in error.msg or error.pos >= len(buffer.text) - 16


def _quarantine(
    buffer: _Buffer, at: int, number: int, keys: frozenset[str], reason: str, decoder: json.JSONDecoder
) -> tuple[Line, int]:
    bracketed = buffer.text[at] in '{[}"'
    end = _balanced_end(buffer, at) if bracketed else _scalar_end(buffer, at)
    if end is None:
        end = _next_like(buffer, at, keys, decoder)
    end = len(buffer.text) if end is None else end
    return Line(number, None, buffer.text[at:end].rstrip(), f"not JSON: {reason}"), end


def _scalar_end(buffer: _Buffer, at: int) -> int | None:
    """Return where something that is no object ends: at the next comma or bracket."""
    found = re.compile(r"[,\]{]").search(buffer.text, at + 1)
    return found.start() if found else None


def _balanced_end(buffer: _Buffer, at: int) -> int | None:
    """Return where the brackets that open at ``at`` are closed, if a comma or the array's end follows there."""
    depth, place = 0, at
    while True:
        found = _STEP.search(buffer.text, place)
        if found is None:
            if len(buffer.text) - at > LARGEST_ELEMENT or not buffer.grow():
                return None
            continue
        place = found.end()
        if found[0] == '"':
            closed = _string_end(buffer, place, at)
            if closed is None:
                return None
            place = closed
            continue
        depth += 1 if found[0] in "{[" else -1
        if depth <= 0:
            after = _skip_blank_only(buffer, place)
            return place if buffer.text[after : after + 1] in (",", "]") else None


def _string_end(buffer: _Buffer, place: int, at: int) -> int | None:
    while True:
        found = _STRING_END.match(buffer.text, place)
        if found:
            return found.end()
        if len(buffer.text) - at > LARGEST_ELEMENT or not buffer.grow():
            return None


def _skip_blank_only(buffer: _Buffer, at: int) -> int:
    while True:
        while at < len(buffer.text) and buffer.text[at].isspace():
            at += 1
        if at < len(buffer.text) or not buffer.grow():
            return at


def _next_like(buffer: _Buffer, at: int, keys: frozenset[str], decoder: json.JSONDecoder) -> int | None:
    """Return where, behind the broken element at ``at``, an element begins that has a key of an earlier one."""
    for found in _NEXT.finditer(buffer.text, at):
        try:
            value: Any = decoder.raw_decode(buffer.text, found.end())[0]
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and (not keys or keys & value.keys()):
            return found.end()
    return None
