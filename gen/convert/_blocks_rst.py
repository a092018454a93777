"""Blocks of reStructuredText and of AsciiDoc."""

import re
from collections.abc import Iterator

from ._blocks import ITEM, Block, Kind, Line, _indented_end, span, while_true

_RULE = re.compile(r"^([!-/:-@\[-`{-~])\1{2,}\s*$")
_TABLE_RULE = re.compile(r"^\s*(?:\+[-=+]+\+|=+(?: +=+)+)\s*$")
_CODE_DIRECTIVE = re.compile(
    r"^\s*\.\. (?:code|code-block|sourcecode|parsed-literal|math|highlight|raw|csv-table|list-table)::"
)
_DELIMITED = re.compile(r"^(-{4,}|\.{4,}|={4,}|\*{4,}|_{4,}|\+{4,}|/{4,}|\|={3,}|,={3,}|!={3,}|--|```+)")


def rst_blocks(lines: list[Line]) -> Iterator[Block]:
    """Find the blocks of reStructuredText; the levels of headings follow the order in which their marks appear."""
    styles: list[str] = []
    at, literal = 0, False
    while at < len(lines):
        if lines[at].blank:
            at += 1
            continue
        if literal and lines[at].indent:
            stop = _indented_end(lines, at, 1)
            yield span(lines, at, stop, "code")
            at, literal = stop, False
            continue
        block, at = _rst_block(lines, at, styles)
        literal = block.kind != "code" and _announces(lines, at - 1)
        yield block


def _announces(lines: list[Line], last: int) -> bool:
    return lines[last].text.rstrip().endswith("::")


def _rst_block(lines: list[Line], at: int, styles: list[str]) -> tuple[Block, int]:
    headed = _rst_heading(lines, at)
    if headed:
        style, title, stop = headed
        if style not in styles:
            styles.append(style)
        return span(lines, at, stop, "heading", styles.index(style) + 1, title), stop
    line = lines[at]
    if _TABLE_RULE.match(line.text):
        stop = _rst_table_end(lines, at)
        return span(lines, at, stop, "table"), stop
    if line.text.lstrip().startswith(">>> "):
        stop = while_true(lines, at, lambda x: not x.blank)
        return span(lines, at, stop, "code"), stop
    if _CODE_DIRECTIVE.match(line.text):
        stop = _indented_end(lines, at + 1, line.indent + 1) if at + 1 < len(lines) else at + 1
        return span(lines, at, stop, "code"), stop
    kind: Kind = "item" if ITEM.match(line.text) else "paragraph"
    stop = while_true(lines, at + 1, lambda x: not (x.blank or (ITEM.match(x.text) and x.indent <= line.indent)))
    return span(lines, at, stop, kind), stop


def _rst_heading(lines: list[Line], at: int) -> tuple[str, str, int] | None:
    """Return the marks, title and end of a heading, with or without an overline."""
    line = lines[at].text.rstrip()
    under = lines[at + 1].text.rstrip() if at + 1 < len(lines) else ""
    if _RULE.match(line) and at + 2 < len(lines) and under.strip() and lines[at + 2].text.rstrip() == line:
        return f"over{line[0]}", under, at + 3
    if _RULE.match(under) and not _RULE.match(line) and not lines[at].indent and len(under) + 2 >= len(line):
        return under[0], line, at + 2
    return None


def _rst_table_end(lines: list[Line], at: int) -> int:
    """Return where a table ends: a grid at a line that is none of it, a simple one at a rule with nothing behind it."""
    if lines[at].text.lstrip().startswith("+"):
        return while_true(lines, at, lambda x: x.text.lstrip().startswith(("+", "|")))
    for i in range(at + 1, len(lines)):
        if _TABLE_RULE.match(lines[i].text) and (i + 1 == len(lines) or lines[i + 1].blank):
            return i + 1
    return while_true(lines, at, lambda x: not x.blank)


def asciidoc_blocks(lines: list[Line]) -> Iterator[Block]:
    """Find the blocks of AsciiDoc; a delimited block (listing, example, table) is one."""
    at = 0
    while at < len(lines):
        if lines[at].blank:
            at += 1
            continue
        block, at = _asciidoc_block(lines, at)
        yield block


def _asciidoc_block(lines: list[Line], at: int) -> tuple[Block, int]:
    text = lines[at].text
    if titled := re.match(r"^(={1,6}|#{1,6})\s+(\S.*)$", text):
        return span(lines, at, at + 1, "heading", len(titled[1]), titled[2]), at + 1
    start = while_true(lines, at, lambda x: bool(re.match(r"^(\[.*\]|\.[^\s.].*)\s*$", x.text)))
    fenced = _DELIMITED.match(lines[start].text) if start < len(lines) else None
    if fenced and lines[start].text.rstrip() == fenced[1]:
        close = while_true(lines, start + 1, lambda x: x.text.rstrip() != fenced[1])
        stop = min(close + 1, len(lines))
        return span(lines, at, stop, "table" if "|=" in fenced[1] else "code"), stop
    kind: Kind = "item" if ITEM.match(lines[min(start, len(lines) - 1)].text) else "paragraph"
    stop = while_true(
        lines, max(start, at) + 1, lambda x: not (x.blank or ITEM.match(x.text) or re.match(r"^={1,6}\s+\S", x.text))
    )
    return span(lines, at, stop, kind), stop
