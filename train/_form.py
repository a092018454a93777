"""What all rows of a training are like: its columns, and text or messages in them. A trainer takes all rows to be like the first.

So the rows that are like most are trained on, and the others are drops.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
SAID = ("prompt", "completion", "chosen", "rejected")
"""Columns that hold text or messages; ``messages`` and ``text`` hold what they are called."""


@dataclass(frozen=True)
class Form:
    """What rows are like.

    Attributes:
        columns: the set of columns, one of the method's.
        shape: ``text`` or ``messages`` where the columns hold either; empty where they say it by their names.
        images: rows have images.
    """

    columns: tuple[str, ...]
    shape: str
    images: bool


def find_form(rows: Sequence[Row], sets: Iterable[tuple[str, ...]], *, sees: bool) -> Form | None:
    """Return what most rows are like; None when no row has one of the sets of columns.

    Args:
        rows: the training's.
        sets: those that the method reads.
        sees: the model reads images.
    """
    sets = list(sets)
    counts = Counter(columns for row in rows for columns in columns_of(row, sets))
    if not counts:
        return None
    columns = max(sets, key=lambda s: counts[s])  # of equals the first
    shapes = Counter(shape_of(row, columns) for row in rows if columns in columns_of(row, sets))
    shape = next((s for s, _ in shapes.most_common() if " beside " not in s), "")
    return Form(columns, shape, sees and any(images_of(row) for row in rows))


def has(row: Row, columns: Sequence[str]) -> bool:
    """Say whether a row has a value in each column."""
    return all(row.get(c) is not None for c in columns)


def columns_of(row: Row, sets: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the sets of columns that a row has; not those that are a part of another that it has."""
    found = [columns for columns in sets if has(row, columns)]
    return [c for c in found if not any(set(c) < set(other) for other in found)]


def shape_of(row: Row, columns: Sequence[str]) -> str:
    """Return how a row says what it says in some columns."""
    said = [row[c] for c in columns if c in SAID and isinstance(row.get(c), str | list)]
    return " beside ".join(sorted({"text" if isinstance(value, str) else "messages" for value in said}))


def images_of(row: Row) -> list[Any]:
    """Return the images of a row, in either of its columns."""
    found = row.get("images", row.get("image"))
    return [] if not found else found if isinstance(found, list) else [found]
