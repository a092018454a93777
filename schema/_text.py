"""Texts inside JSON values: all of them, as they can be stored, and whether one shows anything."""

import unicodedata
from collections.abc import Iterator
from typing import Any


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text inside a JSON value, in its order; keys are none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from texts_in(inner)


def without_halves(value: Any) -> Any:
    """Replace halves of surrogate pairs, which JSON can spell and nothing can store, by question marks, in all of a JSON
    value.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {without_halves(k): without_halves(v) for k, v in value.items()}
    return [without_halves(v) for v in value] if isinstance(value, list) else value


_SEEN_AS_NOTHING = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0",
)
"""Letters and signs that Unicode draws nothing for: joiners, fillers, the empty Braille cell."""


def is_blank(text: str) -> bool:
    """Say whether a text shows nothing: white space, controls, and what is there only for others (U+200B, U+FEFF, soft hyphen)."""
    return not any(_is_seen(char) for char in text.strip())


def _is_seen(char: str) -> bool:
    is_selector = "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"
    return (
        not is_selector
        and char not in _SEEN_AS_NOTHING
        and unicodedata.category(char) not in ("Cc", "Cf", "Zs", "Zl", "Zp")
    )
