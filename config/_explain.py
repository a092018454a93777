"""Pydantic's faults in our words: the line, the key, what was expected, what came, and what to write instead."""

import difflib
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, cast, get_args

import yaml
from pydantic import BaseModel, ValidationError

from ..errors import RecipeError
from ._recipe import Recipe
from ._strict import NAME_PATTERN

Loc = tuple[Any, ...]
Fault = dict[str, Any]

SHOWN_CHARS = 100
MOST_FAULTS = 4

_FIRST = {"invalid_key": 0, "extra_forbidden": 1}
"""A misspelt key explains a missing one, so it is told first."""

_EXPECTED: dict[str, str | Callable[[dict[str, Any]], str]] = {
    "greater_than": lambda c: f"a number above {_number(c['gt'])}",
    "greater_than_equal": lambda c: f"{_number(c['ge'])} or more",
    "less_than": lambda c: f"a number below {_number(c['lt'])}",
    "less_than_equal": lambda c: f"{_number(c['le'])} or less",
    "finite_number": "a finite number",
    "int_type": "a whole number", "int_parsing": "a whole number", "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of at most 19 digits",
    "float_type": "a number", "float_parsing": "a number",
    "bool_type": "true or false", "bool_parsing": "true or false",
    "string_type": "text", "string_too_short": "text",
    "string_pattern_mismatch": lambda c: _pattern(c["pattern"]),
    "literal_error": lambda c: f"one of {c['expected'].replace(' or ', ', ')}" if " or " in c["expected"] else c["expected"],
    "model_type": "a mapping of keys", "model_attributes_type": "a mapping of keys", "dict_type": "a mapping of keys",
    "tuple_type": "a list", "list_type": "a list",
    "too_short": lambda c: "a list of at least one item" if c["min_length"] == 1 else f"{c['min_length']} items or more",
    "invalid_key": "a key that is text",
}  # fmt: skip


def explain_faults(
    path: Path,
    node: yaml.Node | None,
    error: ValidationError,
    flags: Collection[str] = (),
    model: type[BaseModel] = Recipe,
) -> RecipeError:
    """Turn pydantic's first fault into a message with place and cure; name the places of the others after it.

    Args:
        path: the recipe file.
        node: its YAML tree, for line numbers.
        error: what pydantic says.
        flags: top-level keys that came from the command line and not from the file.
        model: what the file was read as.
    """
    messages = [_explain_one(path, node, fault, flags, model) for fault in _tell_apart(error, model)]
    first, others = messages[0], messages[1:MOST_FAULTS]
    more = "".join(f"; then also {_after(m.place, first.place, path)}: {m.received}" for m in others)
    return RecipeError(first.place, expected=first.expected, received=first.received, cure=first.cure + more)


def _after(place: str, told: str, path: Path) -> str:
    """Return a place as it stands after another one: by its line alone where both are in one file."""
    found = re.match(r"(.+):\d+: key ", told)
    own = place.removeprefix(f"{found[1] if found else path}:")
    return f"line {own}" if own != place else place


def _tell_apart(error: ValidationError, model: type[BaseModel]) -> list[Fault]:
    """Put unknown keys first, and leave out what they explain: a missing neighbour, a list that lost its item."""
    faults: list[Fault] = [dict(f) for f in error.errors()]
    faults.sort(key=lambda f: _FIRST.get(f["type"], len(_FIRST)))
    meant = {
        (*f["loc"][:-1], near) for f in faults if f["type"] == "extra_forbidden" and (near := _nearest(f["loc"], model))
    }
    kept = [f for f in faults if not (f["type"] == "missing" and f["loc"] in meant)]
    return [f for f in kept if not _is_echo(f, kept)]


def _is_echo(fault: Fault, faults: list[Fault]) -> bool:
    """Say whether a list is only too short because one of its items is at fault."""
    loc = fault["loc"]
    return fault["type"] == "too_short" and any(f["loc"][: len(loc)] == loc != f["loc"] for f in faults)


def _explain_one(
    path: Path, node: yaml.Node | None, fault: Fault, flags: Collection[str], model: type[BaseModel]
) -> RecipeError:
    context = fault.get("ctx") or {}
    loc = fault["loc"]
    if told := context.get("loc"):  # from the top, or from where the validator stands
        loc = told if tuple(told[: len(loc)]) == tuple(loc) else (*loc, *told)
    key = ".".join(map(str, loc)) or ("(whole recipe)" if model is Recipe else "(whole file)")
    from_flag = bool(loc) and loc[0] in flags
    place = f"--{loc[0]}" if from_flag else f"{_find_line(path, node, loc)}: key {key}"
    if fault["type"] == "extra_forbidden":
        near, valid = _nearest(loc, model), _valid_keys(loc[:-1], model)
        cure = f"did you mean {near!r}?" if near else "remove the key"
        return RecipeError(place, expected=f"one of {', '.join(valid)}", received=f"unknown key {loc[-1]!r}", cure=cure)
    if fault["type"] == "missing":
        return RecipeError(place, expected="a value", received="nothing", cure=f"add {key}")
    if fault["type"] == "invalid_key":
        cure = "remove the key, or put it in quotation marks"
        return RecipeError(place, expected="a key that is text", received=f"the key {loc[-1]!r}", cure=cure)
    expected = _expected(fault, context)
    received = context.get("received") or _show(fault.get("input"))
    cure = context.get("cure") or _cure(place if from_flag else key, fault, expected)
    return RecipeError(place, expected=expected, received=received, cure=cure)


def _expected(fault: Fault, context: dict[str, Any]) -> str:
    if "expected" in context and fault["type"] != "literal_error":
        return str(context["expected"])
    words = _EXPECTED.get(fault["type"], fault["msg"].removeprefix("Value error, ").removeprefix("Input should be "))
    return words if isinstance(words, str) else words(context)


def _cure(key: str, fault: Fault, expected: str) -> str:
    given = fault.get("input")
    if fault["type"] == "literal_error":
        near = difflib.get_close_matches(str(given), re.findall(r"'(.*?)'", fault["ctx"]["expected"]), n=1)
        if near:
            return f"did you mean {near[0]!r}?"
    if fault["type"] == "string_type" and isinstance(given, int | float):
        return f"put it in quotation marks: {str(given)!r}"
    return f"set {key} to {expected}"


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return f"a mapping of {', '.join(map(str, value)) or 'nothing'}"[:SHOWN_CHARS]
    if isinstance(value, list | tuple):
        return "an empty list" if not value else f"a list of length {len(value)}"
    return "nothing" if value is None else repr(value)[:SHOWN_CHARS]


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _pattern(pattern: str) -> str:
    if pattern == NAME_PATTERN:
        return "a name of a-z, 0-9, '_', '.' and '-' that begins with a letter or a digit"
    return f"text that matches {pattern}"


def _nearest(loc: Loc, model: type[BaseModel]) -> str | None:
    found = _model_at(loc[:-1], model)
    if meant := getattr(found, "other_names", {}).get(loc[-1]):
        return str(meant)
    near = difflib.get_close_matches(str(loc[-1]), _valid_keys(loc[:-1], model), n=1, cutoff=0.4)
    return near[0] if near else None


def _valid_keys(loc: Loc, model: type[BaseModel]) -> list[str]:
    found = _model_at(loc, model)
    return [*found.model_fields, *getattr(found, "file_keys", ())]


def _model_at(loc: Loc, model: type[BaseModel]) -> type[BaseModel]:
    found: Any = model
    for part in loc:
        if not isinstance(part, int):
            found = _model_in(found.model_fields[part].annotation)
    return cast("type[BaseModel]", found)


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(_model_in, get_args(annotation)) if m is not None), None)


def _find_line(path: Path, node: yaml.Node | None, loc: Loc) -> str:
    """Return the file and the line of the deepest part of ``loc`` that the YAML has."""
    mark: yaml.Mark | None = None
    for part in loc:
        child = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    mark, child = key.start_mark, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
            mark = child.start_mark
        if child is None:
            break
        node = child
    return f"{path}:1" if mark is None else f"{mark.name}:{mark.line + 1}"
