"""Rows in DuckDB: journal first, fold later, read always."""

from ._bucket import Bucket, bucket_of
from ._describe import describe_schema
from ._distractors import add_distractors
from ._journal import JournalWriter, list_segments, read_frames
from ._limits import UNLIMITED, USERS, Limits, parse_bytes
from ._migrate import latest_version, list_migrations
from ._own import find_owner, owned
from ._people import PeopleRow
from ._problem_rows import MARK, Parsed, parse_problem, read_set
from ._project import Project
from ._query import FORMATS, Result, Value, read_safely, render, require_store, run_frugally, run_query, write_parquet
from ._questions import Parameter, Question, ask, list_questions, read_value, tabulate_questions
from ._shards import SHARD_ROWS, Shard, bring_back, check_place, keep_here, list_shards, move_to_shards
from ._sources import SourceRow, read_source
from ._spooled import Spooled
from ._store import NOBODY_ELSE, Store, insert_new, insert_rows

__all__ = [
    "FORMATS",
    "MARK",
    "NOBODY_ELSE",
    "SHARD_ROWS",
    "UNLIMITED",
    "USERS",
    "Bucket",
    "JournalWriter",
    "Limits",
    "Parameter",
    "Parsed",
    "PeopleRow",
    "Project",
    "Question",
    "Result",
    "Shard",
    "SourceRow",
    "Spooled",
    "Store",
    "Value",
    "add_distractors",
    "ask",
    "bring_back",
    "bucket_of",
    "check_place",
    "describe_schema",
    "find_owner",
    "insert_new",
    "insert_rows",
    "keep_here",
    "latest_version",
    "list_migrations",
    "list_questions",
    "list_segments",
    "list_shards",
    "move_to_shards",
    "owned",
    "parse_bytes",
    "parse_problem",
    "read_frames",
    "read_safely",
    "read_set",
    "read_source",
    "read_value",
    "render",
    "require_store",
    "run_frugally",
    "run_query",
    "tabulate_questions",
    "write_parquet",
]
