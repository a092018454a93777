"""Mail (EML), rich text (RTF), notebooks (IPYNB) and images."""

import email
import email.policy
import io
import json
from email.message import EmailMessage
from typing import Any

from ._converted import DAMAGED, Converted, Refused
from ._decode import decode
from ._html import html_to_markdown
from ._markup import fence, squeeze

_HEADERS = ("From", "To", "Cc", "Date", "Subject")
_IMAGE_WORDS = ("Description", "Title", "Comment", "comment", "Author")
_EXIF_DESCRIPTION = 270


def convert_eml(data: bytes) -> Converted:
    """Convert a message: its headers, then its body, plain text before HTML. Attachments are named, not read."""
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not isinstance(message, EmailMessage) or not any(h in message for h in _HEADERS):
        raise Refused(DAMAGED, "no mail headers")
    headers = [f"{name}: {squeeze(str(message[name]))}" for name in _HEADERS if name in message]
    body = message.get_body(("plain", "html"))
    attachments = [a.get_filename() or a.get_content_type() for a in message.iter_attachments()]
    text = "\n".join(headers) + "\n\n" + (_mail_body(body) if isinstance(body, EmailMessage) else "")
    title = squeeze(str(message["Subject"])) if "Subject" in message else None
    return Converted(text.strip(), "plain", title=title, metadata={"attachments": attachments} if attachments else {})


def _mail_body(part: EmailMessage) -> str:
    payload = part.get_payload(decode=True)
    text, _ = decode(payload if isinstance(payload, bytes) else b"", part.get_content_charset())
    return html_to_markdown(text)[0] if part.get_content_type() == "text/html" else text


def convert_rtf(data: bytes) -> Converted:
    """Convert rich text: its words, a paragraph a line."""
    from striprtf.striprtf import rtf_to_text

    text = rtf_to_text(data.decode("latin-1"), errors="replace")
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    return Converted("\n\n".join(line for line in lines if line.strip()), "plain")


def convert_ipynb(data: bytes) -> Converted:
    """Convert a notebook: Markdown cells as they are, code cells and their textual outputs fenced."""
    text, found = decode(data)
    try:
        notebook = json.loads(text)
        cells = notebook["cells"] if "cells" in notebook else [c for s in notebook["worksheets"] for c in s["cells"]]
        language = notebook.get("metadata", {}).get("kernelspec", {}).get("language", "python")
        blocks = [block for cell in cells for block in _cell_blocks(cell, language)]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Refused(DAMAGED, text) from None
    metadata = {**found, "cells": len(cells)}
    title = notebook.get("metadata", {}).get("title")
    return Converted("\n\n".join(blocks), title=title if isinstance(title, str) else None, metadata=metadata)


def _cell_blocks(cell: dict[str, Any], language: str) -> list[str]:
    source = _joined(cell.get("source", cell.get("input", "")))
    if not source.strip():
        return []
    if cell.get("cell_type") != "code":
        return [source.strip("\n")]
    outputs = "\n".join(filter(None, (_output(o) for o in cell.get("outputs", []))))
    return [fence(source, language), *([fence(outputs, "output")] if outputs.strip() else [])]


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", output)
    return _joined(data.get("text/plain", data.get("text", ""))).strip("\n")


def _joined(value: Any) -> str:
    return "".join(value) if isinstance(value, list) else str(value)


def _words(value: Any) -> str:
    """Return what an image says of itself as text: bytes are decoded, and end at the first zero."""
    if not isinstance(value, bytes):
        return str(value).partition("\0")[0]
    try:
        return decode(value.partition(b"\0")[0])[0]
    except Refused:
        return ""


def convert_image(data: bytes, name: str) -> Converted:
    """Check that an image can be decoded; its text is what the file says of itself.

    Raises:
        Refused: it cannot be decoded.
    """
    import PIL.Image

    try:
        with PIL.Image.open(io.BytesIO(data)) as image:
            image.load()
            said = [_words(image.info[k]) for k in _IMAGE_WORDS if isinstance(image.info.get(k), str | bytes)]
            said += [_words(words)] if (words := image.getexif().get(_EXIF_DESCRIPTION)) else []
            kind, size = (image.format or "").lower(), image.size
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise Refused(DAMAGED, f"{type(error).__name__}: {error}") from None
    text = "\n".join(dict.fromkeys(s.strip() for s in said if s.strip() and "\x00" not in s))
    suffix = "jpg" if kind == "jpeg" else kind
    return Converted(text, "plain", media=suffix, metadata={"width": size[0], "height": size[1], "kind": kind})
