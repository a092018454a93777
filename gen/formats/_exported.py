"""What an export did: shown by the command, and told in a dataset card."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ORIGIN = ("engine", "model", "step", "template_id", "run_id", "problem_source")
"""What is counted of every row, for the card."""


@dataclass
class Exported:
    """What an export wrote, and what it left out."""

    path: Path
    format: str
    what: str
    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    extra_columns: Counter[str] = field(default_factory=Counter)
    """Columns of imported rows that only their own format carries, with the rows that had them."""
    kinds: Counter[str] = field(default_factory=Counter)
    origins: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """Rows by the values of :data:`ORIGIN`."""
