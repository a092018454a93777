"""The rows of data files, whatever their kind: JSON lines, JSON, CSV, TSV, Parquet; and the places in a row."""

from ._read import SUFFIXES, Line, open_bytes, read_lines
from ._rows import BadRow, Row, as_text, has_place, name_type, read_place, split_place

__all__ = [
    "SUFFIXES",
    "BadRow",
    "Line",
    "Row",
    "as_text",
    "has_place",
    "name_type",
    "open_bytes",
    "read_lines",
    "read_place",
    "split_place",
]
