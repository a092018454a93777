"""EPUB and ODT: ZIP archives of markup, read with the standard library and lxml."""

import io
import posixpath
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from ._converted import DAMAGED, Converted, Refused
from ._decode import decode
from ._html import html_to_markdown
from ._markup import heading, item, join_blocks, paragraph, squeeze, table

_ODF = "urn:oasis:names:tc:opendocument:xmlns:"
_TEXT, _TABLE, _OFFICE = (f"{{{_ODF}{n}:1.0}}" for n in ("text", "table", "office"))
_MOST_REPEATED = 100


def parse_xml(data: bytes) -> Any:
    """Parse XML from a stranger: no entities, no network."""
    import lxml.etree

    parser = lxml.etree.XMLParser(resolve_entities=False, no_network=True, recover=True, huge_tree=True)
    root = lxml.etree.fromstring(data, parser)
    if root is None:
        raise Refused(DAMAGED, "no XML inside")
    return root


def convert_epub(data: bytes) -> Converted:
    """Convert a book: its chapters in reading order, without the table of contents that readers make."""
    book = zipfile.ZipFile(io.BytesIO(data))
    if "META-INF/encryption.xml" in book.namelist() and b"EncryptedKey" in book.read("META-INF/encryption.xml"):
        raise Refused("password-protected")
    container = parse_xml(book.read("META-INF/container.xml"))
    opf = next(str(e.get("full-path")) for e in container.iter("{*}rootfile"))
    package = parse_xml(book.read(opf))
    files = {e.get("id"): e for e in package.iter("{*}item")}
    spine = [files[e.get("idref")] for e in package.iter("{*}itemref") if e.get("idref") in files]
    chapters = [e for e in spine if "nav" not in (e.get("properties") or "").split()]
    names = [posixpath.normpath(posixpath.join(posixpath.dirname(opf), unquote(e.get("href")))) for e in chapters]
    known = set(book.namelist())
    bodies = [html_to_markdown(decode(book.read(n))[0])[0] for n in names if n in known and book.getinfo(n).file_size]
    title = next((squeeze(e.text or "") for e in package.iter("{http://purl.org/dc/elements/1.1/}title")), None)
    return Converted("\n\n".join(filter(None, bodies)), title=title or None, metadata={"chapters": len(bodies)})


def convert_odt(data: bytes) -> Converted:
    """Convert an OpenDocument text."""
    archive = zipfile.ZipFile(io.BytesIO(data))
    if b"encryption-data" in archive.read("META-INF/manifest.xml"):
        raise Refused("password-protected")
    body = parse_xml(archive.read("content.xml")).find(f"{_OFFICE}body/{_OFFICE}text")
    if body is None:
        raise Refused("format not read: OpenDocument that is no text")
    title = None
    if "meta.xml" in archive.namelist():
        meta = parse_xml(archive.read("meta.xml"))
        title = next((squeeze(e.text or "") for e in meta.iter("{http://purl.org/dc/elements/1.1/}title")), None)
    return Converted(join_blocks(list(_odt_blocks(body))), title=title or None)


def _odt_blocks(node: Any, depth: int = 0) -> Iterator[str]:
    for child in node:
        if child.tag == f"{_TEXT}h":
            if text := squeeze(_odt_text(child)):
                yield heading(int(child.get(f"{_TEXT}outline-level", "1")), text)
        elif child.tag == f"{_TEXT}p":
            if text := _odt_text(child).strip():
                yield paragraph(text)
        elif child.tag == f"{_TEXT}list":
            yield from _odt_list(child, depth)
        elif child.tag == f"{_TABLE}table":
            yield table([_odt_row(row) for row in child.iter(f"{_TABLE}table-row")])
        elif child.tag in (f"{_TEXT}section", f"{_TEXT}index-body"):
            yield from _odt_blocks(child, depth)


def _odt_list(node: Any, depth: int) -> Iterator[str]:
    for entry in node.iter(f"{_TEXT}list-item", f"{_TEXT}list-header"):
        if next(entry.iterancestors(f"{_TEXT}list")) is not node:
            continue
        own = [_odt_text(p) for p in entry if p.tag in (f"{_TEXT}p", f"{_TEXT}h")]
        if any(map(str.strip, own)):
            yield item("\n".join(own), depth)
        for inner in entry.iterchildren(f"{_TEXT}list"):
            yield from _odt_list(inner, depth + 1)


def _odt_row(row: Any) -> list[str]:
    cells = []
    for cell in row.iterchildren(f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
        repeated = int(cell.get(f"{_TABLE}number-columns-repeated", "1"))
        text = " ".join(_odt_text(p) for p in cell.iter(f"{_TEXT}p"))
        cells += [text] * min(repeated, _MOST_REPEATED)
    return cells


def _odt_text(node: Any) -> str:
    """Return a paragraph's text: spaces, tabs and breaks are elements; notes stand in brackets; comments are left out."""
    parts = [node.text or ""]
    for child in node:
        if child.tag == f"{_TEXT}s":
            parts.append(" " * min(int(child.get(f"{_TEXT}c", "1")), _MOST_REPEATED))
        elif child.tag == f"{_TEXT}tab":
            parts.append("\t")
        elif child.tag == f"{_TEXT}line-break":
            parts.append("\n")
        elif child.tag == f"{_TEXT}note":
            parts += [f" [{squeeze(_odt_text(p))}]" for p in child.iter(f"{_TEXT}p")]
        elif isinstance(child.tag, str) and child.tag not in (f"{_OFFICE}annotation", f"{_TEXT}tracked-changes"):
            parts.append(_odt_text(child))
        parts.append(child.tail or "")
    return "".join(parts)
