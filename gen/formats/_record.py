"""One row of a data set, whatever its format: what every format parses to and writes from.

Messages are in OpenAI's shape: ``role`` and ``content``; an assistant's ``tool_calls`` carry their arguments as a JSON
string; ``content`` is a text, a list of parts, or missing beside tool calls.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...files import BadRow as BadRow
from ...files import Row as Row
from ...files import name_type as name_type
from ...schema import Message, canonical_json

SFT, DPO, KTO, SCORED, PROBLEM, PROMPT = "sft", "dpo", "kto", "scored", "problem", "prompt"

KIND_NAMES = {
    SFT: "prompt with one completion",
    DPO: "chosen over rejected",
    KTO: "completion with a yes or no",
    SCORED: "several completions, scored",
    PROBLEM: "question with a known answer",
    PROMPT: "prompt without a completion",
}


class CannotWrite(ValueError):
    """A record that a format has no place for; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One completion: the assistant's message, with further turns when the completion has more than one."""

    turns: tuple[Message, ...]
    passed: bool | None = None
    score: float | None = None
    model: str | None = None
    extra: Row = field(default_factory=dict)

    @property
    def message(self) -> Message:
        """The last message of the assistant."""
        spoken = [m for m in self.turns if m.get("role") == "assistant"]
        return spoken[-1] if spoken else self.turns[-1]

    @property
    def text(self) -> str:
        """The text of :attr:`message`, or its refusal; of a message without text, its tool calls as JSON."""
        message = self.message
        said = text_of(message.get("content")) or text_of(message.get("refusal"))
        calls = message.get("tool_calls")
        return canonical_json([c.get("function", c) for c in calls]) if calls and not said else said

    @property
    def is_plain(self) -> bool:
        """Whether :attr:`text` alone says everything."""
        return self.turns == ({"role": "assistant", "content": self.text},)


def say(text: str) -> Answer:
    """Return the answer that is just ``text``."""
    return Answer(({"role": "assistant", "content": text},))


@dataclass(frozen=True, slots=True)
class Problem:
    """A question with its known answer, and the solution that ends in it."""

    question: str
    answer: str
    solution: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """One row: a prompt and what was answered: nothing yet, in sets of prompts alone.

    ``preferred``: the first answer is chosen over the second. ``shape`` holds what the messages do not say and the same
    format needs to write the row again, such as where Alpaca's input begins.
    """

    prompt: tuple[Message, ...]
    answers: tuple[Answer, ...]
    preferred: bool = False
    tools: list[Any] | None = None
    problem: Problem | None = None
    shape: Row = field(default_factory=dict)

    @property
    def turns(self) -> tuple[Message, ...]:
        """The messages of the one answer; none where there is none."""
        return self.answers[0].turns if self.answers else ()

    @property
    def label(self) -> bool | None:
        """What is on record of the one answer."""
        return self.answers[0].passed if self.answers else None

    @property
    def kind(self) -> str:
        """What the row can teach: one of :data:`KIND_NAMES`."""
        if self.problem is not None:
            return PROBLEM
        if self.preferred:
            return DPO
        if not self.answers:
            return PROMPT
        if len(self.answers) > 1 or self.answers[0].score is not None:
            return SCORED
        return SFT if self.answers[0].passed is None else KTO


def text_of(content: Any) -> str:
    """Return the text of a message's content: itself, or its text parts one below the other."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(p.get("text", "")) for p in content if isinstance(p, Mapping) and p.get("type") == "text")
    return ""


def only_text(messages: Sequence[Message], what: str) -> list[str]:
    """Return the texts of messages that hold nothing else.

    Raises:
        CannotWrite: one holds tool calls, parts or a name that ``what`` has no place for.
    """
    for message in messages:
        if not isinstance(message.get("content"), str) or message.keys() - {"role", "content"}:
            raise CannotWrite(f"{what} holds text only; the row has tool calls, images or named speakers")
    return [m["content"] for m in messages]


def need_text(row: Row, column: str) -> str:
    """Return the text under ``column``.

    Raises:
        BadRow: there is none.
    """
    value = row.get(column)
    if not isinstance(value, str):
        raise BadRow(
            f"no column {column!r}" if column not in row else f"{column!r} is {name_type(value)}, expected text"
        )
    return value


def loads_if_text(value: Any, column: str) -> Any:
    """Return ``value``, decoded when it is JSON in a text.

    Raises:
        BadRow: the text is no JSON.
    """
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value.strip() else None
    except ValueError as error:
        raise BadRow(f"{column!r} is not JSON: {error}") from None
