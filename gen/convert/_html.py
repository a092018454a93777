"""HTML to Markdown: what a reader sees of the page, as headings, paragraphs, lists, tables and code.

Left out: scripts, styles, forms, navigation and hidden parts, what stands around the page's main part (where it names
one, and that has most of the words), the addresses behind links, and emphasis. Merged cells are repeated in each place that they cover. A table that only lays out the page is read as what is in its cells.
"""

import re
from collections.abc import Iterator
from typing import Any

from ._converted import Converted, Refused
from ._decode import decode
from ._markup import fence, heading, item, join_blocks, paragraph, squeeze, table

_SKIPPED = frozenset(
    {
        "script", "style", "noscript", "template", "head", "nav", "form", "button", "input", "select", "textarea", "iframe",
        "object", "svg", "canvas", "audio", "video", "dialog", "menu",
    }
)  # fmt: skip
_FURNITURE = frozenset(
    {
        "noprint", "skip-link", "mw-jump-link", "mw-editsection", "mw-portlet", "vector-dropdown", "vector-page-toolbar",
        "vector-column-end", "vector-toc-landmark",
    }
)  # fmt: skip
"""Classes of navigation, most of them MediaWiki's, that no tag tells."""
_ROLES = frozenset({"navigation", "search"})
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt", "fieldset",
        "figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main", "ol",
        "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
    }
)  # fmt: skip
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([\w.:-]+)""", re.I)
_MOST_SPAN = 100


def convert_html(data: bytes, declared: str | None = None) -> Converted:
    """Convert a page.

    Raises:
        Refused: it cannot be decoded.
    """
    found = _CHARSET.search(data[:4096])
    text, decoded = decode(data, declared or (found[1].decode("ascii") if found else None))
    body, title = html_to_markdown(text)
    return Converted(body, title=title, metadata=decoded)


def html_to_markdown(page: str) -> tuple[str, str | None]:
    """Return a page as Markdown, and its title."""
    import lxml.etree
    import lxml.html

    parser = lxml.html.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        root = lxml.html.document_fromstring(page.encode("utf-8", "replace"), parser=parser)
    except lxml.etree.ParserError:
        raise Refused("near-empty", page) from None
    title = next((squeeze("".join(t.itertext())) for t in root.iter("title")), None)
    body = root.find("body")
    return join_blocks(list(_blocks(_main(root if body is None else body)))), title or None


def _main(body: Any) -> Any:
    """Return the main part of a page, if the page names one and it has most of the words; else the body."""
    found = [n for n in body.iter("main", "div") if n.tag == "main" or n.get("role") == "main"]
    found = [n for n in found if not _hidden(n)][:1]
    return found[0] if found and 2 * _n_letters(found[0]) > _n_letters(body) else body


def _n_letters(node: Any) -> int:
    """Return the letters that a node shows, spaces aside."""
    if _hidden(node):
        return 0
    own = sum(len((c.tail or "").strip()) for c in node) + len((node.text or "").strip())
    return own + sum(_n_letters(c) for c in node)


def _hidden(node: Any) -> bool:
    if not isinstance(node.tag, str) or node.tag in _SKIPPED or "hidden" in node.attrib:
        return True
    if node.get("role") in _ROLES or not _FURNITURE.isdisjoint(node.get("class", "").split()):
        return True
    style = node.get("style", "").replace(" ", "").lower()
    return node.get("aria-hidden") == "true" or "display:none" in style


def _blocks(node: Any, depth: int = 0) -> Iterator[str]:
    """Yield the blocks of a container: runs of inline content as paragraphs, block elements each its own way."""
    inline: list[str] = [node.text or ""]
    for child in node:
        if _hidden(child):
            pass
        elif _is_block(child):
            yield from _flush(inline)
            yield from _block(child, depth)
        else:
            inline.append(_inline(child))
        inline.append(child.tail or "")
    yield from _flush(inline)


def _flush(inline: list[str]) -> Iterator[str]:
    text = _fold("".join(inline))
    inline.clear()
    if text:
        yield paragraph(text)


def _fold(text: str) -> str:
    """Squeeze white space; a NUL stands for a line break that the page asks for."""
    return "\n".join(line for part in text.split("\0") if (line := squeeze(part)))


def _is_block(node: Any) -> bool:
    return node.tag in _BLOCKS or any(c.tag in _BLOCKS for c in node.iterdescendants())


def _block(node: Any, depth: int) -> Iterator[str]:
    tag = node.tag
    if re.fullmatch("h[1-6]", tag):
        title = _fold(_inline(node).replace("\0", " "))
        if title:
            yield heading(int(tag[1]), title)
    elif tag == "pre":
        yield fence(_preformatted(node), _language(node))
    elif tag in ("ul", "ol"):
        yield from _list(node, depth)
    elif tag == "table":
        yield from _table(node, depth)
    elif tag == "hr":
        return
    else:
        yield from _blocks(node, depth)


def _inline(node: Any) -> str:
    """Return inline content as text."""
    if _hidden(node):
        return ""
    if node.tag == "br":
        return "\0"
    if node.tag == "img":
        return node.get("alt") or ""
    inner = (node.text or "") + "".join(_inline(c) + (c.tail or "") for c in node)
    return f"`{inner}`" if node.tag in ("code", "kbd", "samp", "tt") and inner.strip() and "`" not in inner else inner


def _preformatted(node: Any) -> str:
    for line_break in node.iter("br"):
        line_break.tail = "\n" + (line_break.tail or "")
    return "".join(node.itertext()).strip("\n")


def _language(node: Any) -> str:
    names = " ".join(n.get("class", "") for n in (node, *node.iter("code")))
    found = re.search(r"\b(?:language|lang|highlight-source)-([\w+#-]+)", names)
    return found[1] if found else ""


def _list(node: Any, depth: int) -> Iterator[str]:
    number = int(start) if (start := node.get("start", "1")).isdigit() else 1
    for child in node:
        if _hidden(child):
            continue
        if child.tag in ("ul", "ol"):
            yield from _list(child, depth + 1)
            continue
        own, nested = _item_parts(child, depth)
        if own:
            yield item("\n".join(own), depth, number if node.tag == "ol" else None)
            number += 1
        yield from nested


def _item_parts(node: Any, depth: int) -> tuple[list[str], list[str]]:
    """Return a list item's own text, and the items of the lists inside it."""
    own: list[str] = []
    nested: list[str] = []
    for block in _blocks(node, depth + 1):
        (nested if nested or re.match(r" +(- |\d+\. )", block) else own).append(block)
    return own, nested


def _table(node: Any, depth: int) -> Iterator[str]:
    rows = [r for r in node.iter("tr") if next(r.iterancestors("table")) is node]
    caption = next((_fold(_inline(c)) for c in node.findall("caption")), "")
    if caption:
        yield paragraph(caption)
    cells = [[c for c in row if c.tag in ("td", "th")] for row in rows]
    if any(True for _ in node.iter("table") if _ is not node) or max((len(r) for r in cells), default=0) < 2:
        for cell in (c for row in cells for c in row):
            yield from _blocks(cell, depth)
        return
    yield table(_grid(cells))


def _grid(rows: list[list[Any]]) -> list[list[str]]:
    """Lay cells out, merged ones in each place that they cover."""
    grid: list[list[str]] = []
    below: dict[tuple[int, int], str] = {}
    for y, row in enumerate(rows):
        line: list[str] = []
        for cell in row:
            while (y, len(line)) in below:
                line.append(below[y, len(line)])
            text = " ".join(_blocks(cell)).replace("\n", " ").lstrip("\\")
            wide, high = _span(cell, "colspan"), _span(cell, "rowspan")
            for dx in range(wide):
                below.update({(y + dy, len(line) + dx): text for dy in range(1, high)})
            line += [text] * wide
        while (y, len(line)) in below:
            line.append(below[y, len(line)])
        grid.append(line)
    return grid


def _span(cell: Any, name: str) -> int:
    value = cell.get(name, "1").strip()
    return min(max(int(value), 1), _MOST_SPAN) if value.isascii() and value.isdigit() else 1
