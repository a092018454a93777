"""Images in prompts: files as ``data:`` URLs."""

import base64
import mimetypes
from pathlib import Path

from ..errors import InputError


def encode_image(path: Path) -> str:
    """Return an image file as a ``data:`` URL, for a template's ``images``.

    Raises:
        InputError: there is no such file, or its name does not say that it is an image.
    """
    kind = mimetypes.guess_type(path.name)[0] or ""
    if not kind.startswith("image/") or not path.is_file():
        raise InputError(
            str(path), expected="an image file", received=kind or "no such kind", cure="ingest the image again"
        )
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
