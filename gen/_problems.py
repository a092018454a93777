"""Problem sets: rows with a known answer, into the store."""

import logging
from pathlib import Path

from ..config import ProblemsConfig
from ..errors import InputError
from ..schema import DropRow, ProblemRow, content_id
from ..store import SourceRow, Store, read_source
from ._plan import Step

log = logging.getLogger(__name__)

MARK = "####"
BATCH = 5000


def parse_gsm8k(row: SourceRow) -> tuple[str, str, str] | str:
    """Return (question, answer, solution) of a GSM8K row, or why it has none."""
    if row.fault:
        return row.fault
    question, solution = row.row.get("question"), row.row.get("answer")
    if not isinstance(question, str) or not question.strip():
        return "no text under 'question'"
    if not isinstance(solution, str) or MARK not in solution:
        return f"no {MARK!r} line under 'answer'"
    return question, solution.rsplit(MARK, 1)[1].strip(), solution


def load_problems(store: Store, config: ProblemsConfig, base: Path, step: Step) -> list[str]:
    """Bring the problems of a recipe into the store; return their ids in the file's order, each once.

    Rows that cannot be used, and rows that are there twice, become drops with their line and text.

    Raises:
        InputError: no row can be used.
        NotFoundError: there is no such file or data set.
    """
    known = {str(i) for (i,) in store.query("SELECT problem_id FROM problems WHERE source = ?", [config.source])}
    dropped = {
        str(i)
        for (i,) in store.query("SELECT drop_id FROM drops WHERE run_id = ? AND step = ?", [step.run_id, step.name])
    }
    ids: dict[str, None] = {}
    batch: list[ProblemRow | DropRow] = []
    faults: list[str] = []
    n_rows = 0
    for row in read_source(config.source, base):
        n_rows += 1
        parsed = parse_gsm8k(row)
        question, answer, solution = parsed if isinstance(parsed, tuple) else ("", "", "")
        problem_id = content_id("prb", [question, answer])
        fault = parsed if isinstance(parsed, str) else "duplicate" if problem_id in ids else None
        if fault:
            faults += [f"{config.source}:{row.ordinal + 1}: {fault}"]
            drop = _drop(config.source, row, fault, step)
            batch += [drop] if drop.drop_id not in dropped else []
            continue
        if problem_id not in known:
            batch.append(ProblemRow(problem_id, config.source, row.ordinal, question, answer, solution))
        ids[problem_id] = None
        if len(batch) >= BATCH:
            store.append(batch)
            batch = []
    store.append(batch)
    store.fold()
    store.fix_plan(step.run_id, step.iteration, step.name, [(config.source, n_rows)])
    _report(config.source, len(ids), faults)
    return list(ids)


def _drop(source: str, row: SourceRow, reason: str, step: Step) -> DropRow:
    place = f"{source}:{row.ordinal + 1}"
    drop_id = content_id("drop", [step.scope, place, row.raw])
    return DropRow(drop_id, step.run_id, step.iteration, step.name, reason, place, None, row.raw)


def _report(source: str, n: int, faults: list[str]) -> None:
    if faults:
        log.warning("%d rows of %s cannot be used and are kept as drops; the first: %s", len(faults), source, faults[0])
    if n == 0:
        raise InputError(
            f"problems {source}",
            expected="rows with 'question' and 'answer', the number behind ####",
            received=faults[0] if faults else "no rows",
            cure="check problems.source and problems.format in the recipe",
        )
