"""Rows in DuckDB: journal first, fold later, read always."""

from ._journal import JournalWriter, list_segments, read_frames
from ._migrate import latest_version, list_migrations
from ._project import Project
from ._query import FORMATS, Result, read_safely, render, run_frugally, run_query, write_parquet
from ._sources import SourceRow, read_source
from ._spooled import Spooled
from ._store import NOBODY_ELSE, Store, insert_new, insert_rows

__all__ = [
    "FORMATS",
    "NOBODY_ELSE",
    "JournalWriter",
    "Project",
    "Result",
    "SourceRow",
    "Spooled",
    "Store",
    "insert_new",
    "insert_rows",
    "latest_version",
    "list_migrations",
    "list_segments",
    "read_frames",
    "read_safely",
    "read_source",
    "render",
    "run_frugally",
    "run_query",
    "write_parquet",
]
