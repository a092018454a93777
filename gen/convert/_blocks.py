"""Blocks of a text: headings, paragraphs, list items, tables, code, each a span of it.

Spans are in order and do not overlap; between them there is only white space. Lines end at newlines only: a form feed or
a U+2028 is part of its line.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["heading", "paragraph", "item", "table", "code", "record"]

FENCE = re.compile(r"^\s*(?:[-+*]\s+|\d+[.)]\s+)?(`{3,}|~{3,})([^`]*)$")
ITEM = re.compile(r"^\s*(?:[-+*•]|\d{1,9}[.)]|#\.|\.{1,5}|\*{2,5})\s+\S")
ATX = re.compile(r"^ {0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*$")
_MARKS = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}|\\(?=\W)")


@dataclass(frozen=True, slots=True)
class Block:
    """A span of a text. ``level`` (from 1) and ``title`` are a heading's; ``before`` is what a chunk of it begins with, beside its span."""

    start: int
    end: int
    kind: Kind
    level: int = 0
    title: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, newline aside."""

    start: int
    text: str

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.start + len(self.text)

    @property
    def blank(self) -> bool:
        """Whether there is nothing on it."""
        return not self.text.strip()

    @property
    def indent(self) -> int:
        """Columns before its first letter."""
        return len(self.text) - len(self.text.lstrip())


def split_lines(text: str) -> list[Line]:
    """Return the lines of ``text``."""
    lines, at = [], 0
    for line in text.split("\n"):
        lines.append(Line(at, line))
        at += len(line) + 1
    return lines


def find_blocks(text: str, syntax: str) -> list[Block]:
    """Return the blocks of ``text``."""
    from . import _blocks_rst

    finders: dict[str, Callable[[list[Line]], Iterator[Block]]] = {
        "markdown": markdown_blocks, "rst": _blocks_rst.rst_blocks, "asciidoc": _blocks_rst.asciidoc_blocks,
        "plain": plain_blocks, "code": code_blocks, "records": record_blocks,
    }  # fmt: skip
    return [b for block in finders[syntax](split_lines(text)) if (b := trim(text, block)) is not None]


def trim(text: str, block: Block) -> Block | None:
    """Return a block without white space at its ends, an indentation at its start kept; None for a blank one."""
    body = text[block.start : block.end]
    end = block.start + len(body.rstrip())
    lead = len(body) - len(body.lstrip())
    if lead == len(body):
        return None
    start = block.start + max(body.rfind("\n", 0, lead) + 1, body.rfind("\f", 0, lead) + 1)
    return replace(block, start=start, end=end)


def span(lines: list[Line], first: int, stop: int, kind: Kind, level: int = 0, title: str = "") -> Block:
    """Return the block of the lines ``first`` to ``stop``, exclusive."""
    return Block(lines[first].start, lines[stop - 1].end, kind, level, plain_title(title))


def plain_title(title: str) -> str:
    """Return a heading without markup, on one line."""
    return " ".join(_MARKS.sub(r"\1", title).split())


def while_true(lines: list[Line], at: int, test: Callable[[Line], bool]) -> int:
    """Return the first line from ``at`` on that fails ``test``."""
    while at < len(lines) and test(lines[at]):
        at += 1
    return at


def markdown_blocks(lines: list[Line]) -> Iterator[Block]:
    """Find the blocks of Markdown (CommonMark and pipe tables; front matter is code)."""
    at = 0
    if lines and lines[0].text.rstrip() == "---":
        end = next((i for i in range(1, min(len(lines), 200)) if lines[i].text.rstrip() in ("---", "...")), 0)
        if end:
            yield span(lines, 0, end + 1, "code")
            at = end + 1
    while at < len(lines):
        if lines[at].blank:
            at += 1
            continue
        block, at = _markdown_block(lines, at)
        yield block


def _markdown_block(lines: list[Line], at: int) -> tuple[Block, int]:
    line = lines[at].text
    if fenced := FENCE.match(line):
        stop = _fence_end(lines, at, fenced[1])
        return span(lines, at, stop, "code"), stop
    if atx := ATX.match(line):
        return span(lines, at, at + 1, "heading", len(atx[1]), atx[2] or ""), at + 1
    if at + 1 < len(lines) and (level := _setext_level(lines[at], lines[at + 1])):
        return span(lines, at, at + 2, "heading", level, line), at + 2
    if line.lstrip().startswith("|") or (at + 1 < len(lines) and "|" in line and _is_rule(lines[at + 1].text)):
        stop = while_true(lines, at, lambda x: "|" in x.text)
        return span(lines, at, stop, "table"), stop
    if ITEM.match(line) and not re.match(r"^\s*\.", line):
        stop = _item_end(lines, at)
        return span(lines, at, stop, "item"), stop
    if lines[at].indent >= 4 and (at == 0 or lines[at - 1].blank):
        stop = _indented_end(lines, at, 4)
        return span(lines, at, stop, "code"), stop
    stop = while_true(
        lines, at + 1, lambda x: not (x.blank or ATX.match(x.text) or FENCE.match(x.text) or ITEM.match(x.text))
    )
    if stop - at > 1 and _setext_level(lines[stop - 2], lines[stop - 1]):
        stop = max(stop - 2, at + 1)
    return span(lines, at, stop, "paragraph"), stop


def _fence_end(lines: list[Line], at: int, fence: str) -> int:
    close = re.compile(rf"^\s*{re.escape(fence[0])}{{{len(fence)},}}\s*$")
    return min(while_true(lines, at + 1, lambda x: not close.match(x.text)) + 1, len(lines))


def _setext_level(title: Line, rule: Line) -> int:
    if title.blank or title.indent > 3 or not re.match(r"^ {0,3}(=+|-{2,})\s*$", rule.text) or ITEM.match(title.text):
        return 0
    return 0 if "|" in title.text else 1 if rule.text.strip()[0] == "=" else 2


def _is_rule(line: str) -> bool:
    return bool(re.match(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$", line)) and "-" in line


def _item_end(lines: list[Line], at: int) -> int:
    """Return where a list item ends: at the next item, a fence, or unindented text behind a blank line."""
    indent, i = lines[at].indent, at + 1
    while i < len(lines):
        if lines[i].blank:
            after = while_true(lines, i, lambda x: x.blank)
            if after == len(lines) or lines[after].indent <= indent or _breaks_item(lines[after]):
                return i
            i = after
        elif _breaks_item(lines[i]):
            return i
        i += 1
    return i


def _breaks_item(line: Line) -> bool:
    return bool(ITEM.match(line.text) or FENCE.match(line.text) or ATX.match(line.text))


def _indented_end(lines: list[Line], at: int, indent: int) -> int:
    """Return where indented lines end; blank lines between them belong to them."""
    stop = while_true(lines, at, lambda x: x.blank or x.indent >= indent)
    while stop > at + 1 and lines[stop - 1].blank:
        stop -= 1
    return max(stop, at + 1)


_NUMBERED = re.compile(r"^(\d+(?:\.\d+)*)\.?\s{1,4}[^\W\d_].*[^.,;:]$")
_NAMED = re.compile(r"^(?:chapter|part|book|section|appendix|act|scene)\s+[\dIVXLC]+\b", re.I)


def plain_blocks(lines: list[Line]) -> Iterator[Block]:
    """Find paragraphs between blank lines; one that stands alone and is numbered like a section is a heading."""
    at = 0
    while at < len(lines):
        if lines[at].blank:
            at += 1
            continue
        stop = while_true(lines, at + 1, lambda x: not (x.blank or x.text.startswith("\f") or ITEM.match(x.text)))
        if stop > at + 1 and ITEM.match(lines[at].text):
            yield span(lines, at, stop, "item")
        else:
            yield _plain_block(lines, at, stop)
        at = stop


def _plain_block(lines: list[Line], at: int, stop: int) -> Block:
    title = " ".join(line.text.strip() for line in lines[at:stop])
    if lines[at].text[:1].strip("\f") and len(title) <= 80:
        numbered = _NUMBERED.match(title) if stop == at + 1 else None
        if numbered and "..." not in title and ". ." not in title:
            return span(lines, at, stop, "heading", numbered[1].count(".") + 1, title)
        if stop - at <= 2 and _NAMED.match(title):
            return span(lines, at, stop, "heading", 1, title)
    return span(lines, at, stop, "item" if ITEM.match(lines[at].text) else "paragraph")


def code_blocks(lines: list[Line]) -> Iterator[Block]:
    """Find runs of code that end at a blank line with an unindented line behind it."""
    at = 0
    while at < len(lines):
        if lines[at].blank:
            at += 1
            continue
        stop = at + 1
        while stop < len(lines) and not (lines[stop - 1].blank and not lines[stop].blank and _opens(lines[stop])):
            stop += 1
        yield span(lines, at, stop, "code")
        at = stop


def _opens(line: Line) -> bool:
    return line.indent == 0 and line.text[0] not in ")]}"


def record_blocks(lines: list[Line]) -> Iterator[Block]:
    """Find one block a line."""
    for i, line in enumerate(lines):
        if not line.blank:
            yield span(lines, i, i + 1, "record")
