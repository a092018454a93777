"""The options of generators and verifiers: a recipe may set those that have a default, to values of its kind."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

from ..errors import RecipeError


class _Required:
    """The default of an option that has none."""

    def __repr__(self) -> str:
        return "required"


REQUIRED: Final = _Required()
"""Stands as the default of an option that a recipe must set."""


class Optioned(Protocol):
    """Something with a name and options."""

    @property
    def name(self) -> str:
        """As recipes name it."""

    @property
    def options(self) -> Mapping[str, Any]:
        """The options it knows, with their defaults, :data:`REQUIRED` where there is none."""

    @property
    def choices(self) -> Mapping[str, Sequence[Any]]:
        """For an option that takes one of a few values, these."""


def complete_options(of: Optioned, word: str, options: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Return ``options`` with the defaults filled in.

    Args:
        of: what they are options of.
        word: what it is: ``generator``, ``verifier``.
        options: as the user wrote them.
        place: where they stand, for messages.

    Raises:
        RecipeError: an unknown option, one that is required and missing, or a value of another kind than the default.
    """
    for key, value in options.items():
        if key not in of.options:
            known = ", ".join(of.options) or "no options"
            raise RecipeError(
                f"{place}.{key}", expected=f"of {word} {of.name}: {known}", received=f"unknown option {key!r}",
                cure=find_nearest(key, of.options) or "remove it",
            )  # fmt: skip
        _check_value(of, key, value, f"{place}.{key}")
    complete = {**of.options, **options}
    missing = [key for key, value in complete.items() if value is REQUIRED]
    if missing:
        raise RecipeError(
            f"{place}.{missing[0]}", expected=f"a value: {word} {of.name} needs it", received="nothing",
            cure=f"add {missing[0]!r}",
        )  # fmt: skip
    return complete


def _check_value(of: Optioned, key: str, value: Any, place: str) -> None:
    choices, default = of.choices.get(key), of.options[key]
    if choices is not None:
        many = value if isinstance(default, list | tuple) and isinstance(value, list | tuple) else [value]
        if wrong := [v for v in many if v not in choices]:
            cure = find_nearest(str(wrong[0]), map(str, choices)) or "change the value"
            raise RecipeError(
                place, expected=f"one of {', '.join(map(str, choices))}", received=repr(wrong[0]), cure=cure
            )
    if default is None or default is REQUIRED or _is_alike(value, default):
        return
    raise RecipeError(place, expected=_kind(default), received=repr(value)[:200], cure=f"the default is {default!r}")


def _is_alike(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, int):
        return isinstance(value, int) and value >= 0
    if isinstance(default, float):
        return isinstance(value, int | float)
    return isinstance(value, list | tuple) if isinstance(default, list | tuple) else isinstance(value, type(default))


def _kind(default: Any) -> str:
    names = {bool: "true or false", int: "a whole number, 0 or more", float: "a number", str: "text", dict: "a mapping"}
    return names.get(type(default), "a list")


def find_nearest(name: str, known: Iterable[str]) -> str:
    """Return a question with the nearest known word; empty when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else ""
