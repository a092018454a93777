"""One row of a file, and the places in it that a mapping may name (``result.0.text``, ``context+question``)."""

from collections.abc import Mapping
from typing import Any

from ..schema import ABSENT, read_path

Row = dict[str, Any]
"""One row as its file has it."""
BETWEEN = "\n\n"
"""What stands between columns that are joined (``prompt=context+question``)."""


class BadRow(ValueError):
    """A row that cannot be read; the text is the reason that goes on record."""


def split_place(row: Mapping[str, Any], place: str) -> list[str]:
    """Return the places that ``place`` adds up: itself when the row has it, else its parts between ``+``."""
    return [place] if has_place(row, place) else place.split("+")


def has_place(row: Mapping[str, Any], place: str) -> bool:
    """Say whether the row has a column, or something inside a column, of that name."""
    return place in row or _inside(row, place) is not None


def read_place(row: Mapping[str, Any], place: str) -> Any:
    """Return what stands in a column, inside one, or the texts of several joined; None where there is no such place.

    Raises:
        BadRow: columns that are joined hold something else than text or numbers.
    """
    values = [row[p] if p in row else _inside(row, p) for p in split_place(row, place)]
    return values[0] if len(values) == 1 else BETWEEN.join(as_text(v, place) for v in values)


def _inside(row: Mapping[str, Any], path: str) -> Any:
    found = read_path(row, path)
    return None if found is ABSENT else found


def as_text(value: Any, column: str) -> str:
    """Return a text or number as text.

    Raises:
        BadRow: it is something else.
    """
    if isinstance(value, dict | list) or value is None:
        raise BadRow(f"{column!r} is {name_type(value)}, expected text")
    return value if isinstance(value, str) else str(value)


def name_type(value: Any) -> str:
    """Return what JSON calls the type of ``value``."""
    names = {dict: "an object", list: "a list", str: "text", bool: "a yes or no", type(None): "null"}
    return names.get(type(value), "a number")
