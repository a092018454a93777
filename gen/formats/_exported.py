"""What an export did: shown by the command, and told in a dataset card."""

from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Exported:
    """What an export wrote, and what it left out."""

    path: Path
    format: str
    what: str
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    aside: dict[str, int] = field(default_factory=dict)
    """Rows that go out only when they are asked for, by the keys of ``ASIDE``."""
    duplicates: int = 0
    """Rows that equal an earlier one; with ``--distinct`` they were left out."""
    roomier: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By the reasons of ``left_out``: formats that have a place for the first row of the kind."""
    extra_columns: Counter[str] = field(default_factory=Counter)
    """Columns of imported rows that only their own format carries, with the rows that had them."""
    kinds: Counter[str] = field(default_factory=Counter)
    units: "array[int]" = field(default_factory=lambda: array("q"))
    """For each row the place of what stands for it in the store: the card is told by them."""
