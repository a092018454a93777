"""Lists of messages as rows have them, checked and brought into one shape."""

import json
from collections.abc import Sequence
from typing import Any

from ...schema import Message
from ._record import Answer, BadRow, CannotWrite, Row, loads_if_text, name_type

ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def need_messages(value: Any, column: str) -> list[Message]:
    """Return ``value`` as messages: a list of objects with a known role and some content.

    Raises:
        BadRow: it is something else; the reason names the message.
    """
    value = loads_if_text(value, column)
    if not isinstance(value, list) or not value:
        raise BadRow(f"{column!r} is {name_type(value) if value != [] else 'empty'}, expected a list of messages")
    return [_need_message(message, f"{column}[{i}]") for i, message in enumerate(value)]


def _need_message(message: Any, place: str) -> Message:
    if not isinstance(message, dict):
        raise BadRow(f"{place} is {name_type(message)}, expected a message")
    if message.get("role") not in ROLES:
        raise BadRow(f"{place}.role is {message.get('role')!r}, expected one of {', '.join(ROLES)}")
    content, calls = message.get("content"), message.get("tool_calls")
    says_nothing = not isinstance(content, str | list) and not isinstance(message.get("refusal"), str)
    if says_nothing and not calls and not message.get("function_call"):
        raise BadRow(f"{place} has no content")
    if isinstance(content, list) and not all(isinstance(p, dict) for p in content):
        raise BadRow(f"{place}.content holds a part that is no object")
    if calls is not None and not (isinstance(calls, list) and all(_is_call(c) for c in calls)):
        raise BadRow(f"{place}.tool_calls is no list of calls with the name of a function")
    return arguments_as_text(message)


def _is_call(call: Any) -> bool:
    """Say whether ``call`` names a function; calls of another type (OpenAI's custom tools) are taken as they are."""
    if not isinstance(call, dict):
        return False
    function = call.get("function")
    return isinstance(function.get("name"), str) if isinstance(function, dict) else call.get("type") == "custom"


def functions_of(message: Message, what: str) -> list[Row]:
    """Return the functions that a message calls, each with its arguments decoded.

    Raises:
        CannotWrite: a call is of another type, which ``what`` has no place for, or its arguments are no JSON.
    """
    calls = arguments_as_objects(message)["tool_calls"]
    if not all(isinstance(c.get("function"), dict) for c in calls):
        raise CannotWrite(f"{what} has no place for calls of anything but functions")
    functions = [{"name": c["function"]["name"], "arguments": c["function"].get("arguments", {})} for c in calls]
    if any(isinstance(f["arguments"], str) for f in functions):
        raise CannotWrite(f"{what} has no place for arguments that are no JSON")
    return functions


def arguments_as_text(message: Message) -> Message:
    """Return a message whose tool calls carry their arguments as JSON text, as OpenAI has them."""
    return _with_arguments(message, lambda a: a if isinstance(a, str) else json.dumps(a, ensure_ascii=False))


def arguments_as_objects(message: Message) -> Message:
    """Return a message whose tool calls carry their arguments as objects, as chat templates want them."""
    return _with_arguments(message, lambda a: _decoded(a) if isinstance(a, str) else a)


def _with_arguments(message: Message, change: Any) -> Message:
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    changed = []
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and "arguments" in function:
            call = {**call, "function": {**function, "arguments": change(function["arguments"])}}
        changed.append(call)
    return {**message, "tool_calls": changed}


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def split_conversation(messages: Sequence[Message]) -> tuple[tuple[Message, ...], tuple[Answer, ...]]:
    """Return what comes before the last message of the assistant, and the answer: that message and what follows it.

    Where the assistant says nothing, all is prompt, and there is no answer.
    """
    spoken = [i for i, m in enumerate(messages) if m["role"] == "assistant"]
    if not spoken:
        return tuple(messages), ()
    return tuple(messages[: spoken[-1]]), (Answer(tuple(messages[spoken[-1] :])),)


def need_prompt(messages: Sequence[Message], column: str) -> tuple[Message, ...]:
    """Return messages that are to be answered.

    Raises:
        BadRow: there are none, or the assistant has the last word.
    """
    if not messages:
        raise BadRow(f"{column!r} is empty, expected a prompt")
    if messages[-1]["role"] == "assistant":
        raise BadRow(
            f"{column!r} ends in words of the assistant, and there is no completion: --map messages={column} takes them "
            f"for it, --map prompt={column}.0 takes the first turn alone"
        )
    return tuple(messages)


def need_tools(row: Row) -> list[Any] | None:
    """Return the row's tools, decoded when they are JSON in a text.

    Raises:
        BadRow: they are no list.
    """
    tools = loads_if_text(row.get("tools"), "tools")
    if tools is not None and not (isinstance(tools, list) and all(isinstance(t, dict) for t in tools)):
        raise BadRow(f"'tools' is {name_type(tools)}, expected a list of objects")
    return tools


def are_messages(value: Any, role: str = "role") -> bool:
    """Say whether ``value`` looks like a list of messages with their speaker under ``role``."""
    return isinstance(value, list) and bool(value) and all(isinstance(m, dict) and role in m for m in value)
