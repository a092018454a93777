"""Rows of problems: joined from where a set says, and read as question, reference and columns. One reading for training and suites."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from ..config import ColumnsConfig, JoinConfig, ProblemSetConfig
from ..errors import InputError
from ..schema import ABSENT, canonical_json, read_path
from ._sources import SourceRow, read_source

MARK = "####"

Parsed = tuple[str, str, str | None, str | None]
"""Question, answer, solution, and the row's columns as JSON."""


def read_set(config: ProblemSetConfig, base: Path) -> Iterator[SourceRow]:
    """Yield the rows of a set, each with the columns that are joined to it and the defaults of those that it lacks.

    Raises:
        NotFoundError: there is no such file or data set.
        InputError: a file cannot be read, or two rows of what is joined have one value.
    """
    partners = {} if config.join is None else _read_partners(config.join, base)
    for row in read_source(config.source, base):
        if row.fault:
            yield row
            continue
        value = ABSENT if config.join is None else read_path(row.row, config.join.by)
        partner = {} if value is ABSENT else partners.get(canonical_json(value), {})
        yield SourceRow(row.ordinal, {**config.defaults, **partner, **row.row}, row.raw)


def _read_partners(config: JoinConfig, base: Path) -> dict[str, dict[str, Any]]:
    """Return the rows that are joined, by their value; those without one, and lines that cannot be read, have no partner."""
    found: dict[str, dict[str, Any]] = {}
    for row in read_source(config.source, base):
        value = read_path(row.row, config.by)
        if value is ABSENT:
            continue
        if found.setdefault(key := canonical_json(value), row.row) is not row.row:
            raise InputError(
                f"{config.source}:{row.ordinal + 1}", expected=f"each value of {config.by!r} once", received=f"{key} again",
                cure="remove one of the two rows, or join by another column",
            )  # fmt: skip
    return found


def parse_problem(row: SourceRow, form: ColumnsConfig | Literal["gsm8k"]) -> Parsed | str:
    """Return the parts of a row, or why it is no problem."""
    if row.fault:
        return row.fault
    if not isinstance(form, str):
        return _parse_columns(row, form)
    found = _parse_gsm8k(row)
    return found if isinstance(found, str) else (*found, None)


def _parse_gsm8k(row: SourceRow) -> tuple[str, str, str] | str:
    """Return (question, answer, solution) of a GSM8K row, or why it has none."""
    question, solution = row.row.get("question"), row.row.get("answer")
    if not isinstance(question, str) or not question.strip():
        return "no text under 'question'"
    if not isinstance(solution, str) or MARK not in solution:
        return f"no {MARK!r} line under 'answer'"
    return question, solution.rsplit(MARK, 1)[1].strip(), solution


def _parse_columns(row: SourceRow, columns: ColumnsConfig) -> Parsed | str:
    """Return the parts of a row by the names of its columns, or why it has none.

    The reference may be of any type: one that is no text is kept beside its JSON as ``expected``.
    """
    question = read_path(row.row, columns.question)
    if not isinstance(question, str) or not question.strip():
        return f"no text under {columns.question!r}"
    answer: Any = "" if columns.answer is None else read_path(row.row, columns.answer)
    if columns.answer is not None and (answer is ABSENT or answer in (None, "")):
        return f"nothing under {columns.answer!r}"
    solution = read_path(row.row, columns.solution) if columns.solution else None
    named = {name: read_path(row.row, place) for name, place in columns.columns.items()}
    if missing := [place for name, place in columns.columns.items() if named[name] is ABSENT]:
        return f"nothing under {missing[0]!r}"
    fields = {**row.row, **named} if isinstance(answer, str) else {**row.row, **named, "expected": answer}
    if not isinstance(fields.get("question", ""), str):  # a chat, of which the question is a place
        fields["question"] = question
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    return (
        question,
        text,
        solution if isinstance(solution, str) else None,
        json.dumps(fields, ensure_ascii=False, sort_keys=True, default=str),
    )
