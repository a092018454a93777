"""OpenAI's fine-tuning rows, and TRL's ``messages``, which differ only in how tool calls spell their arguments."""

from typing import Any

from ...schema import Message
from ._base import Format
from ._messages import are_messages, arguments_as_objects, need_messages, need_tools, split_conversation
from ._record import DPO, KTO, PROMPT, SFT, Answer, BadRow, Record, Row, name_type


class OpenAI(Format):
    """``messages`` with ``tools`` and (parallel) ``tool_calls``; images are parts of a message's content."""

    name = "openai"
    title = "OpenAI chat: messages of role and content (tools, tool_calls, images as parts; a label beside them)"
    kinds = frozenset({SFT, KTO, PROMPT})

    def fits(self, row: Row) -> float:
        """See :class:`Format`."""
        if not are_messages(row.get("messages")) or _has_foreign_parts(row):
            return 0.0
        return 0.7 if "chosen" in row else 0.9 if _has_object_arguments(row) else 1.0

    def parse(self, row: Row) -> Record:
        """See :class:`Format`."""
        prompt, answers = split_conversation(need_messages(row.get("messages"), "messages"))
        label = row.get("label")
        if isinstance(label, bool):
            answers = tuple(Answer(a.turns, passed=label) for a in answers)
        return Record(prompt, answers, tools=need_tools(row))

    def write(self, record: Record) -> Row:
        """See :class:`Format`."""
        row: Row = {"messages": [*record.prompt, *record.turns]}
        if record.tools is not None:
            row["tools"] = record.tools
        return row if record.label is None else row | {"label": record.label}


class TRLMessages(OpenAI):
    """The same, with the arguments of tool calls as objects, as chat templates want them."""

    name = "trl-messages"
    title = "TRL messages: as OpenAI chat, but with the arguments of tool calls as objects"

    def fits(self, row: Row) -> float:
        """See :class:`Format`."""
        return 1.0 if are_messages(row.get("messages")) and _has_object_arguments(row) else 0.0

    def write(self, record: Record) -> Row:
        """See :class:`Format`."""
        row = super().write(record)
        return row | {"messages": [arguments_as_objects(m) for m in row["messages"]]}


class OpenAIDPO(Format):
    """``input`` with messages and tools, ``preferred_output``, ``non_preferred_output``."""

    name = "openai-dpo"
    title = "OpenAI DPO: input, preferred_output, non_preferred_output"
    kinds = frozenset({DPO})

    def fits(self, row: Row) -> float:
        """See :class:`Format`."""
        return float({"input", "preferred_output", "non_preferred_output"} <= row.keys())

    def parse(self, row: Row) -> Record:
        """See :class:`Format`."""
        given = row.get("input")
        if not isinstance(given, dict):
            raise BadRow(f"'input' is {name_type(given)}, expected an object with messages")
        answers = tuple(_output(row, c) for c in ("preferred_output", "non_preferred_output"))
        return Record(tuple(need_messages(given.get("messages"), "input.messages")), answers, True, need_tools(given))

    def write(self, record: Record) -> Row:
        """See :class:`Format`."""
        given: Row = {"messages": list(record.prompt)}
        if record.tools is not None:
            given["tools"] = record.tools
        chosen, rejected = record.answers
        return {
            "input": given,
            "preferred_output": list(chosen.turns),
            "non_preferred_output": list(rejected.turns),
        }


def _output(row: Row, column: str) -> Answer:
    messages = need_messages(row.get(column), column)
    if not any(m["role"] == "assistant" for m in messages):
        raise BadRow(f"{column!r} has no message of the assistant")
    return Answer(tuple(messages))


def _has_foreign_parts(row: Row) -> bool:
    """Say whether a part keeps its text under ``value``, as LLaMA-Factory's v1 rows do."""
    contents = [m.get("content") for m in row["messages"]]
    return any(isinstance(p, dict) and "value" in p for c in contents if isinstance(c, list) for p in c)


def _has_object_arguments(row: Row) -> bool:
    messages: list[Message] = row["messages"]
    called = [m["tool_calls"] for m in messages if isinstance(m.get("tool_calls"), list)]
    functions: list[Any] = [c.get("function") for calls in called for c in calls if isinstance(c, dict)]
    return any(isinstance(f, dict) and isinstance(f.get("arguments"), dict) for f in functions)
