"""Places inside a row: ``result.0.text``, ``results[-1]["swap = False"].winner``."""

import re
from collections.abc import Mapping
from typing import Any

_STEP = re.compile(r"""\[(-?\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\['((?:[^'\\]|\\.)*)'\]|\.?([^.\[]+)""")


class Absent:
    """What stands for a value that is not there."""


ABSENT = Absent()


def read_path(row: Mapping[str, Any], path: str) -> Any:
    """Return what stands at ``path``; :data:`ABSENT` when there is no such place.

    A column of that very name comes first. Otherwise steps are keys and numbers between dots, or in brackets: a number
    counts a list's elements from 0, from its end when negative; a key in quotation marks may hold dots.
    """
    if path in row:
        return row[path]
    value: Any = row
    for step in _steps(path):
        value = _enter(value, step)
        if value is ABSENT:
            return ABSENT
    return value


def _steps(path: str) -> list[int | str]:
    steps: list[int | str] = []
    for number, double, single, plain in _STEP.findall(path):
        steps.append(int(number) if number else re.sub(r"\\(.)", r"\1", double or single) or plain)
    return steps


def _enter(value: Any, step: int | str) -> Any:
    if isinstance(value, list):
        if isinstance(step, str) and re.fullmatch(r"-?\d+", step):
            step = int(step)
        return value[step] if isinstance(step, int) and -len(value) <= step < len(value) else ABSENT
    return value.get(str(step), ABSENT) if isinstance(value, Mapping) else ABSENT
