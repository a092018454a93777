"""Templates of graders: ``{{item.answer}}``, ``{{sample.output_text}}``, ``{{ sample.output_tools[0].function.name }}``.

Values are put in in one pass, so that braces in a completion stay text.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from ...errors import RecipeError

_TAG = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"\s*(item|sample)((?:\.[\w-]+|\[\d+\])+)\s*")
_STEP = re.compile(r"\.([\w-]+)|\[(\d+)\]")
SAMPLE = ("output_text", "output_json", "output_tools", "choices")
"""What a sample has."""


class NoSuchValue(LookupError):
    """A template names something that the row or the completion does not have; ``namespace`` says which of the two."""

    def __init__(self, namespace: str, path: str) -> None:
        super().__init__(f"{namespace}.{path}")
        self.namespace = namespace


def check_template(text: str, place: str) -> None:
    """Refuse a template that cannot be read.

    Raises:
        RecipeError: a tag names neither ``item`` nor a value of ``sample``.
    """
    for tag in _TAG.findall(text):
        found = _PATH.fullmatch(tag)
        steps = _steps(found[2]) if found else []
        if found is None or (found[1] == "sample" and steps[0] not in SAMPLE) or isinstance(steps[0], int):
            raise RecipeError(
                place, expected=f"{{{{item.COLUMN}}}} or one of {', '.join(f'{{{{sample.{s}}}}}' for s in SAMPLE)}",
                received=f"{{{{{tag}}}}}", cure="mend the template",
            )  # fmt: skip


def columns_in(text: str) -> list[str]:
    """Return the columns of the row that a template names."""
    found = [_PATH.fullmatch(tag) for tag in _TAG.findall(text)]
    return [str(_steps(f[2])[0]) for f in found if f and f[1] == "item"]


def render(text: str, item: Mapping[str, Any], sample: Mapping[str, Any]) -> str:
    """Return ``text`` with its tags filled in; what is no text as JSON, null as nothing.

    Raises:
        NoSuchValue: there is no value of that name.
    """

    def fill(tag: re.Match[str]) -> str:
        found = _PATH.fullmatch(tag[1])
        assert found is not None, "templates are checked when they are read"
        return _show(_look_up(item if found[1] == "item" else sample, found[1], found[2]))

    return _TAG.sub(fill, text)


def _steps(path: str) -> list[str | int]:
    return [name if name else int(number) for name, number in _STEP.findall(path)]


def _look_up(values: Any, namespace: str, path: str) -> Any:
    for step in _steps(path):
        try:
            values = values[int(step)] if isinstance(values, list | tuple) else values[step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise NoSuchValue(namespace, path.lstrip(".")) from None
    return values


def _show(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
