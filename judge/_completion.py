"""The text of a completion, however a data set or trainer keeps it."""

import json
from collections.abc import Mapping
from typing import Any


def text_of(value: Any) -> str:
    """Return what a verifier reads of a completion.

    A text is itself, a list of messages its last assistant's, a message its content (its text parts, one below the
    other) or else itself as JSON, which its tool calls are read from; anything else is JSON.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple) and value and all(_is_message(one) for one in value):
        spoken = [one for one in value if one.get("role", "assistant") == "assistant"]
        return text_of((spoken or list(value))[-1])
    if _is_message(value):
        return _content(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and ("content" in value or "tool_calls" in value) and "name" not in value


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if message.get("tool_calls"):
        return json.dumps(dict(message), ensure_ascii=False, default=str)
    if isinstance(content, list):
        parts = (p.get("text") for p in content if isinstance(p, Mapping))
        return "\n".join(text for text in parts if isinstance(text, str))
    return content if isinstance(content, str) else ""
