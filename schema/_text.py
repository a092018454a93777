"""Text that can be stored."""

from typing import Any


def without_halves(value: Any) -> Any:
    """Replace halves of surrogate pairs, which JSON can spell and nothing can store, by question marks, in all of a JSON
    value.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {without_halves(k): without_halves(v) for k, v in value.items()}
    return [without_halves(v) for v in value] if isinstance(value, list) else value
