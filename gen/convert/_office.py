"""DOCX by python-docx and PPTX by python-pptx, as Markdown."""

import io
import re
from collections.abc import Iterator
from typing import Any

from ._converted import Converted, join_pages
from ._markup import heading, item, join_blocks, number_items, paragraph, squeeze, table

_LEVEL = re.compile(r"(?:heading|überschrift|titre|título|titolo) ?(\d)", re.I)
_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def convert_docx(data: bytes) -> Converted:
    """Convert a Word document: body and text boxes, without headers, footers, comments and deleted text."""
    import docx

    document = docx.Document(io.BytesIO(data))
    blocks = [b for part in document.iter_inner_content() for b in _docx_block(part)]
    return Converted(join_blocks(number_items(blocks)), title=squeeze(document.core_properties.title or "") or None)


def _docx_block(part: Any) -> Iterator[str]:
    if hasattr(part, "rows"):
        yield from _docx_table(part)
        return
    text = _docx_text(part)
    style = (part.style.name if part.style is not None else "") or ""
    if text and (level := _docx_level(part, style)):
        yield heading(level, text)
    elif text and (listed := _list_place(part, style)):
        numbered, depth = listed
        yield item(text, depth, 1 if numbered else None)
    elif text:
        yield paragraph(text)
    for box in part._p.iter(f"{_W}txbxContent"):
        if not any(
            True for _ in box.iterancestors("{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback")
        ):
            yield from _text_box(box, part)


def _text_box(box: Any, part: Any) -> Iterator[str]:
    from docx.text.paragraph import Paragraph

    for p in box.iterchildren(f"{_W}p"):
        yield from _docx_block(Paragraph(p, part._parent))


def _docx_text(part: Any) -> str:
    """Return the runs of a paragraph, hyperlinks included, text boxes aside."""
    return str(part.text).strip()


def _docx_level(part: Any, style: str) -> int:
    """Return the heading level of a paragraph, by its outline level or the name of its style; 0 for none."""
    if style == "Title":
        return 1
    named = _LEVEL.match(style)
    if named:
        return int(named[1])
    for holder in (part._p, *(s.element for s in _styles(part))):
        level = holder.find(f"{_W}pPr/{_W}outlineLvl")
        if level is not None and int(level.get(f"{_W}val", "9")) < 9:
            return int(level.get(f"{_W}val")) + 1
    return 0


def _styles(part: Any) -> Iterator[Any]:
    style = part.style
    while style is not None:
        yield style
        style = style.base_style


def _list_place(part: Any, style: str) -> tuple[bool, int] | None:
    """Return whether a list item is numbered, and its depth; None for what is no list item."""
    for holder in (part._p, *(s.element for s in _styles(part))):
        number = holder.find(f"{_W}pPr/{_W}numPr")
        if number is None:
            continue
        num_id, level = number.find(f"{_W}numId"), number.find(f"{_W}ilvl")
        depth = int(level.get(f"{_W}val", "0")) if level is not None else 0
        if num_id is not None and num_id.get(f"{_W}val") != "0":
            return _is_numbered(part, str(num_id.get(f"{_W}val")), depth), depth
    if style.startswith("List "):
        return style.startswith("List Number"), 0
    return None


def _is_numbered(part: Any, num_id: str, depth: int) -> bool:
    try:
        numbering = part.part.numbering_part.element
    except (KeyError, NotImplementedError, AttributeError):
        return False
    abstract = numbering.find(f"{_W}num[@{_W}numId='{num_id}']/{_W}abstractNumId")
    if abstract is None:
        return False
    kind = numbering.find(
        f"{_W}abstractNum[@{_W}abstractNumId='{abstract.get(f'{_W}val')}']/{_W}lvl[@{_W}ilvl='{depth}']/{_W}numFmt"
    )
    return kind is not None and kind.get(f"{_W}val") not in ("bullet", "none")


def _docx_table(part: Any) -> Iterator[str]:
    """Yield a table; one that holds whole tables or has a single cell only lays out its text."""
    rows = [list(row.cells) for row in part.rows]
    if len(rows) == 1 and len(rows[0]) == 1:
        yield from (b for inner in rows[0][0].iter_inner_content() for b in _docx_block(inner))
        return
    yield table([[_cell_text(cell) for cell in row] for row in rows])


def _cell_text(cell: Any) -> str:
    parts = []
    for inner in cell.iter_inner_content():
        if hasattr(inner, "rows"):
            parts += [_cell_text(c) for row in inner.rows for c in row.cells]
        else:
            parts.append(_docx_text(inner))
    return " ".join(filter(None, parts))


def convert_pptx(data: bytes) -> Converted:
    """Convert a presentation: a page a slide, its title as heading, notes at its end."""
    import pptx

    deck = pptx.Presentation(io.BytesIO(data))
    text, pages = join_pages([join_blocks(number_items(list(_slide(slide)))) for slide in deck.slides])
    metadata = {"slides": len(pages)}
    return Converted(text, title=squeeze(deck.core_properties.title or "") or None, pages=pages, metadata=metadata)


def _slide(slide: Any) -> Iterator[str]:
    title = slide.shapes.title
    if title is not None and title.text_frame.text.strip():
        yield heading(1, title.text_frame.text)
    for shape in _in_reading_order(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            yield from _shape(shape)
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) is not None and frame.text.strip():
        yield paragraph(f"Notes: {frame.text}")


def _in_reading_order(shapes: Any) -> list[Any]:
    return sorted(shapes, key=lambda s: (s.top is None, s.top or 0, s.left or 0))


def _shape(shape: Any) -> Iterator[str]:
    if hasattr(shape, "shapes"):
        for inner in _in_reading_order(shape.shapes):
            yield from _shape(inner)
    elif getattr(shape, "has_table", False) and shape.has_table:
        yield table(_merged_cells(shape.table))
    elif getattr(shape, "has_chart", False) and shape.has_chart:
        yield from _chart(shape.chart)
    elif shape.has_text_frame:
        yield from _frame(shape)
    elif words := squeeze(shape._element._nvXxPr.cNvPr.get("descr") or ""):
        yield paragraph(words)


def _frame(shape: Any) -> Iterator[str]:
    lines = [p for p in shape.text_frame.paragraphs if p.text.strip()]
    for p in lines:
        text = squeeze(p.text)
        marked = p._p.find("{*}pPr/{*}buNone") is None and (
            shape.is_placeholder or p._p.find("{*}pPr/{*}buChar") is not None
        )
        numbered = p._p.find("{*}pPr/{*}buAutoNum") is not None
        listed = numbered or (marked and (len(lines) > 1 or p.level > 0))
        yield item(text, p.level, 1 if numbered else None) if listed else paragraph(text)


def _merged_cells(grid: Any) -> list[list[str]]:
    cells = [[grid.cell(y, x) for x in range(len(grid.columns))] for y in range(len(grid.rows))]
    texts = [[cell.text_frame.text for cell in row] for row in cells]
    for y, row in enumerate(cells):
        for x, cell in enumerate(row):
            if cell.is_merge_origin:
                for dy in range(cell.span_height):
                    texts[y + dy][x : x + cell.span_width] = [texts[y][x]] * cell.span_width
    return texts


def _chart(chart: Any) -> Iterator[str]:
    if chart.has_title and chart.chart_title.has_text_frame:
        yield paragraph(chart.chart_title.text_frame.text)
    plot = next(iter(chart.plots), None)
    if plot is not None:
        series = list(plot.series)
        rows = [["", *(s.name or "" for s in series)]]
        rows += [
            [str(c), *("" if i >= len(s.values) or s.values[i] is None else f"{s.values[i]:g}" for s in series)]
            for i, c in enumerate(plot.categories)
        ]
        yield table(rows)
