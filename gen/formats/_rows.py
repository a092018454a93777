"""A record as rows of the store, and how many of them: one request, its samples, and what the row says of them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from ...files import Line
from ...schema import (
    PROJECT_RUN,
    DropRow,
    JournaledRow,
    PairRow,
    PlanRow,
    ProblemRow,
    RequestRow,
    SampleRow,
    VerdictRow,
    canonical_json,
    content_id,
    utc_now,
)
from ._base import Format
from ._patch import diff_rows
from ._record import Answer, BadRow, CannotWrite, Record, Row

STEP = "import"
ENGINE = "import"
IMPORTED_PAIR = "imported"


def recorded_judge(name: str) -> str:
    """Return the judge under whose name a set's own labels and scores are kept."""
    return f"recorded@{name}"


@dataclass(frozen=True)
class SetRows:
    """Makes the rows of one set.

    Args:
        name: of the set; it stands for the model in ``requests.model``.
        file: name of the file, for ``samples.source``.
        format: what the file is in.
    """

    name: str
    file: str
    format: Format

    def place(self, line: Line) -> str:
        """Return the input id of a line."""
        return f"{self.file}:{line.number}"

    def drop_id(self, line: Line, reason: str) -> str:
        """Return the id of a line that cannot be used."""
        raw = line.raw or (canonical_json(line.row) if line.row is not None else "")
        return content_id("drop", [STEP, self.name, self.place(line), self.format.parser, raw, reason])

    def request_id(self, line: Line) -> str:
        """Return the id of a line: its set, its place and all that stands in it.

        Raises:
            BadRow: it holds what JSON has no place for.
        """
        shape = getattr(self.format, "mapping", None)
        try:
            return content_id("req", [STEP, self.name, self.place(line), self.format.parser, shape, line.row])
        except (ValueError, RecursionError) as error:
            raise BadRow(f"not JSON: {error}") from None

    def drop(self, line: Line, reason: str) -> list[JournaledRow]:
        """Return the group of a line that cannot be used: its reason and its text are on record."""
        place = self.place(line)
        raw = line.raw or (json.dumps(line.row, ensure_ascii=False) if line.row is not None else "")
        drop = DropRow(self.drop_id(line, reason), PROJECT_RUN, 0, STEP, reason, place, None, raw)
        return [self._plan(line), drop]

    def group(self, line: Line, record: Record, request_id: str, *, new_problem: bool) -> list[JournaledRow]:
        """Return everything that one line becomes: a prompt alone is a request without samples, its fields in ``details``."""
        place, now = self.place(line), utc_now()
        texts = [a.text for a in record.answers]
        problem = self._problem(line, record)
        kept = self._kept(line, record)
        details = None if record.answers else _as_json(self._fields(record, Answer(()), kept))
        request = RequestRow(
            request_id, PROJECT_RUN, 0, STEP, place, None, ENGINE, self.name, None, _as_json(list(record.prompt)),
            "{}", len(texts), _as_json(texts), 0, 0, 0, None, now, now, None, details,
        )  # fmt: skip
        samples = [
            SampleRow(
                content_id("smp", [request_id, i]), request_id, i, PROJECT_RUN, 0, STEP,
                problem.problem_id if problem else None, texts[i], None, None, place, now, place, i, None,
                _as_json(self._fields(record, answer, kept if i == 0 else {})), self.format.parser,
            )
            for i, answer in enumerate(record.answers)
        ]  # fmt: skip
        rows: list[JournaledRow] = [self._plan(line), request, *samples]
        rows += [problem] if problem and new_problem else []
        for sample, answer in zip(samples, record.answers, strict=True):
            rows += self._verdict(sample, answer)
        return rows + (list(self._pair(samples, now)) if record.preferred else [])

    def problem_id(self, record: Record) -> str | None:
        """Return the id of the record's problem, if it is one."""
        problem = record.problem
        return content_id("prb", [problem.question, problem.answer]) if problem else None

    def _plan(self, line: Line) -> PlanRow:
        return PlanRow(PROJECT_RUN, 0, STEP, line.number, self.place(line), 1)

    def _kept(self, line: Line, record: Record) -> Row:
        """Return what the first sample carries so that the same format writes the very row again."""
        row: Row = line.row or {}
        try:
            return diff_rows(row, self.format.write(record))
        except CannotWrite:
            return {"spelling": row}

    def _fields(self, record: Record, answer: Answer, kept: Row) -> Row:
        fields: Row = {"format": self.format.name}
        if answer.turns and not answer.is_plain:
            fields |= {"message": answer.message} if len(answer.turns) == 1 else {"turns": list(answer.turns)}
        if record.tools is not None:
            fields["tools"] = record.tools
        if record.shape:
            fields["shape"] = record.shape
        if answer.extra or answer.model:
            fields["answer"] = {"extra": answer.extra, "model": answer.model}
        return fields | kept

    def _problem(self, line: Line, record: Record) -> ProblemRow | None:
        problem_id, problem = self.problem_id(record), record.problem
        if problem_id is None or problem is None:
            return None
        return ProblemRow(problem_id, self.name, line.number - 1, problem.question, problem.answer, problem.solution)

    def _verdict(self, sample: SampleRow, answer: Answer) -> list[JournaledRow]:
        if answer.passed is None and answer.score is None:
            return []
        judge = recorded_judge(self.name)
        verdict_id = content_id("vrd", [sample.sample_id, judge])
        return [VerdictRow(verdict_id, sample.sample_id, judge, answer.passed, answer.score, "recorded", None)]

    def _pair(self, samples: list[SampleRow], now: str) -> Iterator[JournaledRow]:
        chosen, rejected = (s.sample_id for s in samples)
        pair_id = content_id("pair", [chosen, rejected])
        problem_id = samples[0].problem_id
        yield PairRow(pair_id, PROJECT_RUN, 0, problem_id, chosen, rejected, IMPORTED_PAIR, now)


_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Serialises with the keys in their own order, which a text of JSON inside a row depends on."""
