"""JSON out of what models write: one tolerant parser, pure functions, in time linear in the text's length.

Let pass: prose and code fences around the value, trailing and missing commas, single, smart and missing quotes, Python
literals, comments, raw newlines and unescaped quotes in strings, LaTeX whose backslashes were not doubled, NaN (read as
null), and an end that was cut off: whole elements of a list are kept. Then the value is fitted to a JSON schema. Nothing
goes silently: what of a list could not be kept is in ``Parsed.lost``.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ._schema import fit
from ._tolerant import Reader

MAX_STARTS = 5_000
"""Brackets at which a value is looked for."""
NOTHING = "no JSON value in the reply"
CUT_OFF = "the reply was cut off: its last element is lost"
_THOUGHT_END = "</think>"
_LATEX = re.compile(
    r"(?<!\\)\\(?=(?:begin|beta|bar|binom|bmod|boxed|frac|forall|neq|nabla|rho|right|rangle|text|times|theta|tfrac|tan)"
    r"(?![a-z0-9]{4}))"
)
_LONE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
"""Halves of a surrogate pair by themselves: no text that can be stored has them."""
_OPENER = re.compile(r"[\[{]")


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was read.

    Attributes:
        value: the value, fitted to the schema; None with a complaint.
        complaint: why there is none, in words that a model can act on.
        lost: elements of lists that were left out, each with its reason: unfit, or cut off.
    """

    value: Any = None
    complaint: str | None = None
    lost: tuple[str, ...] = ()


def parse_json(text: str, schema: Mapping[str, Any]) -> Parsed:
    """Read the JSON value of ``schema`` that stands in ``text``.

    Where several values stand there, the last whole one that fits is taken: models correct themselves. A list where
    ``schema`` wants a mapping with one list in it (or the reverse) is let pass.
    """
    text = text.rpartition(_THOUGHT_END)[2]
    if "\\" in text:
        text = _LONE.sub(r"\\ufffd", _LATEX.sub(r"\\\\", text))
    best = Parsed(complaint=NOTHING)
    found: list[Any] = []
    for value, is_whole, lost in _candidates(text):
        fitted = _fit(value, schema, lost)
        if fitted.complaint is None and is_whole:
            found.append(value)
        if _is_better(fitted, best):
            best = fitted
    if len(found) > 1 and schema.get("type") == "object" and (joined := _join_lines(found, schema)) is not None:
        return joined
    return best


def _is_better(new: Parsed, old: Parsed) -> bool:
    """Prefer what fits, then what lost less, then what stands later."""
    if new.complaint is None or old.complaint is None:
        return new.complaint is None and (old.complaint is not None or len(new.lost) <= len(old.lost))
    return old.complaint == NOTHING or not new.complaint.startswith("the value: expected")


def _candidates(text: str) -> Iterator[tuple[Any, bool, list[str]]]:
    """Yield each (value, whole?, what a cut lost) of the text; the whole text alone where it is plain JSON."""
    try:
        yield json.loads(_unfence(text), parse_constant=lambda name: None), True, []
        return
    except (ValueError, RecursionError):
        pass
    reader, position = Reader(text), 0
    for _ in range(MAX_STARTS):
        if (match := _OPENER.search(text, position)) is None:
            return
        result = reader.read(match.start())
        position = max(result.end, match.end())
        if result.found:
            yield result.value, result.is_whole, [CUT_OFF] if result.has_lost else []


def _unfence(text: str) -> str:
    """Return what stands between the first and the last code fence; the text itself without two."""
    first, last = text.find("```"), text.rfind("```")
    if first < 0 or last <= first:
        return text
    inner = text[first + 3 : last]
    return inner[inner.find("\n") + 1 :] if inner[:12].split("\n")[0].strip().isalpha() else inner


def _fit(value: Any, schema: Mapping[str, Any], cut: list[str]) -> Parsed:
    """Fit a value, or what it holds or would hold, to the schema."""
    complaint = None
    for shape in (value, *_other_shapes(value, schema)):
        lost = list(cut)
        fitted = fit(shape, schema, lost)
        if fitted.complaint is None:
            return Parsed(fitted.value, None, tuple(lost))
        complaint = complaint or fitted.complaint
    return Parsed(None, complaint)


def _other_shapes(value: Any, schema: Mapping[str, Any]) -> Iterator[Any]:
    wanted, lists = schema.get("type"), _list_properties(schema)
    if wanted == "object" and isinstance(value, list):
        if len(lists) == 1:
            yield {lists[0]: value}
        if len(value) == 1:
            yield value[0]
    elif wanted == "object" and isinstance(value, dict):
        if len(lists) == 1 and lists[0] not in value:
            yield {lists[0]: [value]}
        if len(value) == 1:
            yield next(iter(value.values()))
    elif wanted == "array" and isinstance(value, dict):
        inner = [v for v in value.values() if isinstance(v, list)]
        yield inner[0] if len(inner) == 1 else [value]


def _list_properties(schema: Mapping[str, Any]) -> list[str]:
    properties = schema.get("properties", {})
    if set(schema.get("required", ())) - {n for n, p in properties.items() if p.get("type") == "array"}:
        return []
    return [name for name, shape in properties.items() if shape.get("type") == "array"]


def _join_lines(values: list[Any], schema: Mapping[str, Any]) -> Parsed | None:
    """Join values that each fit as the only element of the schema's list: a reply of one object a line."""
    lists = _list_properties(schema)
    if len(lists) != 1 or any(not isinstance(v, dict) or lists[0] in v for v in values):
        return None
    joined = _fit({lists[0]: values}, schema, [])
    return joined if joined.complaint is None else None
