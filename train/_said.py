"""What is wrong with a text, or with messages, in a column of a row."""

from collections.abc import Iterator, Sequence
from typing import Any

from ..schema import is_blank
from ._form import Row
from .methods import content_of

ROLES = ("system", "developer", "user", "assistant", "tool")
_SYSTEM = ("system", "developer")
_SHOWN_SIGNS = 4


def fault_of_said(column: str, said: Any, *, is_whole: bool) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a text or messages.

    Args:
        column: where they are.
        said: the value.
        is_whole: an answer begins with what it answers, for want of a prompt.
    """
    if isinstance(said, str) and column != "messages":
        if column != "prompt" and is_blank(said):
            yield "empty", why_empty(column, [said])
        return
    if column == "text":
        yield "not_text", f"text is {kind_of(said)}"
        return
    if not isinstance(said, list) or not said or not all(isinstance(m, dict) for m in said):
        yield "roles", f"{column} is {'no list of messages' if column == 'messages' else 'neither text nor messages'}"
        return
    if (bad := next((m for m in said if not _iscontent_of(m.get("content"))), None)) is not None:
        yield "not_text", f"{column} has a message whose content is {kind_of(bad['content'])}"
    yield from _fault_of_roles(column, said, is_whole)


def _fault_of_roles(column: str, said: Sequence[Row], is_whole: bool) -> Iterator[tuple[str, str]]:
    roles = [m.get("role") for m in said]
    if unknown := [r for r in roles if r not in ROLES]:
        yield "roles", f"{column} has a message of {unknown[0]!r}; roles are {', '.join(ROLES)}"
    elif column == "prompt" and roles[-1] == "assistant":
        yield "roles", "prompt ends with an answer of the assistant"
    elif column not in ("prompt", "messages") and not is_whole and roles[0] != "assistant":
        yield "roles", f"{column} begins with a message of {roles[0]}, not of the assistant"
    elif column != "prompt" and "assistant" not in roles:
        yield "roles", f"{column} has nothing that the assistant says"
    elif column != "prompt" and not any(_says(m) for m in said if m.get("role") == "assistant"):
        yield "empty", why_empty(column, [content_of(m) for m in said if m.get("role") == "assistant"])
    else:
        yield from _fault_of_turns(column, said)


def _fault_of_turns(column: str, said: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Yield turns that no conversation has: templates render them, and the model learns to take no turns, or to say nothing."""
    before = ""
    for number, message in enumerate(said, 1):
        role, turn = str(message["role"]), f"{column}, turn {number}:"
        if role in ("user", "assistant") and not _says(message):
            yield "turns", f"{turn} {why_empty(f'what the {role} says', [content_of(message)])}"
        elif role == before and role != "tool":
            yield "turns", f"{turn} a second one of the {role} in a row"
        elif role in _SYSTEM and before not in ("", *_SYSTEM):
            yield "turns", f"{turn} of the {role}, which stands first or nowhere"
        before = role


def _iscontent_of(content: Any) -> bool:
    """Say whether a message can hold it: text, parts of several kinds, or nothing beside calls of tools."""
    return content is None or isinstance(content, str) or (
        isinstance(content, list) and all(isinstance(part, dict) for part in content)
    )  # fmt: skip


def kind_of(value: Any) -> str:
    """Return what a value is that is no text."""
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return f"{names.get(type(value), type(value).__name__)}, not text"


def why_empty(name: str, texts: Sequence[str]) -> str:
    """Return the reason against texts that show nothing, with the signs that nobody sees."""
    signs = sorted({char for text in texts for char in text if not char.isspace()})
    seen = f": only {', '.join(f'U+{ord(char):04X}' for char in signs[:_SHOWN_SIGNS])}" if signs else ""
    return f"{name} is empty{seen}"


def _says(message: Row) -> bool:
    """Say whether a message has a text that shows something, a call of a tool, or a part of another kind (an image)."""
    content = message.get("content")
    parts = content if isinstance(content, list) else []
    return (
        bool(message.get("tool_calls"))
        or not is_blank(content_of(message))
        or any("text" not in part for part in parts)
    )
