"""Questions that come with flywheel: one file of SQL each, with the question, its parameters and their defaults on top."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

import pyarrow as pa

from ..errors import NotFoundError, QueryError
from ._limits import UNLIMITED, Limits
from ._project import Project
from ._query import Result, Value, run_query

_PARAMETER = re.compile(r"-- \$(\w+) = (.*?): (.+)")
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_DECIMAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d+)?")
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True)
class Parameter:
    """A ``$name`` of a question; its value where none is given, and what it is."""

    name: str
    default: Value
    meaning: str


@dataclass(frozen=True)
class Question:
    """A question and its query."""

    name: str
    text: str
    parameters: tuple[Parameter, ...]
    sql: str


def read_value(text: str) -> Value:
    """Return a parameter's value as it is written: a number, true, false, null; anything else, or '…', is text."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == "'" else text


def list_questions() -> list[Question]:
    """Return all questions, by name."""
    folder = resources.files(__package__) / "questions"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [_parse(f.name.removesuffix(".sql"), f.read_text(encoding="utf-8")) for f in files]


def _parse(name: str, sql: str) -> Question:
    first, *lines = sql.splitlines()
    declared = [m for line in lines if (m := _PARAMETER.fullmatch(line))]
    parameters = tuple(Parameter(m[1], read_value(m[2]), m[3]) for m in declared)
    return Question(name, first.removeprefix("-- "), parameters, sql)


def ask(
    project: Project, name: str, parameters: Mapping[str, Value] | None = None, *, limits: Limits = UNLIMITED
) -> Result:
    """Run the question called ``name`` on a project's store.

    Raises:
        NotFoundError: there is no such question, or no store.
        QueryError: it has no such parameter, or takes more than it may.
        StoreError: the file is damaged.
        StoreLockedError: another program wrote for too long.
    """
    question = _find(name)
    known = {p.name: p.default for p in question.parameters}
    if unknown := sorted(set(parameters or {}) - set(known)):
        raise QueryError(
            f"sql --ask {name}", expected=", ".join("$" + p for p in known) or "no parameter",
            received=", ".join("$" + p for p in unknown), cure="flywheel sql --ask lists the questions with their parameters",
        )  # fmt: skip
    return run_query(project, question.sql, known | dict(parameters or {}), place=f"sql --ask {name}", limits=limits)


def _find(name: str) -> Question:
    questions = {q.name: q for q in list_questions()}
    if name in questions:
        return questions[name]
    near = difflib.get_close_matches(name, questions, n=1, cutoff=0.3)
    raise NotFoundError(
        f"sql --ask {name}", expected="the name of a question", received="a name that none has",
        cure=(f"did you mean {near[0]}? " if near else "") + "flywheel sql --ask lists all",
    )  # fmt: skip


def tabulate_questions() -> Result:
    """Return the names, questions and parameters of all questions, as a result."""
    rows = [
        {
            "name": q.name,
            "question": q.text,
            "parameters": "; ".join(f"{p.name}={_write(p.default)} ({p.meaning})" for p in q.parameters),
        }
        for q in list_questions()
    ]
    return Result(pa.Table.from_pylist(rows), 0.0)


def _write(value: Value) -> str:
    return (
        {None: "null", True: "true", False: "false"}[value]
        if value is None or value is True or value is False
        else f"{value}"
    )
