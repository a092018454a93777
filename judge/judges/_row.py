"""What judges take from a row."""

import json
from collections.abc import Mapping, Sequence
from typing import Any


def question_of(row: Mapping[str, Any]) -> str:
    """Return what was asked: ``question``, else the user's turns of ``prompt``; empty where there is none.

    A prompt of several turns is given whole, each turn under its speaker.
    """
    question, prompt = row.get("question"), row.get("prompt")
    if question is not None:
        return text_of(question)
    if isinstance(prompt, str):
        return prompt
    turns = [m for m in prompt or () if isinstance(m, Mapping) and m.get("role") != "system"]
    if len(turns) == 1:
        return text_of(turns[0].get("content"))
    return "\n\n".join(f"[{m.get('role')}]\n{text_of(m.get('content'))}" for m in turns)


def reference_of(row: Mapping[str, Any]) -> str:
    """Return the known answer: ``reference``, ``answer`` or ``solution``; empty where there is none."""
    found = next((row[k] for k in ("reference", "answer", "solution") if row.get(k) is not None), None)
    return text_of(found)


def find_missing(row: Mapping[str, Any], *, with_reference: bool) -> str | None:
    """Return what a row lacks to be judged by itself: ``completion``, or ``reference`` where one is needed."""
    if row.get("completion") is None:
        return "completion"
    return "reference" if with_reference and not reference_of(row) else None


def text_of(value: Any) -> str:
    """Return a value as text: the texts of a message's parts, JSON of anything else."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, Sequence) and value and all(isinstance(p, Mapping) and "type" in p for p in value):
        return "\n".join(str(p.get("text") or f"({p['type']})") for p in value)
    return str(value) if isinstance(value, int | float) else json.dumps(value, ensure_ascii=False, default=str)


def choose_mark(*texts: str) -> str:
    """Return what the tags' names end in, so that no text can close the part of the prompt that it stands in."""
    mark, number = "", 2
    while any(f"</{name}{mark}" in text for text in texts for name in TAGS):
        mark, number = f"-{number}", number + 1
    return mark


TAGS = ("question", "reference", "answer", "answer-a", "answer-b")
"""Names of the tags in the judges' templates."""
