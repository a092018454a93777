"""What a row is: one frozen model per table that is filled through the journal.

The field order is the column order of the table. Times are ISO 8601 in UTC. ``None`` is SQL's NULL.
"""

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, get_args, get_type_hints

_PLAIN = (str, int, float, bool)

Message = dict[str, Any]
"""One chat message, in OpenAI's and TRL's shape: at least ``role`` and ``content``."""


def utc_now() -> str:
    """Return the present moment as ISO 8601 in UTC, microseconds included."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat("T", "microseconds")


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """A question with a known answer, from a problem set."""

    problem_id: str
    source: str
    source_ordinal: int
    question: str
    answer: str
    solution: str | None
    fields: str | None = None


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One call to a model: everything that shaped it, and what came back."""

    request_id: str
    run_id: str | None
    iteration: int | None
    step: str
    input_id: str | None
    template_id: str | None
    engine: str
    model: str
    checkpoint_id: str | None
    messages: str
    sampling: str
    n_draws: int
    completions: str
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    latency_s: float | None
    created_at: str
    answered_at: str | None
    error: str | None = None
    details: str | None = None


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One completion of one prompt: a row of generated (or imported) data."""

    sample_id: str
    request_id: str | None
    draw: int
    run_id: str | None
    iteration: int | None
    step: str
    problem_id: str | None
    completion: str
    finish_reason: str | None
    logprob: float | None
    source: str
    created_at: str = field(default_factory=utc_now)
    input_id: str | None = None
    item: int = 0
    prompt: str | None = None
    fields: str | None = None
    parser: str | None = None


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """What a verifier or a judge says of one sample; ``passed`` is None when it abstains."""

    verdict_id: str
    sample_id: str
    judge: str
    passed: bool | None
    score: float | None
    reason: str
    evidence: str | None
    created_at: str = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class DropRow:
    """An input of a step that went no further, and why."""

    drop_id: str
    run_id: str | None
    iteration: int | None
    step: str
    reason: str
    input_id: str
    request_id: str | None
    raw: str | None
    n: int = 1
    created_at: str = field(default_factory=utc_now)
    evidence: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One version of one document."""

    document_id: str
    source: str
    version: int
    format: str
    title: str | None
    licence: str | None
    content_hash: str
    n_chars: int
    n_chunks: int
    metadata: str
    created_at: str = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A piece of a document: its text, or an image."""

    chunk_id: str
    source: str
    text: str
    headings: str
    n_tokens: int
    media: str | None = None
    created_at: str = field(default_factory=utc_now)


@dataclass(frozen=True, slots=True)
class DocumentChunkRow:
    """Where a chunk stands in a version of a document. ``char_end`` is exclusive; lines and pages count from 1."""

    document_id: str
    ordinal: int
    chunk_id: str
    char_start: int
    char_end: int
    line_start: int | None
    line_end: int | None
    page_start: int | None
    page_end: int | None


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One input of a step: ``n`` outcomes are due for it."""

    run_id: str
    iteration: int
    step: str
    ordinal: int
    input_id: str
    n: int


@dataclass(frozen=True, slots=True)
class PairRow:
    """Two completions of one prompt, chosen over rejected."""

    pair_id: str
    run_id: str | None
    iteration: int | None
    problem_id: str | None
    chosen_sample_id: str
    rejected_sample_id: str
    kind: str
    created_at: str = field(default_factory=utc_now)
    prompt_id: str | None = None
    judge: str | None = None
    margin: float | None = None
    chosen_verdict_id: str | None = None
    rejected_verdict_id: str | None = None


PROJECT_RUN = "project"
"""The run id of what belongs to the project itself and to no recipe: ingested documents, imported data sets."""

JournaledRow = (
    ProblemRow
    | RequestRow
    | SampleRow
    | VerdictRow
    | DropRow
    | DocumentRow
    | ChunkRow
    | DocumentChunkRow
    | PlanRow
    | PairRow
)

TABLE_OF: dict[type, str] = {
    ProblemRow: "problems",
    RequestRow: "requests",
    SampleRow: "samples",
    VerdictRow: "verdicts",
    DropRow: "drops",
    DocumentRow: "documents",
    ChunkRow: "chunks",
    DocumentChunkRow: "document_chunks",
    PlanRow: "plans",
    PairRow: "pairs",
}
"""The table that each row model belongs to."""


def columns_of(row_type: type) -> list[str]:
    """Return the column names of a row model, in table order."""
    return [f.name for f in fields(row_type)]


def types_of(row_type: type) -> dict[str, type]:
    """Return the type of each column of a row model, NULL left aside, in table order."""
    hints = get_type_hints(row_type)
    return {
        name: next(k for k in (*get_args(hints[name]), hints[name]) if k in _PLAIN) for name in columns_of(row_type)
    }


def to_dict(row: JournaledRow) -> dict[str, Any]:
    """Return a row as a plain dict, keys in column order."""
    return {f.name: getattr(row, f.name) for f in fields(row)}  # rows are flat: no deep copy as asdict makes it
