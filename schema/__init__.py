"""What a row is, and how it gets its id."""

from ._ids import canonical_json, content_id, hash_files, seed_from
from ._rows import (
    TABLE_OF,
    DropRow,
    JournaledRow,
    Message,
    ProblemRow,
    RequestRow,
    SampleRow,
    VerdictRow,
    columns_of,
    to_dict,
    utc_now,
)

__all__ = [
    "TABLE_OF",
    "DropRow",
    "JournaledRow",
    "Message",
    "ProblemRow",
    "RequestRow",
    "SampleRow",
    "VerdictRow",
    "canonical_json",
    "columns_of",
    "content_id",
    "hash_files",
    "seed_from",
    "to_dict",
    "utc_now",
]
