"""What a row is, how it gets its id, and how far the score in it reaches."""

from ._bars import find_interval, find_wilson, has_false_bar
from ._ids import canonical_json, content_id, hash_files, hash_id, seed_from
from ._images import image_urls, mark_image
from ._marks import MARK_PATTERN, TEMPLATE_MARKS, find_marks
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
from ._text import is_blank, texts_in, without_halves

__all__ = [
    "ABSENT",
    "MARK_PATTERN",
    "PROJECT_RUN",
    "TABLE_OF",
    "TEMPLATE_MARKS",
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
    "find_interval",
    "find_marks",
    "find_wilson",
    "has_false_bar",
    "hash_files",
    "hash_id",
    "image_urls",
    "is_blank",
    "mark_image",
    "read_path",
    "seed_from",
    "texts_in",
    "to_dict",
    "types_of",
    "utc_now",
    "without_halves",
]
