"""JSON in what models write: the whole text, a fenced block, or the first value with prose around it."""

import json
import re
from typing import Any, NoReturn

MOST_STARTS = 100
"""Places in a text where a value is looked for."""

_FENCE = re.compile(r"```[ \t]*(?:json\w*)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_START = re.compile(r"[\[{]")


def read_json(text: str, *, fenced: bool = True, prose: bool = True) -> Any:
    """Return the JSON value in ``text``.

    Args:
        text: any text.
        fenced: a value in a fenced block is let pass; with several blocks, the last that is JSON counts.
        prose: so is an object or list with text around it; the first one counts.

    Raises:
        ValueError: there is none; the text says why.
    """
    try:
        return loads(text)
    except ValueError as error:
        reason = error
    for block in reversed(_FENCE.findall(text)) if fenced else ():
        try:
            return loads(block)
        except ValueError:
            continue
    if prose:
        return _first_value(text, reason)
    raise reason


def find_values(text: str, *, unique: bool = False, start: str = "{[") -> tuple[list[Any], str]:
    """Return all objects and lists in ``text``, in their order, and the text without them.

    At most :data:`MOST_STARTS` places are looked at; what comes after them is part of the text, and so is with ``unique`` an
    object that has a key twice. ``start``: the signs that a value may begin with.
    """
    decoder = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_check_keys if unique else None)
    values, rest, at = [], [], 0
    for _ in range(MOST_STARTS):
        begin = min((i for sign in start if (i := text.find(sign, at)) >= 0), default=-1)
        if begin < 0:
            break
        rest.append(text[at:begin])
        try:
            value, at = decoder.raw_decode(text, begin)
            values.append(value)
        except (ValueError, RecursionError):
            rest.append(text[begin])
            at = begin + 1
    return values, "".join([*rest, text[at:]])


def loads(text: str, *, unique: bool = False) -> Any:
    """Return the value of strict JSON: no NaN, nothing nested too deep; with ``unique`` no key twice in an object.

    Raises:
        ValueError: it is not.
    """
    try:
        return json.loads(text, parse_constant=_refuse, object_pairs_hook=_check_keys if unique else None)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _first_value(text: str, reason: ValueError) -> Any:
    decoder = json.JSONDecoder(parse_constant=_refuse)
    for i, start in enumerate(_START.finditer(text)):
        if i == MOST_STARTS:
            break
        try:
            return decoder.raw_decode(text, start.start())[0]
        except (ValueError, RecursionError):
            continue
    raise reason


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _check_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands twice")
    return value
