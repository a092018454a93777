"""Images in messages, as texts are compared: what shows another image asks something else."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any


def image_urls(messages: Any) -> list[str]:
    """Return the addresses of the images in messages, in their order."""
    return list(_find(messages)) if isinstance(messages, list | tuple) else []


def _find(messages: Sequence[Any]) -> Iterator[str]:
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            url = (part.get("image_url") or {}).get("url") if isinstance(part, dict) else None
            if isinstance(url, str):
                yield url


def mark_image(url: str) -> str:
    """Return a mark that stands for an image in a text: a number, so that nothing that compares texts takes two for alike."""
    return f"[{int.from_bytes(hashlib.blake2b(url.encode(), digest_size=7).digest(), 'little')}]"
