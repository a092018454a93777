"""ShareGPT: ``conversations`` of ``from`` and ``value``, with LLaMA-Factory's ``system``, ``tools``, ``chosen``, ``rejected``."""

import json
from typing import Any

from ...schema import Message
from ._base import Format
from ._messages import functions_of, need_tools, split_conversation
from ._record import DPO, KTO, PROMPT, SFT, Answer, BadRow, CannotWrite, Record, Row, loads_if_text, name_type, text_of

ROLE_OF = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
    "bing": "assistant", "bard": "assistant", "model": "assistant", "system": "system", "function_call": "assistant",
    "observation": "tool", "tool": "tool",
}  # fmt: skip
SPEAKER_OF = {"user": "human", "assistant": "gpt", "system": "system", "tool": "observation", "developer": "system"}


class ShareGPT(Format):
    """A function call is an assistant's message with tool calls; an observation is a tool's message."""

    name = "sharegpt"
    title = "ShareGPT: conversations of from and value (chosen and rejected, or a label, beside them; system, tools)"
    kinds = frozenset({SFT, DPO, KTO, PROMPT})

    def fits(self, row: Row) -> float:
        """See :class:`Format`."""
        turns = row.get("conversations", row.get("conversation"))
        if not isinstance(turns, list) or not turns:
            return 0.0
        return 1.0 if all(isinstance(t, dict) and {"from", "value"} <= t.keys() for t in turns) else 0.0

    def parse(self, row: Row) -> Record:
        """See :class:`Format`."""
        column = "conversation" if "conversation" in row and "conversations" not in row else "conversations"
        if column not in row:
            raise BadRow(f"no column {column!r}")
        turns = [_read(t, f"{column}[{i}]") for i, t in enumerate(_need_list(row.get(column), column))]
        tools, shape = _tools_in(need_tools(row)), {}
        if isinstance(row.get("system"), str) and row["system"]:
            turns.insert(0, {"role": "system", "content": row["system"]})
            shape = {"system": True}
        if "chosen" in row:
            answers = tuple(Answer((_read_reply(row, c),)) for c in ("chosen", "rejected"))
            return Record(tuple(turns), answers, True, tools, shape=shape)
        prompt, given = split_conversation(turns)
        label = row.get("label", row.get("kto_tag"))
        if isinstance(label, bool):
            given = tuple(Answer(a.turns, passed=label) for a in given)
        return Record(prompt, given, tools=tools, shape=shape)

    def write(self, record: Record) -> Row:
        """See :class:`Format`."""
        turns, row = list(record.prompt), {}
        if record.shape.get("system") and turns and turns[0]["role"] == "system":
            row["system"] = turns.pop(0)["content"]
        if not record.preferred:
            turns += record.turns
        row["conversations"] = [_spell(m) for m in turns]
        if record.preferred:
            row |= {c: _spell_reply(a) for c, a in zip(("chosen", "rejected"), record.answers, strict=True)}
        elif record.label is not None:
            row["label"] = record.label
        if record.tools is not None:
            row["tools"] = json.dumps([t.get("function", t) for t in record.tools], ensure_ascii=False)
        return row


def _need_list(value: Any, column: str) -> list[Any]:
    value = loads_if_text(value, column)
    if not isinstance(value, list):
        raise BadRow(f"{column!r} is {name_type(value)}, expected a list of turns")
    return value


def _read(turn: Any, place: str) -> Message:
    if not isinstance(turn, dict) or not isinstance(turn.get("value"), str):
        raise BadRow(f"{place} has no text under 'value'")
    speaker, value = turn.get("from"), turn["value"]
    if not isinstance(speaker, str) or speaker not in ROLE_OF:
        raise BadRow(f"{place}.from is {speaker!r}, expected one of {', '.join(ROLE_OF)}")
    if speaker == "function_call":
        return {"role": "assistant", "tool_calls": _calls_in(value, place)}
    return {"role": ROLE_OF[speaker], "content": value}


def _read_reply(row: Row, column: str) -> Message:
    value = row.get(column)
    message = _read(value if isinstance(value, dict) else {"from": "gpt", "value": value}, column)
    if message["role"] != "assistant":
        raise BadRow(f"{column!r} is not said by the assistant")
    return message


def _calls_in(value: str, place: str) -> list[Row]:
    calls = loads_if_text(value, f"{place}.value")
    calls = calls if isinstance(calls, list) else [calls]
    if not calls or not all(isinstance(c, dict) and isinstance(c.get("name"), str) for c in calls):
        raise BadRow(f"{place} is no function call: expected an object with name and arguments")
    return [{"type": "function", "function": {"name": c["name"], "arguments": _as_text(c)}} for c in calls]


def _as_text(call: Row) -> str:
    arguments = call.get("arguments", {})
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _tools_in(tools: list[Any] | None) -> list[Any] | None:
    if tools is None:
        return None
    return [t if isinstance(t, dict) and "function" in t else {"type": "function", "function": t} for t in tools]


def _spell(message: Message) -> Row:
    content, calls = message.get("content"), message.get("tool_calls")
    if calls:
        if content:
            raise CannotWrite("sharegpt has no place for text beside a function call")
        spelled = functions_of(message, "sharegpt")
        return {
            "from": "function_call",
            "value": json.dumps(spelled[0] if len(spelled) == 1 else spelled, ensure_ascii=False),
        }
    if isinstance(content, list) and any(p.get("type") != "text" for p in content):
        raise CannotWrite("sharegpt has no place for images or other parts")
    speaker = SPEAKER_OF.get(message["role"])
    if speaker is None:
        raise CannotWrite(f"sharegpt has no speaker {message['role']!r}")
    return {"from": speaker, "value": text_of(content)}


def _spell_reply(answer: Answer) -> Row:
    if len(answer.turns) != 1:
        raise CannotWrite("sharegpt wants one message as chosen and as rejected")
    return _spell(answer.turns[0])
