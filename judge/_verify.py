"""Verdicts for the samples of a step: each once, by one verifier."""

from ..schema import VerdictRow, content_id
from ..store import Store
from ._verdict import Verdict
from .verifiers import NAME, VERSION, tell_truncated, verify_math

MATH_JUDGE = f"{NAME}@{VERSION}"
BATCH = 2000


def verify_samples(
    store: Store, run_id: str, iteration: int, step: str, *, markers: tuple[str, ...] = ("####",)
) -> None:
    """Judge the samples of a step that have no verdict of the math verifier yet.

    Args:
        markers: where their final answers stand, see :data:`flywheel.judge.verifiers.MARKERS`.
    """
    rows = store.query(
        """
        SELECT s.sample_id, s.completion, s.finish_reason, p.answer
        FROM samples s
        JOIN (SELECT DISTINCT ON (problem_id) problem_id, answer FROM problems) p USING (problem_id)
        WHERE s.run_id = ? AND s.iteration = ? AND s.step = ?
          AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.sample_id = s.sample_id AND v.judge = ?)
        ORDER BY s.sample_id
        """,
        [run_id, iteration, step, MATH_JUDGE],
    )
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        store.append(
            [verdict_row(i, _judge(text, finish, answer, markers), MATH_JUDGE) for i, text, finish, answer in batch]
        )
    store.fold()


def _judge(completion: str, finish_reason: str | None, answer: str, markers: tuple[str, ...]) -> Verdict:
    return tell_truncated(verify_math(completion, answer, markers=markers), finish_reason)


def verdict_row(sample_id: str, verdict: Verdict, judge: str) -> VerdictRow:
    """Return the row of ``verdict``."""
    return VerdictRow(
        content_id("vrd", [sample_id, judge]),
        sample_id,
        judge,
        verdict.passed,
        verdict.score,
        verdict.reason,
        verdict.evidence,
    )
