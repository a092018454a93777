"""Alpaca: ``instruction``, ``input``, ``output``; LLaMA-Factory's ``system``, ``history``, ``chosen``, ``rejected``."""

from typing import Any

from ...schema import Message
from ._base import Format
from ._record import DPO, SFT, Answer, BadRow, CannotWrite, Record, Row, name_type, need_text, only_text, say

BETWEEN = "\n\n"
"""What stands between instruction and input in the prompt."""


class Alpaca(Format):
    """The input, when there is one, is the last part of the user's message."""

    name = "alpaca"
    title = "Alpaca: instruction, input, output (or chosen and rejected; system, history)"
    kinds = frozenset({SFT, DPO})

    def fits(self, row: Row) -> float:
        """See :class:`Format`."""
        if "instruction" not in row:
            return 0.0
        if "output" in row:
            return 1.0
        return 0.95 if {"chosen", "rejected"} <= row.keys() else 0.0

    def parse(self, row: Row) -> Record:
        """See :class:`Format`."""
        instruction, given = need_text(row, "instruction"), row.get("input") or ""
        if not isinstance(given, str):
            raise BadRow(f"'input' is {name_type(given)}, expected text")
        prompt = [*_system(row), *_history(row), _user(instruction + BETWEEN + given if given else instruction)]
        preferred = "output" not in row and "chosen" in row
        columns = ("chosen", "rejected") if preferred else ("output",)
        answers = tuple(say(need_text(row, c)) for c in columns)
        shape: Row = {"input_chars": len(given)} if given else {}
        return Record(tuple(prompt), answers, preferred, shape=shape)

    def write(self, record: Record) -> Row:
        """See :class:`Format`."""
        turns = list(record.prompt)
        if record.tools:
            raise CannotWrite("alpaca has no place for tools")
        system = turns.pop(0) if turns and turns[0]["role"] == "system" else None
        texts = only_text(turns, "alpaca")
        if [m["role"] for m in turns] != ["user", "assistant"] * (len(turns) // 2) + ["user"]:
            raise CannotWrite("alpaca wants user and assistant in turn, the user last")
        row: Row = {} if system is None else {"system": only_text([system], "alpaca")[0]}
        row |= _split(texts.pop(), record.shape.get("input_chars", 0)) | _answers(record)
        if texts:
            row["history"] = [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
        return row


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _system(row: Row) -> list[Message]:
    system = row.get("system")
    return [{"role": "system", "content": system}] if isinstance(system, str) and system else []


def _history(row: Row) -> list[Message]:
    history: Any = row.get("history") or []
    if not isinstance(history, list) or not all(
        isinstance(h, list) and len(h) == 2 and all(isinstance(t, str) for t in h) for h in history
    ):
        raise BadRow("'history' is not a list of [question, answer]")
    return [m for ask, reply in history for m in (_user(ask), {"role": "assistant", "content": reply})]


def _split(prompt: str, input_chars: int) -> Row:
    if not input_chars:
        return {"instruction": prompt, "input": ""}
    return {"instruction": prompt[: -input_chars - len(BETWEEN)], "input": prompt[-input_chars:]}


def _answers(record: Record) -> Row:
    columns = ("chosen", "rejected") if record.preferred else ("output",)
    return {c: _only_reply(a) for c, a in zip(columns, record.answers, strict=True)}


def _only_reply(answer: Answer) -> str:
    if len(answer.turns) != 1:
        raise CannotWrite("alpaca wants one message as the completion")
    return only_text(answer.turns, "alpaca")[0]
