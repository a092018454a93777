"""A reader of JSON-like text that takes what models write: see :mod:`._parse` for what it lets pass.

It reads forwards only, so its time is linear in what it reads, and it is bounded in depth.
"""

import re
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 64

_SPACE = re.compile(r"(?:\s++|//[^\n]*+)*+")
_NUMBER = re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w.])")
_WORD = re.compile(r"[A-Za-z_$][\w$-]*")
_LITERALS = {
    "true": True, "false": False, "null": None, "True": True, "False": False, "None": None, "TRUE": True, "FALSE": False,
    "NULL": None, "NaN": None, "nan": None, "Infinity": None, "inf": None, "undefined": None,
}  # fmt: skip
_CLOSERS = {"[": "]", "(": ")", "{": "}"}
_QUOTES = {'"': '"', "'": "'", "“": '”"', "‘": "’'", "”": '”"', "`": "`", "„": '“”"'}
_STOPS = {q: re.compile(f"[{re.escape(ends)}\\\\]") for q, ends in _QUOTES.items()}
_AFTER_KEY = re.compile(r"\s*+:")
_AFTER_ITEM = re.compile(r"\s*+(?:[\])]|,\s*+(?:[\"'“‘{\[(\])\d.-]|/[/*]|(?:true|false|null|True|False|None)\b|$)|$)")
_AFTER_MEMBER = re.compile(r"\s*+(?:\}|,\s*+(?:[\"'“‘}]|/[/*]|[A-Za-z_]\w{0,40}\s*+:|$)|$|[\"'“‘]\w{1,40}[\"'”’]\s*+:)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "'": "'", "/": "/", "\\": "\\", "\n": ""}
_HEX4 = re.compile(r"[0-9a-fA-F]{4}")


@dataclass(slots=True)
class Read:
    """A value and where it ends.

    ``found`` is False when there is none; ``is_whole`` when the text was not cut off; ``has_lost`` when the cut took a
    part with it.
    """

    value: Any
    end: int
    found: bool = True
    is_whole: bool = True
    has_lost: bool = False


class _Stop(Exception):
    """No value here; reading may go on from ``position``."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


_CUT: Any = object()
"""Stands for a value that the end of the text cut off."""


class Reader:
    """Reads values out of one text, each from where it is told to begin."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = 0
        self.was_cut = self.has_lost = False
        self.last_comment_end = text.rfind("*/")

    def read(self, start: int) -> Read:
        """Read the list or mapping that begins at ``start``."""
        self.was_cut = self.has_lost = False
        try:
            value = self.value(start, _AFTER_ITEM, 0)
        except _Stop as stop:
            return Read(None, stop.position, found=False)
        return Read(value, self.end, found=value is not _CUT, is_whole=not self.was_cut, has_lost=self.has_lost)

    def skip(self, position: int) -> int:
        """Skip white space and comments."""
        while True:
            match = _SPACE.match(self.text, position)
            position = match.end() if match else position
            if position + 2 > self.last_comment_end or not self.text.startswith("/*", position):
                return position
            position = self.text.index("*/", position + 2) + 2

    def cut(self) -> Any:
        self.was_cut, self.end = True, len(self.text)
        return _CUT

    def value(self, position: int, after: re.Pattern[str], depth: int) -> Any:
        """Read any value; ``after`` says what may follow a string's closing quote."""
        if position >= len(self.text):
            return self.cut()
        head = self.text[position]
        if head in _CLOSERS:
            if depth >= MAX_DEPTH:
                raise _Stop(position + 1)
            return self.mapping(position, depth) if head == "{" else self.list(position, _CLOSERS[head], depth)
        if head in _QUOTES:
            return self.string(position, after)
        return self.scalar(position)

    def scalar(self, position: int) -> Any:
        if match := _NUMBER.match(self.text, position):
            self.end = match.end()
            return self.cut() if self.end == len(self.text) else _number(match[0])
        if (match := _WORD.match(self.text, position)) and match[0] in _LITERALS:
            self.end = match.end()
            return _LITERALS[match[0]]
        if match and match.end() == len(self.text):
            return self.cut()
        raise _Stop(position)

    def list(self, position: int, closer: str, depth: int) -> list[Any]:
        found: list[Any] = []
        position = self.skip(position + 1)
        while position < len(self.text):
            head = self.text[position]
            if head == closer:
                self.end = position + 1
                return found
            if head == ",":
                position = self.skip(position + 1)
                continue
            value = self.value(position, _AFTER_ITEM, depth + 1)
            if value is not _CUT and not (self.has_lost and isinstance(value, dict)):
                found.append(value)
            if self.was_cut:
                self.has_lost |= value is _CUT
                return found
            position = self.skip(self.end)
        self.cut()
        return found

    def mapping(self, position: int, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        position = self.skip(position + 1)
        while position < len(self.text):
            head = self.text[position]
            if head == "}":
                self.end = position + 1
                return found
            if head in ",;":
                position = self.skip(position + 1)
                continue
            key = self.key(position)
            if key is _CUT or (position := self.colon(self.end)) >= len(self.text):
                self.has_lost = True
                break
            value = self.value(position, _AFTER_MEMBER, depth + 1)
            if value is not _CUT:
                found[key] = value
            if self.was_cut:
                self.has_lost |= value is _CUT
                return found
            position = self.skip(self.end)
        self.cut()
        return found

    def key(self, position: int) -> Any:
        if self.text[position] in _QUOTES:
            return self.string(position, _AFTER_KEY)
        if match := _WORD.match(self.text, position):
            self.end = match.end()
            return match[0]
        raise _Stop(position)

    def colon(self, position: int) -> int:
        position = self.skip(position)
        if position < len(self.text) and self.text[position] != ":":
            raise _Stop(position)
        return self.skip(position + 1)

    def string(self, position: int, after: re.Pattern[str]) -> Any:
        """Read up to a closing quote that something fitting follows; another one is part of the string."""
        text, pieces = self.text, []
        stop = _STOPS[text[position]]
        position += 1
        while match := stop.search(text, position):
            pieces.append(text[position : match.start()])
            if match[0] == "\\":
                piece, position = _unescape(text, match.start())
                pieces.append(piece)
            elif after.match(text, match.end()):
                self.end = match.end()
                return "".join(pieces)
            else:
                pieces.append(match[0])
                position = match.end()
        return self.cut()


def _number(text: str) -> int | float | None:
    try:
        number = float(text) if any(c in text for c in ".eE") else int(text)
    except ValueError:
        return None
    return number if number not in (float("inf"), float("-inf")) else None


def _unescape(text: str, position: int) -> tuple[str, int]:
    """Read the escape at ``position``; one that JSON does not know keeps its backslash."""
    sign = text[position + 1 : position + 2]
    if sign == "u" and (match := _HEX4.match(text, position + 2)):
        code, end = int(match[0], 16), match.end()
        if 0xD800 <= code < 0xDC00 and text[end : end + 2] == "\\u" and (low := _HEX4.match(text, end + 2)):
            pair = 0x10000 + ((code - 0xD800) << 10) + int(low[0], 16) - 0xDC00
            return (chr(pair), low.end()) if 0x10000 <= pair < 0x110000 else ("\ufffd", end)
        return ("\ufffd" if 0xD800 <= code < 0xE000 else chr(code)), end
    return _ESCAPES.get(sign, "\\" + sign), position + 1 + len(sign)
