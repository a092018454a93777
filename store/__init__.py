"""Rows in DuckDB: journal first, fold later, read always."""

from ._describe import describe_schema
from ._journal import JournalWriter, list_segments, read_frames
from ._migrate import latest_version, list_migrations
from ._project import Project
from ._query import FORMATS, Result, read_safely, render, run_frugally, run_query, write_parquet
from ._sources import SourceRow, read_source
from ._spooled import Spooled
from ._store import Store, insert_new, insert_rows

__all__ = [
    "FORMATS",
    "JournalWriter",
    "Project",
    "Result",
    "SourceRow",
    "Spooled",
    "Store",
    "describe_schema",
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
