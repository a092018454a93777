"""Problem sets: rows with a known answer, into the store."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ..config import ProblemsConfig, ProblemSetConfig, Source
from ..errors import InputError
from ..files import take_images
from ..schema import DropRow, ProblemRow, canonical_json, content_id
from ..store import Parsed, Project, SourceRow, Store, add_distractors, parse_problem, read_set
from ._plan import Pool, Step, share_out

log = logging.getLogger(__name__)

BATCH = 5000


def _parse(row: SourceRow, config: ProblemSetConfig, folder: Path | None, project: Project) -> Parsed | str:
    """Return the parts of a row, its images kept in the project and named in its columns, or why it is no problem."""
    if isinstance(config.format, str) or row.fault:
        return parse_problem(row, config.format)
    found = take_images(row.row, config.format.images, folder, project.media, project.root)
    return found if isinstance(found, str) else parse_problem(replace(row, row=found), config.format)


@dataclass(frozen=True)
class ProblemSet:
    """What a source of problems holds, read once.

    Attributes:
        sources: as the recipe names them, and how many rows each has.
        n_rows: rows read, usable or not.
        problems: usable rows, each problem once, in the source's order.
        faults: the other rows, with their source and the reason.
        pools: ids of the problems that one share of each iteration is taken from, with that share; first those of the sets
            without one.
    """

    sources: tuple[tuple[str, int], ...]
    n_rows: int
    problems: tuple[ProblemRow, ...]
    faults: tuple[tuple[str, SourceRow, str], ...]
    pools: tuple[Pool, ...] = ()

    @property
    def ids(self) -> list[str]:
        """Ids of the problems, in order."""
        return [p.problem_id for p in self.problems]

    @property
    def columns(self) -> set[str]:
        """Names of the columns that the first problem of each source has for its verifier."""
        firsts = {p.source: p for p in reversed(self.problems)}.values()
        return {
            "question",
            "answer",
            "expected",
            *set.intersection(*(set(json.loads(p.fields or "{}")) for p in firsts)),
        }

    @cached_property
    def content_id(self) -> str:
        """Tagged hash of everything read: problems, their order, and the rows that cannot be used."""
        bad = [[row.ordinal, row.raw, fault] for _, row, fault in self.faults]
        return content_id("set", [self.ids, [p.solution for p in self.problems], bad])  # ids hash what fields hold


def read_problems(config: ProblemsConfig, base: Path, project: Project) -> ProblemSet:
    """Read the problems of a recipe; images are kept in the project's folder as they are read.

    Raises:
        InputError: no row can be used.
        NotFoundError: there is no such file or data set.
    """
    problems: dict[str, ProblemRow] = {}
    faults: list[tuple[str, SourceRow, str]] = []
    n_rows: dict[str, int] = {}
    added: list[tuple[float | None, list[str]]] = []
    for one in config.sets:
        known = len(problems)
        bad = _read_set(one, base, project, problems, n_rows)
        _refuse_empty(one, len(problems) - known, bad)
        faults += [(one.source, row, fault) for row, fault in bad]
        added.append((one.share, list(problems)[known:]))
    pools = share_out(added)
    return ProblemSet(tuple(n_rows.items()), sum(n_rows.values()), tuple(problems.values()), tuple(faults), pools)


def _read_set(
    config: ProblemSetConfig, base: Path, project: Project, problems: dict[str, ProblemRow], n_rows: dict[str, int]
) -> list[tuple[SourceRow, str]]:  # fmt: skip
    """Add the problems of one set to those that are known, and its rows to the counts; return the rows that cannot be used."""
    faults: list[tuple[SourceRow, str]] = []
    folder = Source.parse(config.source).folder(base)
    rows = read_set(config, base)
    for row in add_distractors(rows, config.distractors) if config.distractors else rows:
        n_rows[config.source] = n_rows.get(config.source, 0) + 1
        parsed = _parse(row, config, folder, project)
        if isinstance(parsed, str):
            faults.append((row, parsed))
            continue
        question, answer, solution, fields = parsed
        key = [question, answer] if fields is None else [question, answer, fields]
        problem = ProblemRow(content_id("prb", key), config.source, row.ordinal, question, answer, solution, fields)
        if problem.problem_id in problems:
            faults.append((row, "duplicate"))
        else:
            problems[problem.problem_id] = problem
    return faults


@dataclass(frozen=True)
class Repeats:
    """Questions that a set has with several answers.

    Attributes:
        questions: how many.
        rows: of these.
        torn: of these questions, those that have several answers with the same of all that the prompt shows: none of their
            rows can be trusted.
        place: where the first of the rows stands.
    """

    questions: int
    rows: int
    torn: int
    place: str

    def __str__(self) -> str:
        told = f"{self.questions} question{'s' * (self.questions != 1)} with several answers, in {_rows(self.rows)}, the first {self.place}"
        if not self.torn:
            return f"{told}; other columns of the prompt tell them apart"
        return f"{told}; of {self.torn} the prompts are the same: curate.conflicts keeps their rows out of training"


def find_repeats(found: ProblemSet, shown: Sequence[str]) -> Repeats | None:
    """Return the questions with several answers, if there are any; ``shown`` are the columns that the prompt shows besides."""
    asked: dict[str, list[ProblemRow]] = {}
    for problem in found.problems:
        asked.setdefault(" ".join(problem.question.lower().split()), []).append(problem)
    several = [rows for rows in asked.values() if _is_torn(rows, ())]
    if not several:
        return None
    first = several[0][0]
    torn = sum(_is_torn(rows, shown) for rows in several)
    return Repeats(len(several), sum(map(len, several)), torn, f"{first.source}:{first.source_ordinal + 1}")


def _is_torn(rows: Sequence[ProblemRow], shown: Sequence[str]) -> bool:
    """Say whether rows of one question that are alike in these columns have several answers."""
    said: dict[str, set[str]] = {}
    for row in rows:
        fields = json.loads(row.fields or "{}") if shown else {}
        key = canonical_json({name: fields.get(name) for name in shown})
        said.setdefault(key, set()).update([row.answer.strip()] if row.answer.strip() else [])
    return any(len(answers) > 1 for answers in said.values())


def load_problems(store: Store, found: ProblemSet, step: Step, shown: Sequence[str] = ()) -> None:
    """Bring the problems of a run into the store.

    Rows that cannot be used, and rows that are there twice, become drops with their line and text. Questions with several
    answers are told; ``shown`` as of :func:`find_repeats`.
    """
    wanted = [source for source, _ in found.sources]
    known = _ids(
        store, "SELECT problem_id || source FROM problems WHERE source IN (SELECT unnest(?::VARCHAR[]))", wanted
    )
    dropped = _ids(store, "SELECT drop_id FROM drops WHERE run_id = ? AND step = ?", step.run_id, step.name)
    rows: list[ProblemRow | DropRow] = [p for p in found.problems if p.problem_id + p.source not in known]
    rows += [d for d in (_drop(*fault, step) for fault in found.faults) if d.drop_id not in dropped]
    for start in range(0, len(rows), BATCH):
        store.append(rows[start : start + BATCH])
    store.fold()
    members = [
        {"problem_set_id": found.content_id, "ordinal": i, "problem_id": problem_id}
        for i, problem_id in enumerate(found.ids)
    ]
    store.insert("problem_sets", members, key="problem_set_id")
    store.fix_plan(step.run_id, step.iteration, step.name, list(found.sources))
    if found.faults:
        source, row, fault = found.faults[0]
        log.warning(
            "%s of %s cannot be used and are kept as drops; the first: %s", _rows(len(found.faults)), ", ".join(wanted),
            f"{source}:{row.ordinal + 1}: {fault}",
        )  # fmt: skip
    if repeats := find_repeats(found, shown):
        log.warning("problems %s: %s", ", ".join(wanted), repeats)


def _ids(store: Store, query: str, *parameters: object) -> set[str]:
    return {str(i) for (i,) in store.query(query, parameters)}


def _drop(source: str, row: SourceRow, reason: str, step: Step) -> DropRow:
    place = f"{source}:{row.ordinal + 1}"
    drop_id = content_id("drop", [step.scope, place, row.raw])
    return DropRow(drop_id, step.run_id, step.iteration, step.name, reason, place, None, row.raw)


def _rows(n: int) -> str:
    return f"{n} row" if n == 1 else f"{n} rows"


def _refuse_empty(config: ProblemSetConfig, n: int, faults: Sequence[tuple[SourceRow, str]]) -> None:
    """Refuse a set of which no row can be used; one whose rows all stand in a set before it is none of these."""
    if n or any(fault == "duplicate" for _, fault in faults):
        return
    first = f"{config.source}:{faults[0][0].ordinal + 1}: {faults[0][1]}" if faults else "no rows"
    columns = config.format
    named = "" if isinstance(columns, str) else " and ".join(repr(c) for c in (columns.question, columns.answer) if c)
    raise InputError(
        f"problems {config.source}",
        expected=f"rows with {named}" if named else "rows with 'question' and 'answer', the number behind ####",
        received=first,
        cure="check problems.source and problems.format in the recipe",
    )
