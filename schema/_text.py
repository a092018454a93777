"""Texts inside JSON values: all of them, and as they can be stored."""

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
