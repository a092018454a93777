"""LLaMA-Factory's v1 rows: messages whose content is a list of ``{type, value}``, with a ``loss_weight`` each."""

import json
from typing import Any

from ...schema import Message
from ._base import Format
from ._messages import are_messages, functions_of, need_messages, split_conversation
from ._record import DPO, PROMPT, SFT, Answer, BadRow, Record, Row

PREFERENCE = ("chosen_messages", "rejected_messages")


class LlamaFactoryV1(Format):
    """``messages``, or ``chosen_messages`` and ``rejected_messages`` whose common beginning is the prompt."""

    name = "llamafactory-v1"
    title = "LLaMA-Factory v1: (chosen_ and rejected_)messages with content as a list of type and value"
    kinds = frozenset({SFT, DPO, PROMPT})

    def fits(self, row: Row) -> float:
        """See :class:`Format`."""
        columns = [c for c in ("messages", *PREFERENCE) if c in row]
        if not columns or not all(are_messages(row[c]) for c in columns):
            return 0.0
        return float(all(_is_v1(m) for c in columns for m in row[c]) and ("messages" in row or len(columns) == 2))

    def parse(self, row: Row) -> Record:
        """See :class:`Format`."""
        if "messages" in row:
            return Record(*split_conversation(_read(row["messages"], "messages")))
        chosen, rejected = (_read(row.get(c), c) for c in PREFERENCE)
        n = 0
        while n < min(len(chosen), len(rejected)) - 1 and chosen[n] == rejected[n]:
            n += 1
        return Record(tuple(chosen[:n]), (Answer(tuple(chosen[n:])), Answer(tuple(rejected[n:]))), True)

    def write(self, record: Record) -> Row:
        """See :class:`Format`."""
        columns = PREFERENCE if record.preferred else ("messages",)
        said = [a.turns for a in record.answers] or [()]
        return {
            c: [*(_spell(m, 0.0) for m in record.prompt), *(_spell(m, 1.0) for m in turns)]
            for c, turns in zip(columns, said, strict=True)
        }


def _is_v1(message: Row) -> bool:
    content = message.get("content")
    return isinstance(content, list) and all(isinstance(p, dict) and {"type", "value"} <= p.keys() for p in content)


def _read(value: Any, column: str) -> list[Message]:
    messages = need_messages(value, column)
    return [_message(m, f"{column}[{i}]") for i, m in enumerate(messages)]


def _message(message: Message, place: str) -> Message:
    if not _is_v1(message):
        raise BadRow(f"{place}.content is no list of type and value")
    parts = message["content"]
    calls = [_call(p["value"], place) for p in parts if p["type"] == "tool_call"]
    texts = [str(p["value"]) for p in parts if p["type"] in ("text", "reasoning")]
    if len(texts) + len(calls) != len(parts):
        raise BadRow(f"{place} holds a part of type {next(p['type'] for p in parts if p['type'] != 'text')!r}")
    spoken: Message = {"role": message["role"], "content": "\n".join(texts)}
    return spoken | {"tool_calls": calls} if calls else spoken


def _call(value: Any, place: str) -> Row:
    try:
        call = json.loads(value) if isinstance(value, str) else value
        return {"type": "function", "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])}}
    except (ValueError, KeyError, TypeError):
        raise BadRow(f"{place} is no tool call: expected an object with name and arguments") from None


def _spell(message: Message, loss_weight: float) -> Row:
    content = message.get("content") or []
    parts = [{"type": "text", "value": content}] if isinstance(content, str) else [_part(p) for p in content]
    called = functions_of(message, "llamafactory-v1") if message.get("tool_calls") else []
    parts += [{"type": "tool_call", "value": json.dumps(f, ensure_ascii=False)} for f in called]
    return {"role": message["role"], "content": parts, "loss_weight": loss_weight}


def _part(part: Any) -> Row:
    return {"type": part.get("type"), "value": part.get("text", part.get("image_url"))}
