"""Formats of data sets: recognised, read into the store, and written from it."""

from ._columns import Columns, parse_mapping
from ._export import EXPORT_FORMATS, HF, PARQUET, export_rows
from ._exported import Exported
from ._import import ImportedSet, import_set
from ._inspect import Inspected, inspect_file
from ._load import ASIDE, SELECTIONS
from ._load import COLUMNS as SAMPLE_COLUMNS
from ._push import check_push, push_folder
from ._registry import FORMATS, SOLUTIONS
from ._rows import STEP as IMPORT
from ._values import RESERVED, read_imported

__all__ = [
    "ASIDE",
    "EXPORT_FORMATS",
    "FORMATS",
    "HF",
    "IMPORT",
    "PARQUET",
    "RESERVED",
    "SAMPLE_COLUMNS",
    "SELECTIONS",
    "SOLUTIONS",
    "Columns",
    "Exported",
    "ImportedSet",
    "Inspected",
    "check_push",
    "export_rows",
    "import_set",
    "inspect_file",
    "parse_mapping",
    "push_folder",
    "read_imported",
]
