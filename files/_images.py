"""Images that rows name: read from beside the rows, and kept under a name that is made of their content.

A row of somebody else's data set cannot have any file of this machine shown to a model: what is read lies in the folder of the rows
or below, and is an image by its first bytes.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..schema import ABSENT, read_path

_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF87a", "gif"), (b"GIF89a", "gif"), (b"BM", "bmp"),
    (b"II*\x00", "tiff"), (b"MM\x00*", "tiff"),
)  # fmt: skip
"""How files of images begin."""
IMAGES = "question_images"
"""Name of a row's images, which no column of a file can take."""
_DATA = "data:"


def read_image(value: Any, folder: Path | None) -> bytes:
    """Return the bytes of an image that a row has.

    Args:
        value: a path below ``folder``, a ``data:`` URL, bytes, or ``{"bytes", "path"}`` as sets of the hub have it.
        folder: of the rows; None where they have none (the hub's).

    Raises:
        ValueError: it cannot be had, or is no image; says why, in words that can be counted.
    """
    if isinstance(value, Mapping):
        value = value.get("bytes") or value.get("path")
    if isinstance(value, str):
        value = _decode(value) if value.startswith(_DATA) else _read(value, folder)
    if not isinstance(value, bytes):
        raise ValueError("no image: neither a path nor bytes")
    if not _suffix_of(value):
        raise ValueError("no image: not PNG, JPEG, GIF, WebP, BMP or TIFF")
    return value


def keep_image(data: bytes, media: Path, root: Path) -> str:
    """Write an image into the project's folder of images, once; return its name from the project's folder.

    Args:
        data: the image.
        media: the folder of images.
        root: the project's folder.
    """
    kept = media / f"img_{hashlib.blake2b(data, digest_size=16).hexdigest()}.{_suffix_of(data)}"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        fresh = kept.with_name(f".{kept.name}.{os.getpid()}")
        fresh.write_bytes(data)
        fresh.replace(kept)
    return kept.relative_to(root).as_posix()


def take_images(
    row: Mapping[str, Any], place: str | None, folder: Path | None, media: Path, root: Path
) -> dict[str, Any] | str:
    """Return a row with the images of its column kept in the project and named under :data:`IMAGES`, or why it cannot be.

    What a row itself has under that name is left out.

    Args:
        place: the column, or a place inside one by dots; none: the rows show no images.
        folder: that the row's paths start from; None where it has none (the hub's).
        media: the folder of images.
        root: the project's folder.
    """
    value = read_path(row, place) if place else None
    if value is ABSENT:
        return f"nothing under {place!r}"
    try:
        kept = [keep_image(read_image(one, folder), media, root) for one in as_images(value)]
    except ValueError as error:
        return f"{place}: {error}"
    taken = {IMAGES} | ({place} if place else set())
    rest = {name: value for name, value in row.items() if name not in taken}
    return {**rest, IMAGES: kept} if kept else rest


def as_images(value: Any) -> Sequence[Any]:
    """Return what a column holds as a list of images: one or several."""
    return [] if value in (None, "") else list(value) if isinstance(value, list | tuple) else [value]


def _suffix_of(data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((suffix for begin, suffix in _KINDS if data.startswith(begin)), "")


def _decode(url: str) -> bytes:
    head, _, body = url.partition(",")
    if not head.endswith(";base64"):
        raise ValueError("no image: a data: URL that is not base64")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise ValueError("no image: broken base64") from None


def _read(name: str, folder: Path | None) -> bytes:
    if name.startswith(("http:", "https:")):
        raise ValueError("an image's address, not a file: fetch it first")
    if folder is None:
        raise ValueError("an image's path, and no folder that it lies in")
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError("an image outside the folder of its rows")
    try:
        return path.read_bytes()
    except OSError:
        raise ValueError("no such image") from None
