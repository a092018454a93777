"""Any table: the user says which column is what (``--map prompt=question --map completion=answer``).

A column may be a sum (``prompt=context+question``) or a place inside objects and lists (``completion=result.0.text``).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...errors import InputError
from ...files import as_text, has_place, read_place, split_place
from ...schema import Message
from ._base import Format
from ._messages import need_prompt, need_tools, split_conversation
from ._record import (
    DPO,
    KTO,
    PROBLEM,
    PROMPT,
    SCORED,
    SFT,
    Answer,
    BadRow,
    CannotWrite,
    Problem,
    Record,
    Row,
    name_type,
    text_of,
)
from ._sharegpt import ROLE_OF
from ._trl import need_label

TARGETS = (
    "prompt", "system", "completion", "chosen", "rejected", "label", "score", "model", "messages", "tools", "question",
    "answer", "solution",
)  # fmt: skip
_TEXTS = {"question", "answer", "solution", "system", "chosen", "rejected"}
"""Targets that hold nothing but text."""
OPTIONAL = {"system", "tools", "model", "solution"}
"""Targets whose column a row may lack."""
_SHAPES: tuple[tuple[set[str], set[str]], ...] = (
    ({"messages"}, {"system", "label", "score", "model", "tools"}),
    ({"question", "answer"}, {"system", "completion", "solution"}),
    ({"chosen", "rejected"}, {"system", "prompt", "question", "tools"}),
    ({"completion"}, {"system", "prompt", "question", "label", "score", "model", "tools"}),
    (set(), {"system", "prompt", "question", "tools"}),
)
"""What a map with the first targets makes rows of besides: the first shape that it has all targets of is the row's."""
_JUDGED = "completion or messages beside it, whose verdict it is"
_BESIDE = {
    "label": _JUDGED, "score": _JUDGED, "model": "completion or messages beside it, which it wrote",
    "answer": "question beside it, whose answer it is", "solution": "question and answer beside it",
}  # fmt: skip
ENOUGH = ({"completion"}, {"chosen", "rejected"}, {"messages"}, {"question"}, {"prompt"})


def parse_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """Return {target: column} of ``target=column`` texts.

    Raises:
        InputError: a pair has no ``=``, a target is unknown or twice, or the targets do not make a row.
    """
    mapping: dict[str, str] = {}
    for pair in pairs:
        target, equals, column = pair.partition("=")
        if not equals or target not in TARGETS or not column or target in mapping:
            raise InputError(
                f"--map {pair}", expected=f"target=column, each target once; targets: {', '.join(TARGETS)}",
                received="a target that is given twice" if target in mapping else repr(pair),
                cure="for example: --map prompt=question --map completion=answer",
            )  # fmt: skip
        mapping[target] = column
    if not any(enough <= mapping.keys() for enough in ENOUGH):
        raise InputError(
            "--map", expected="prompt, question, completion, messages, or chosen and rejected",
            received=", ".join(mapping) or "nothing", cure="name the column of each: --map completion=answer",
        )  # fmt: skip
    return mapping


def check_all_read(mapping: Mapping[str, str]) -> None:
    """See that rows are made of every target of a map; one that is left out would be lost without a word.

    Raises:
        InputError: there is one that means nothing beside the others.
    """
    needed, more = next(shape for shape in _SHAPES if shape[0] <= mapping.keys())
    read = needed | (more - {"question"} if "prompt" in mapping else more)
    for target in [t for t in mapping if t not in read]:
        raise InputError(
            f"--map {target}={mapping[target]}",
            expected=_BESIDE.get(target) or f"one of {target} and {' with '.join(sorted(needed or {'prompt'}))}",
            received=", ".join(f"{t}={c}" for t, c in mapping.items() if t != target),
            cure=f"mend the map, or leave {target} out: a column that is not mapped stays with the row under its own name",
        )  # fmt: skip


class Columns(Format):
    """A format made of a mapping. Lists under ``completion`` (and ``label``, ``score``) are several answers."""

    name = "columns"
    title = "any columns, as --map says"
    kinds = frozenset({SFT, DPO, KTO, SCORED, PROBLEM, PROMPT})

    def __init__(self, mapping: Mapping[str, str] | None = None) -> None:
        self.mapping = dict(mapping or {})

    def fits(self, row: Row) -> float:
        """See :class:`Format`."""
        needed = [c for column in self.mapping.values() for c in split_place(row, column)]
        return float(bool(needed) and all(has_place(row, c) for c in needed))

    def parse(self, row: Row) -> Record:
        """See :class:`Format`."""
        needed = {t: split_place(row, column) for t, column in self.mapping.items()}
        missing = {t: c for t, columns in needed.items() for c in columns if not has_place(row, c)}
        if missing.keys() - OPTIONAL:
            raise BadRow(f"no column {next(c for t, c in missing.items() if t not in OPTIONAL)!r}")
        given = {t: read_place(row, column) for t, column in self.mapping.items() if t not in missing}
        for target in _TEXTS & given.keys():
            if isinstance(given[target], dict | list):
                raise BadRow(_name_place(given[target], self.mapping[target], target))
        if isinstance(given.get("completion"), dict):  # a list would be several answers
            raise BadRow(_name_place(given["completion"], self.mapping["completion"], "completion"))
        shape: Row = {"map": self.mapping}
        if "messages" in given:
            prompt, said = split_conversation(_turns(given["messages"]))
            answers = tuple(_judged(a, given) for a in said)
            return Record((*_system(given), *prompt), answers, tools=need_tools(given), shape=shape)
        if {"question", "answer"} <= given.keys():
            return _problem(given, shape)
        prompt = (*_system(given), *_user(given))
        if "chosen" in given:
            answers = tuple(_say(given, c) for c in ("chosen", "rejected"))
            return Record(prompt, answers, True, need_tools(given), shape=shape)
        if "completion" not in given:
            return Record(need_prompt(prompt, self._asks_by), (), tools=need_tools(given), shape=shape)
        return Record(prompt, _completions(given), tools=need_tools(given), shape=shape)

    @property
    def _asks_by(self) -> str:
        return self.mapping.get("prompt") or self.mapping["question"]

    def write(self, record: Record) -> Row:
        """See :class:`Format`."""
        mapping = self.mapping or record.shape.get("map") or {}
        if not mapping:
            raise CannotWrite("the format columns wants --map for rows that came without one")
        row: Row = {}
        for target, column in mapping.items():
            value = _WRITERS[target](record)
            if value is not None:
                row[column.split("+")[0]] = value
        return row


def _name_place(value: Any, column: str, target: str) -> str:
    """Return the reason of a row that has a list or object where text belongs, with a place in it that may be meant."""
    place, inner = column, value
    while isinstance(inner, dict | list) and inner:
        key = next((k for k in (target, "output", "text", "content", "value") if k in inner), None)
        key = (key or next(iter(inner))) if isinstance(inner, dict) else "0"
        place, inner = f"{place}.{key}", inner[key] if isinstance(inner, dict) else inner[0]
    return f"{column!r} is {name_type(value)}, expected text; a place in it can be named: --map {target}={place}"


def _say(given: Row, target: str) -> Answer:
    return Answer(({"role": "assistant", "content": as_text(given[target], target)},))


def _system(given: Row) -> list[Message]:
    system = given.get("system")
    return [{"role": "system", "content": as_text(system, "system")}] if system else []


def _user(given: Row) -> list[Message]:
    prompt = given.get("prompt", given.get("question"))
    if isinstance(prompt, list):
        return _turns(prompt)
    return [] if prompt is None else [{"role": "user", "content": as_text(prompt, "prompt")}]


def _turns(value: Any) -> list[Message]:
    """Return a dialogue as messages; without names of speakers, user and assistant take turns, the user first."""
    if not isinstance(value, list) or not value:
        raise BadRow("'messages' is no list of turns")
    return [_turn(turn, i) for i, turn in enumerate(value)]


def _turn(turn: Any, i: int) -> Message:
    by_turn = ("user", "assistant")[i % 2]
    if isinstance(turn, str):
        return {"role": by_turn, "content": turn}
    if not isinstance(turn, dict):
        raise BadRow(f"turn {i} is {name_type(turn)}, expected text or an object")
    said = next((turn[k] for k in ("content", "value", "text", "utterance") if isinstance(turn.get(k), str)), None)
    if said is None:
        raise BadRow(f"turn {i} has no text under content, value, text or utterance")
    who = next((turn[k] for k in ("role", "from", "speaker") if isinstance(turn.get(k), str)), None)
    return {"role": by_turn if who is None else ROLE_OF.get(who.lower(), by_turn), "content": said}


def _problem(given: Row, shape: Row) -> Record:
    question, answer = as_text(given["question"], "question"), as_text(given["answer"], "answer")
    solution = as_text(given["solution"], "solution") if given.get("solution") is not None else None
    said = as_text(given["completion"], "completion") if "completion" in given else solution or answer
    prompt = (*_system(given), {"role": "user", "content": question})
    reply = Answer(({"role": "assistant", "content": said},))
    return Record(prompt, (reply,), problem=Problem(question, answer, solution), shape=shape)


def _completions(given: Row) -> tuple[Answer, ...]:
    texts = given["completion"]
    if not isinstance(texts, list):
        return (_judged(_say(given, "completion"), given),)
    n = len(texts)
    lists = {t: given[t] for t in ("label", "score", "model") if isinstance(given.get(t), list)}
    if n == 0 or any(len(v) != n for v in lists.values()):
        raise BadRow(
            f"lists of unequal length: completion {n}, " + ", ".join(f"{t} {len(v)}" for t, v in lists.items())
        )
    alone = [{**given, "completion": text, **{t: v[i] for t, v in lists.items()}} for i, text in enumerate(texts)]
    return tuple(_judged(_say(one, "completion"), one) for one in alone)


def _judged(answer: Answer, given: Row) -> Answer:
    passed = need_label(given, "label") if given.get("label") is not None else None
    model = given.get("model")
    try:
        score = float(given["score"]) if given.get("score") is not None else None
    except (TypeError, ValueError):
        raise BadRow(f"'score' is {given['score']!r}, expected a number") from None
    return Answer(answer.turns, passed, score, model if isinstance(model, str) else None)


def _first(record: Record, role: str) -> str | None:
    return next((text_of(m.get("content")) for m in record.prompt if m["role"] == role), None)


def _last_user(record: Record) -> str | None:
    asked = [m for m in record.prompt if m["role"] == "user"]
    return text_of(asked[-1].get("content")) if asked else None


def _each(read: Callable[[Answer], Any]) -> Callable[[Record], Any]:
    def write(record: Record) -> Any:
        values = [read(a) for a in record.answers]
        return values[0] if len(values) == 1 else None if all(v is None for v in values) else values

    return write


_WRITERS: dict[str, Callable[[Record], Any]] = {
    "prompt": _last_user,
    "system": lambda r: _first(r, "system"),
    "completion": _each(lambda a: a.text),
    "chosen": lambda r: r.answers[0].text if r.preferred else None,
    "rejected": lambda r: r.answers[1].text if r.preferred else None,
    "label": _each(lambda a: a.passed),
    "score": _each(lambda a: a.score),
    "model": _each(lambda a: a.model),
    "messages": lambda r: [*r.prompt, *(r.turns if len(r.answers) == 1 else ())],
    "tools": lambda r: r.tools,
    "question": lambda r: r.problem.question if r.problem else _last_user(r),
    "answer": lambda r: r.problem.answer if r.problem else _each(lambda a: a.text)(r),
    "solution": lambda r: r.problem.solution if r.problem else None,
}
