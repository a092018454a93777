"""Images in messages: rows name a file of the project, and only what goes over the wire holds its bytes.

A stored image is called by its content, so that a name stands for the bytes in a request's id as well.
"""

import base64
import mimetypes
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError

_STORED = re.compile(r"\.flywheel/media/[A-Za-z0-9_-]+\.[A-Za-z0-9]+")
"""How a row names an image that was ingested: nothing else is ever read from the disk."""


def is_stored_image(url: str) -> bool:
    """Say whether an image's address in a message is a file that was ingested, in the project's folder."""
    return _STORED.fullmatch(url) is not None


def check_image(path: Path) -> None:
    """See that a file is an image.

    Raises:
        InputError: there is no such file, or its name does not say that it is an image.
    """
    kind = mimetypes.guess_type(path.name)[0] or ""
    if not kind.startswith("image/") or not path.is_file():
        raise InputError(
            str(path), expected="an image file", received=kind or "no such kind", cure="ingest the image again"
        )


def encode_image(path: Path) -> str:
    """Return an image file as a ``data:`` URL.

    Raises:
        InputError: as :func:`check_image`.
    """
    check_image(path)
    return f"data:{mimetypes.guess_type(path.name)[0]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def inline_images(messages: Sequence[dict[str, Any]], folder: Path) -> Sequence[dict[str, Any]]:
    """Return messages with the stored images that they name as ``data:`` URLs; the same object when they name none.

    Args:
        folder: the project's.

    Raises:
        InputError: a stored image is gone.
    """
    if all(type(m.get("content")) is not list for m in messages):
        return messages
    return [{**m, "content": _inline(m.get("content"), folder)} for m in messages]


def _inline(content: Any, folder: Path) -> Any:
    if not isinstance(content, list):
        return content
    return [_inline_part(part, folder) for part in content]


def _inline_part(part: Any, folder: Path) -> Any:
    image = part.get("image_url") if isinstance(part, dict) else None
    if not isinstance(image, dict) or not is_stored_image(url := str(image.get("url"))):
        return part
    return {**part, "image_url": {**image, "url": encode_image(folder / url)}}
