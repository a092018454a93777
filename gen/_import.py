"""Existing model solutions as samples: GSM8K's ``example_model_solutions.jsonl``.

Each line has a ``question``, a ``ground_truth`` that ends in ``A: <number>``, and per model a ``solution`` (with the
file's own ``is_correct``, kept as a verdict beside the verifier's).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..prompts import Template
from ..schema import (
    DropRow,
    JournaledRow,
    ProblemRow,
    RequestRow,
    SampleRow,
    VerdictRow,
    canonical_json,
    content_id,
    utc_now,
)
from ..store import SourceRow, Store, read_source
from ._plan import Step
from ._requests import save_template

RECORDED_JUDGE = "recorded@file"
MARK = "A:"


_Group = tuple[str, list[JournaledRow]]
"""Rows that come together, and the id that says whether they are there already."""


@dataclass
class Imported:
    """Counts of an import."""

    inputs: int = 0
    problems: int = 0
    samples: int = 0
    faults: list[str] = field(default_factory=list)


def import_solutions(store: Store, path: Path, step: Step, template: Template) -> Imported:
    """Bring ``path`` in; solutions that are there already are not doubled.

    Raises:
        NotFoundError: there is no such file.
        InputError: no line of it can be used.
    """
    save_template(store, template)
    known = _known_keys(store, step)
    counts = Imported()
    for row in read_source(str(path), Path(), cure="check the path on the command line"):
        parsed = _parse(row)
        place = f"{path.name}:{row.ordinal + 1}"
        if isinstance(parsed, str):
            counts.faults.append(f"{place}: {parsed}")
            groups: list[_Group] = [_drop(step, place, row, parsed)]
            counts.inputs += 1
        else:
            groups = list(_groups(parsed, path.name, row.ordinal, step, template))
            groups += [_drop(step, f"{place}:{model}", row, "no text under 'solution'") for model in parsed.unusable]
            counts.problems += 1
            counts.inputs += len(groups) - 1
        new = {key: rows for key, rows in groups if key not in known}
        known |= new.keys()
        counts.samples += sum(isinstance(r, SampleRow) for rows in new.values() for r in rows)
        store.append([r for rows in new.values() for r in rows])
    store.fold()
    if counts.problems == 0:
        raise InputError(
            str(path), expected="lines with question, ground_truth and solutions by model",
            received=counts.faults[0] if counts.faults else "no lines", cure="check the file and --format",
        )  # fmt: skip
    return counts


@dataclass(frozen=True)
class _Solved:
    question: str
    answer: str
    reference: str
    solutions: dict[str, dict[str, Any]]
    unusable: tuple[str, ...]


def _parse(row: SourceRow) -> _Solved | str:
    if row.fault:
        return row.fault
    question, truth = row.row.get("question"), row.row.get("ground_truth")
    if not isinstance(question, str) or not isinstance(truth, str) or MARK not in truth:
        return f"no text under 'question', or no {MARK!r} line under 'ground_truth'"
    solutions = {k: v for k, v in row.row.items() if isinstance(v, dict) and isinstance(v.get("solution"), str)}
    if not solutions:
        return "no model with a 'solution'"
    unusable = tuple(k for k, v in row.row.items() if isinstance(v, dict) and k not in solutions)
    return _Solved(question, truth.rsplit(MARK, 1)[1].strip(), truth, solutions, unusable)


def _known_keys(store: Store, step: Step) -> set[str]:
    rows = store.query(
        """
        SELECT request_id FROM requests WHERE run_id = $1 AND step = $2
        UNION ALL SELECT drop_id FROM drops WHERE run_id = $1 AND step = $2
        UNION ALL SELECT problem_id FROM problems
        """,
        [step.run_id, step.name],
    )
    return {str(key) for (key,) in rows}


def _groups(solved: _Solved, source: str, ordinal: int, step: Step, template: Template) -> Iterator[_Group]:
    problem_id = content_id("prb", [solved.question, solved.answer])
    yield problem_id, [ProblemRow(problem_id, source, ordinal, solved.question, solved.answer, solved.reference)]
    messages = canonical_json(list(template.render({"question": solved.question})))
    now = utc_now()
    for model, entry in solved.solutions.items():
        text = entry["solution"]
        request_id = content_id("req", ["import", step.scope, source, model, problem_id, text])
        sample_id = content_id("smp", [request_id, 0])
        request = RequestRow(
            request_id, step.run_id, step.iteration, step.name, problem_id, template.template_id, "import", model, None,
            messages, "{}", 1, canonical_json([text]), 0, 0, 0, None, now, now,
        )  # fmt: skip
        sample = SampleRow(
            sample_id,
            request_id,
            0,
            step.run_id,
            step.iteration,
            step.name,
            problem_id,
            text,
            None,
            None,
            f"{source}:{ordinal + 1}",
        )
        yield request_id, [request, sample, *_recorded(sample_id, entry.get("is_correct"))]


def _recorded(sample_id: str, is_correct: Any) -> list[JournaledRow]:
    """Keep what the file itself says of a solution, beside the verifier's verdict."""
    if not isinstance(is_correct, bool):
        return []
    verdict_id = content_id("vrd", [sample_id, RECORDED_JUDGE])
    return [VerdictRow(verdict_id, sample_id, RECORDED_JUDGE, is_correct, float(is_correct), "recorded", None)]


def _drop(step: Step, place: str, row: SourceRow, reason: str) -> _Group:
    drop_id = content_id("drop", [step.scope, place, row.raw])
    return drop_id, [DropRow(drop_id, step.run_id, step.iteration, step.name, reason, place, None, row.raw)]
