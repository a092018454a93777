"""What a format cannot say again: the difference between a row and what its format writes of it.

With it a round trip changes no row, whatever columns and spellings the row has; a row that its format spells exactly
costs nothing.
"""

from typing import Any

from ...schema import canonical_json
from ._record import Row

EXTRA, SPELLING, ABSENT = "extra", "spelling", "absent"


def diff_rows(row: Row, written: Row) -> Row:
    """Return what must be kept to make ``row`` of ``written``.

    Returns:
        At most three keys: ``extra`` (columns that the format does not know), ``spelling`` (columns whose value it
        spells otherwise) and ``absent`` (columns that it adds).
    """
    found = {
        EXTRA: {k: v for k, v in row.items() if k not in written},
        SPELLING: {k: v for k, v in row.items() if k in written and not _are_equal(v, written[k])},
        ABSENT: [k for k in written if k not in row],
    }
    return {k: v for k, v in found.items() if v}


def apply_diff(written: Row, kept: Row) -> Row:
    """Return the row of which ``kept`` was made: the inverse of :func:`diff_rows`."""
    absent = kept.get(ABSENT, ())
    row = {k: v for k, v in written.items() if k not in absent}
    return {**row, **kept.get(SPELLING, {}), **kept.get(EXTRA, {})}


def _are_equal(a: Any, b: Any) -> bool:
    """Compare as JSON does: true is not 1, and 1 is not 1.0."""
    if isinstance(a, str) and isinstance(b, str):
        return a == b
    return canonical_json(a) == canonical_json(b)
