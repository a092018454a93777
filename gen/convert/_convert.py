"""One door to the converters: bytes and a name in, text out. Parsers are imported by the format that needs them."""

import importlib.metadata
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from ._converted import DAMAGED, Converted, Refused
from ._decode import decode
from ._formats import OTHER, TEXT, is_zipped, name_format, sniff, unread

PARSERS = {
    "pdf": "pypdfium2",
    "docx": "python-docx",
    "pptx": "python-pptx",
    "xlsx": "python-calamine",
    "rtf": "striprtf",
} | dict.fromkeys(("html", "epub", "odt"), "lxml")
"""The distribution that reads a format, for those that need one."""
DOCLING_FORMATS = ("pdf", "docx", "pptx", "xlsx", "html", "image")
MOST_INFLATED = 200
"""How many times its size a ZIP-based document may unpack to, beyond 64 MiB."""
_INFLATED_FLOOR = 64 << 20
_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def convert_file(path: Path, *, parser: str = "light") -> Converted:
    """Convert the file at ``path``; see :func:`convert_bytes`."""
    return convert_bytes(path.read_bytes(), path.name, parser=parser)


def convert_bytes(data: bytes, name: str, media_type: str | None = None, *, parser: str = "light") -> Converted:
    """Convert a file.

    Args:
        data: its bytes.
        name: its name, whose suffix says the format where the bytes do not.
        media_type: what a server says of it.
        parser: ``light`` or ``docling``.

    Raises:
        Refused: no text or image can be had of it.
    """
    named = sniff(data[:64], name_format(name, media_type))
    if named in OTHER:
        raise Refused(unread(named))
    if not data.strip():
        raise Refused("empty")
    if is_zipped(named):
        _check_archive(data)
    if parser == "docling" and named in DOCLING_FORMATS:
        from ._docling import convert_with_docling

        return convert_with_docling(data, name, named)
    try:
        converted = _reader(named or "txt")(data, name, media_type)
    except (zipfile.BadZipFile, zlib.error) as error:
        raise Refused(DAMAGED, str(error)) from None
    converted.format = named or "txt"
    if named in PARSERS:
        converted.metadata["parser"] = f"{PARSERS[named]} {importlib.metadata.version(PARSERS[named])}"
    return converted


def _check_archive(data: bytes) -> None:
    """Refuse what is no ZIP, is encrypted, or would unpack to more than a document does."""
    if data.startswith(_OLE2):
        raise Refused("password-protected")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile as error:
        raise Refused(DAMAGED, str(error)) from None
    if any(e.flag_bits & 1 for e in entries):
        raise Refused("password-protected")
    if sum(e.file_size for e in entries) > max(_INFLATED_FLOOR, MOST_INFLATED * len(data)):
        raise Refused("unpacks to far more than a document (a ZIP bomb)")


LONG_LINE = 1000
"""Characters of a JSON file of one line from which on it is indented."""
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')

Reader = Callable[[bytes, str, str | None], Converted]


def _reader(named: str) -> Reader:
    from . import _books, _html, _mail, _office, _pdf, _sheets

    readers: dict[str, Reader] = {
        "html": lambda data, name, media_type: _html.convert_html(data, _charset(media_type)),
        "pdf": lambda data, name, media_type: _pdf.convert_pdf(data),
        "docx": lambda data, name, media_type: _office.convert_docx(data),
        "pptx": lambda data, name, media_type: _office.convert_pptx(data),
        "xlsx": lambda data, name, media_type: _sheets.convert_workbook(data),
        "csv": lambda data, name, media_type: _sheets.convert_csv(data, name),
        "epub": lambda data, name, media_type: _books.convert_epub(data),
        "odt": lambda data, name, media_type: _books.convert_odt(data),
        "rtf": lambda data, name, media_type: _mail.convert_rtf(data),
        "eml": lambda data, name, media_type: _mail.convert_eml(data),
        "ipynb": lambda data, name, media_type: _mail.convert_ipynb(data),
        "image": lambda data, name, media_type: _mail.convert_image(data, name),
        "json": lambda data, name, media_type: _convert_json(data),
        "jsonl": lambda data, name, media_type: _verbatim(data, "records"),
    }
    return readers.get(named) or (lambda data, name, media_type: _convert_text(data, named, _charset(media_type)))


def _charset(media_type: str | None) -> str | None:
    _, found, charset = (media_type or "").lower().partition("charset=")
    return charset.split(";")[0].strip(" \"'") if found else None


def _convert_text(data: bytes, named: str, declared: str | None) -> Converted:
    converted = _verbatim(data, TEXT[named][0], declared)
    if named == "txt" and "\f" in converted.text:
        converted.pages = _form_feeds(converted.text)
    return converted


def _verbatim(data: bytes, syntax: str, declared: str | None = None) -> Converted:
    """Keep a text as it is, newlines and BOM aside: its lines are the file's own."""
    text, found = decode(data, declared)
    return Converted(text, syntax, lines="same", metadata=found)  # type: ignore[arg-type]


def _form_feeds(text: str) -> list[int]:
    r"""Return where pages begin: at the start and behind each form feed but one at the end."""
    end = len(text.rstrip())
    return [0, *(m.end() for m in re.finditer("\f", text) if m.end() < end)]


def _convert_json(data: bytes) -> Converted:
    """Keep JSON as it is; one long line is indented, values as they are spelled, and has no line numbers then."""
    converted = _verbatim(data, "code")
    if "\n" in converted.text.strip():
        return converted
    try:
        json.loads(converted.text)
    except (ValueError, RecursionError) as error:
        raise Refused("not JSON", converted.text) from error
    if len(converted.text) > LONG_LINE:
        converted.text, converted.lines = _indent(converted.text), None
    return converted


def _indent(text: str) -> str:
    """Put each member and element on a line of its own; nothing but white space between tokens is changed."""
    parts: list[str] = []
    depth, is_open = 0, False
    for token in _JSON_TOKEN.findall(text):
        if token in ("}", "]"):
            depth -= 1
            parts.append(token if is_open else "\n" + "  " * depth + token)
        else:
            if is_open:
                parts.append("\n" + "  " * depth)
            parts.append({",": ",\n" + "  " * depth, ":": ": "}.get(token, token))
        is_open = token in ("{", "[")
        depth += is_open
    return "".join(parts)
