"""Markdown as the converters of rich formats write it: headings, lists, pipe tables, fences, and no decoration."""

import re
from collections.abc import Sequence

_TITLE = re.compile(r"^(#{1,6} |```|~~~)")
_STRUCTURE = re.compile(r"^(#{1,6} |```|~~~|={3,}$|-{3,}$)")
_NUMBERED = re.compile(r"^( *)1\. ")


def heading(level: int, title: str) -> str:
    """Return an ATX heading; levels beyond 6 are 6."""
    return f"{'#' * min(max(level, 1), 6)} {squeeze(title)}"


def paragraph(text: str) -> str:
    """Return ``text`` so that no line of it reads as a heading or a fence."""
    lines = text.strip().split("\n")
    marked = (_TITLE if i == 0 else _STRUCTURE for i in range(len(lines)))
    return "\n".join("\\" + line if mark.match(line) else line for mark, line in zip(marked, lines, strict=True))


def item(text: str, depth: int = 0, number: int | None = None) -> str:
    """Return a list item, four spaces a level; further lines of it are indented."""
    mark = "- " if number is None else f"{number}. "
    return "    " * depth + mark + text.strip().replace("\n", "\n" + "    " * (depth + 1))


def fence(code: str, language: str = "") -> str:
    """Return a fenced block whose fence is longer than any inside."""
    ticks = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", code)), default=0))
    return f"{ticks}{language}\n{code.rstrip()}\n{ticks}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return a pipe table, the first row its header; short rows are filled up, empty columns at the end left out."""
    cells = [[squeeze(cell).replace("|", "\\|") for cell in row] for row in rows]
    width = max((max((i + 1 for i, c in enumerate(row) if c), default=0) for row in cells), default=0)
    if not width:
        return ""
    full = [(row + [""] * width)[:width] for row in cells]
    lines = ["| " + " | ".join(row) + " |" for row in full]
    return "\n".join([lines[0], "|" + " - |" * width, *lines[1:]])


def squeeze(text: str) -> str:
    """Return ``text`` on one line, runs of white space made one space."""
    return " ".join(text.split())


def join_blocks(blocks: Sequence[str]) -> str:
    """Join blocks by blank lines, and list items that follow each other by a newline."""
    parts: list[str] = []
    for block in filter(str.strip, blocks):
        listed = parts and _is_item(block) and _is_item(parts[-1].split("\n")[0])
        parts += ["\n" if listed else "\n\n"] * bool(parts) + [block]
    return "".join(parts)


def number_items(blocks: Sequence[str]) -> list[str]:
    """Count list items that all say ``1.`` up, each depth on its own, starting over behind anything else."""
    counts: dict[int, int] = {}
    numbered = []
    for block in blocks:
        found = _NUMBERED.match(block)
        indent = len(found[1]) if found else len(block) - len(block.lstrip())
        counts = {d: n for d, n in counts.items() if d < indent or (d == indent and found)} if _is_item(block) else {}
        if found:
            counts[indent] = counts.get(indent, 0) + 1
            block = f"{found[1]}{counts[indent]}. {block[found.end() :]}"
        numbered.append(block)
    return numbered


def _is_item(block: str) -> bool:
    return bool(re.match(r" *(- |\d+\. )", block))
