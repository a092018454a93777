"""Verdicts for the samples of a step: each once, by one verifier."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import VerifierConfig
from ..schema import VerdictRow, content_id
from ..store import Store
from ._verdict import Verdict
from .verifiers import NAME, VERSION, Case, Verifier, check_columns, complete_options, find_verifier, run_verifier

MATH_JUDGE = f"{NAME}@{VERSION}"
BATCH = 2000


@dataclass(frozen=True)
class Grader:
    """A verifier with its options, ready to judge.

    Attributes:
        verifier: what judges.
        options: complete ones.
    """

    verifier: Verifier
    options: Mapping[str, Any]

    @property
    def judge(self) -> str:
        """What its verdicts are filed under."""
        return self.verifier.judge

    @property
    def code_id(self) -> str | None:
        """Content id of the user's file that it is defined in; None for flywheel's own."""
        file = Path(inspect.unwrap(self.verifier.check).__code__.co_filename)
        if Path(__file__).parent in file.parents or not file.is_file():
            return None
        return content_id("ver", file.read_text("utf-8", "replace"))

    def check_columns(self, columns: set[str], place: str) -> None:
        """Refuse options that name a column which no row has.

        Raises:
            RecipeError: a column is missing; it is named.
        """
        check_columns(self.verifier, self.options, columns, place)

    def judge_case(self, case: Case) -> Verdict:
        """Return the verdict on ``case``; an abstention where it cannot be judged."""
        return run_verifier(self.verifier, case, self.options)


def make_grader(config: VerifierConfig, folder: Path, place: str = "verifier") -> Grader:
    """Return the verifier that a recipe names, with its options.

    Raises:
        NotFoundError: there is no such verifier.
        RecipeError: its options are wrong.
    """
    verifier = find_verifier(config.name, folder, f"{place}, name")
    return Grader(verifier, complete_options(verifier, config.options, f"{place}, options"))


def verify_samples(store: Store, run_id: str, iteration: int, step: str, grader: Grader) -> None:
    """Judge the samples of a step over problems that have no verdict of this verifier yet."""
    rows = store.spool(
        """
        SELECT s.sample_id, s.completion, s.finish_reason, p.answer, p.fields, p.question,
               coalesce(s.prompt, r.messages)::VARCHAR AS prompt
        FROM samples s
        JOIN (SELECT DISTINCT ON (problem_id) problem_id, answer, fields, question FROM problems) p USING (problem_id)
        LEFT JOIN requests r USING (request_id)
        WHERE s.run_id = ? AND s.iteration = ? AND s.step = ?
          AND NOT EXISTS (SELECT 1 FROM verdicts v WHERE v.sample_id = s.sample_id AND v.judge = ?)
        ORDER BY s.sample_id
        """,
        [run_id, iteration, step, grader.judge],
    )
    batch: list[VerdictRow] = []
    for sample_id, completion, finish_reason, *known in rows.rows():
        case = _case(completion, finish_reason, *known)
        batch.append(verdict_row(sample_id, grader.judge_case(case), grader.judge))
        if len(batch) >= BATCH:
            store.append(batch)
            batch = []
    store.append(batch)
    store.fold()


def _case(
    completion: str, finish_reason: str | None, answer: str, fields: str | None, question: str, prompt: str | None
) -> Case:
    columns = {"question": question, "answer": answer, **json.loads(fields or "{}")}
    expected = columns.get("expected", answer) if answer != "" else None
    return Case(completion, expected, columns, finish_reason, json.loads(prompt or "[]"))


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
