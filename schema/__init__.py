"""What a row is, and how it gets its id."""

from ._ids import canonical_json, content_id, hash_files, hash_id, seed_from
from ._paths import ABSENT, read_path
from ._rows import (
    PROJECT_RUN,
    TABLE_OF,
    ChunkRow,
    DocumentChunkRow,
    DocumentRow,
    DropRow,
    JournaledRow,
    Message,
    PairRow,
    PlanRow,
    ProblemRow,
    RequestRow,
    SampleRow,
    VerdictRow,
    columns_of,
    to_dict,
    types_of,
    utc_now,
)
from ._text import without_halves

__all__ = [
    "ABSENT",
    "PROJECT_RUN",
    "TABLE_OF",
    "ChunkRow",
    "DocumentChunkRow",
    "DocumentRow",
    "DropRow",
    "JournaledRow",
    "Message",
    "PairRow",
    "PlanRow",
    "ProblemRow",
    "RequestRow",
    "SampleRow",
    "VerdictRow",
    "canonical_json",
    "columns_of",
    "content_id",
    "hash_files",
    "hash_id",
    "read_path",
    "seed_from",
    "to_dict",
    "types_of",
    "utc_now",
    "without_halves",
]
