"""PDF by pypdfium2: the text of each page as its lines, headings by the size and weight of their letters.

Words that a line break cut are joined. Lines that stand at the top or the foot of most pages and differ in digits only
are taken for running heads and left out.
"""

import ctypes
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ._converted import DAMAGED, Converted, Refused, join_pages
from ._markup import heading, paragraph, squeeze

HEADING_RATIO = 1.15
"""How much larger than the body's letters a heading's are, at least."""
HEADING_CHARS = 160
GAP_RATIO = 1.4
"""How much wider than usual the gap between two lines is where a paragraph ends."""
MOST_LEVELS = 4
RUNNING_PAGES = 4
"""Fewest pages on which a line may count as a running head."""

_NAME_BYTES = 128
_BOLD = re.compile(r"bold|black|heavy|BX\d", re.I)
_CUT = re.compile("\ufffe\n?|\x02\n?|\u00ad\n")


@dataclass(frozen=True)
class _Line:
    text: str
    style: tuple[float, bool]
    """Height of its letters in points, to half a point (0 = unknown), and whether they are bold."""
    bottom: float
    """Where its first row of letters stands, in points from the foot of the page."""
    last_bottom: float
    """Where its last row does: a word cut in two joins two rows."""


def convert_pdf(data: bytes) -> Converted:
    """Convert a PDF.

    Raises:
        Refused: it needs a password, or has no text (a scan).
    """
    import pypdfium2

    try:
        pdf = pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        protected = "password" in str(error).lower() or "security" in str(error).lower()
        raise Refused("password-protected" if protected else DAMAGED, None if protected else str(error)) from None
    pages = [list(_lines(page.get_textpage())) for page in pdf]
    if not any(line.text.strip() for page in pages for line in page):
        raise Refused("no text layer (an image-only PDF)")
    running = _running_heads(pages)
    kept = [[line for line in page if _without_digits(line.text) not in running] for page in pages]
    levels = _heading_levels(kept)
    text, starts = join_pages([_CUT.sub("", "\n\n".join(_page_blocks(page, levels))) for page in kept])
    title = squeeze(str(pdf.get_metadata_dict().get("Title", "")))
    empty = [n for n, page in enumerate(pages, 1) if not any(line.text.strip() for line in page)]
    metadata = {"pages": len(pages), **({"pages_without_text": empty} if empty else {})}
    return Converted(text, "markdown", title=title or None, pages=starts, metadata=metadata)


def _lines(page: Any) -> Iterator[_Line]:
    text, n_chars = page.get_text_range(), page.count_chars()
    aligned = len(text) == n_chars
    at = 0
    for raw in text.split("\n"):
        line = raw.rstrip("\r")
        if line.strip():
            first, last = at + len(line) - len(line.lstrip()), at + len(line.rstrip()) - 1
            yield _measured(page, line.strip(), first, last) if aligned else _Line(line.strip(), (0.0, False), 0.0, 0.0)
        at += len(raw) + 1


def _measured(page: Any, text: str, first: int, last: int) -> _Line:
    _, bottom, _, top = page.get_charbox(first, loose=True)
    _, last_bottom, _, _ = page.get_charbox(last, loose=True)
    bold = _is_bold(page, first) and _is_bold(page, last)
    return _Line(text, (round((top - bottom) * 2) / 2, bold), bottom, last_bottom)


def _is_bold(page: Any, index: int) -> bool:
    """Tell by the name of the font: its weight is often not given."""
    from pypdfium2 import raw

    name, flags = ctypes.create_string_buffer(_NAME_BYTES), ctypes.c_int()
    raw.FPDFText_GetFontInfo(page, index, name, _NAME_BYTES, ctypes.byref(flags))
    return bool(_BOLD.search(name.value.decode("latin-1")))


def _without_digits(text: str) -> str:
    return re.sub(r"\d+", "#", text)


def _running_heads(pages: list[list[_Line]]) -> set[str]:
    if len(pages) < RUNNING_PAGES:
        return set()
    edges = Counter(edge for page in pages for edge in {_without_digits(line.text) for line in page[:1] + page[-1:]})
    return {edge for edge, n in edges.items() if n > len(pages) / 2}


def _heading_levels(pages: list[list[_Line]]) -> dict[tuple[float, bool], int]:
    """Return the heading level of each style that is clearly larger than the most used one, or bold where that is not."""
    used: Counter[tuple[float, bool]] = Counter()
    for line in (line for page in pages for line in page):
        used[line.style] += len(line.text)
    if not used:
        return {}
    body, bold = used.most_common(1)[0][0]
    larger = [s for s in used if body and (s[0] >= body * HEADING_RATIO or (s[1] and not bold and s[0] >= body - 0.5))]
    return {style: min(i + 1, MOST_LEVELS) for i, style in enumerate(sorted(larger, reverse=True))}


def _page_blocks(page: list[_Line], levels: dict[tuple[float, bool], int]) -> Iterator[str]:
    """Yield headings and paragraphs: lines that are both or neither in the style of a heading and follow each other closely."""
    group: list[_Line] = []
    usual = _usual_gap(page)
    for line in page:
        if group and _parts(group[-1], line, levels, usual):
            yield _block(group, levels)
            group = []
        group.append(line)
    if group:
        yield _block(group, levels)


def _parts(before: _Line, line: _Line, levels: dict[tuple[float, bool], int], usual: float) -> bool:
    """Say whether a block ends between two lines."""
    titled = before.style in levels or line.style in levels
    return (titled and before.style != line.style) or 0 < usual * GAP_RATIO < before.last_bottom - line.bottom


def _usual_gap(page: list[_Line]) -> float:
    gaps = Counter(round(a.last_bottom - b.bottom) for a, b in pairwise(page) if a.last_bottom > b.bottom)
    return float(min(gaps, key=lambda gap: (-gaps[gap], gap))) if gaps else 0.0


def _block(lines: list[_Line], levels: dict[tuple[float, bool], int]) -> str:
    text = "\n".join(line.text for line in lines)
    level = levels.get(lines[0].style)
    if (
        level
        and len(text) <= HEADING_CHARS
        and not text.endswith((".", ",", ";", ":"))
        and re.search(r"[^\W\d_]{2}", text)
    ):
        return heading(level, _CUT.sub("", text))
    return paragraph(text)
