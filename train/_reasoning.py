"""Reasoning traces in answers: ``<think>…</think>`` before what is meant for the reader.

Where the chat template opens the trace in the prompt (DeepSeek-R1's does), the answer has only its end.
"""

import re
from typing import Any

_OPENED_BEFORE = re.compile(r"\A(?:(?!<think>).)*?</think>\s*", re.DOTALL)
_THINK = re.compile(r"<think>.*?(?:</think>\s*|\Z)", re.DOTALL)


def strip_reasoning(text: str) -> str:
    """Return a text without its traces; one that was opened and never closed goes to the end, one that was only closed
    began before the text.
    """
    return _THINK.sub("", _OPENED_BEFORE.sub("", text, count=1))


def strip_row(row: dict[str, Any], columns: tuple[str, ...]) -> dict[str, Any]:
    """Return a row without the traces in the answers of its columns."""
    return {name: _strip(value) if name in columns else value for name, value in row.items()}


def _strip(said: Any) -> Any:
    if isinstance(said, str):
        return strip_reasoning(said)
    if not isinstance(said, list):
        return said
    return [
        {**m, "content": strip_reasoning(m["content"])}
        if isinstance(m, dict) and m.get("role") == "assistant" and isinstance(m.get("content"), str)
        else m
        for m in said
    ]
