"""The rows of data files, whatever their kind: JSON lines, JSON, CSV, TSV, Parquet; and the places in a row."""

from ..schema import ABSENT, read_path
from ._images import IMAGES, as_images, keep_image, read_image, take_images
from ._read import SUFFIXES, Line, open_bytes, read_lines
from ._rows import BadRow, Row, as_text, has_place, name_type, read_place, split_place

__all__ = [
    "ABSENT",
    "IMAGES",
    "SUFFIXES",
    "BadRow",
    "Line",
    "Row",
    "as_images",
    "as_text",
    "has_place",
    "keep_image",
    "name_type",
    "open_bytes",
    "read_image",
    "read_lines",
    "read_path",
    "read_place",
    "split_place",
    "take_images",
]
