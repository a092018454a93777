"""Fit a value to a JSON schema: the part of it that generators use, with complaints that a model can act on."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import RecipeError

_KNOWN = {
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "minItems", "maxItems",
    "minLength", "maxLength", "minimum", "maximum", "pattern", "title", "description", "default", "examples", "$schema",
}  # fmt: skip
_TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}
LONGEST_SHOWN = 60


def check_schema(schema: Any, place: str) -> None:
    """Refuse a schema with a keyword or type that :func:`fit` does not know: it would be ignored silently.

    Raises:
        RecipeError: names the keyword.
    """
    known = isinstance(schema, Mapping) and set(schema) <= _KNOWN
    if not known or not set(_types(schema)) <= _TYPES:
        received = sorted(set(schema) - _KNOWN) or schema.get("type") if isinstance(schema, Mapping) else schema
        raise RecipeError(
            place,
            expected=f"a JSON schema of the keywords {', '.join(sorted(_KNOWN))}",
            received=str(received),
            cure="leave the keyword out or say it in the template",
        )
    for name, part in schema.get("properties", {}).items():
        check_schema(part, f"{place}.properties.{name}")
    for key in (
        "items",
        *(["additionalProperties"] if isinstance(schema.get("additionalProperties"), Mapping) else []),
    ):
        if key in schema:
            check_schema(schema[key], f"{place}.{key}")
    for i, part in enumerate(schema.get("anyOf", ())):
        check_schema(part, f"{place}.anyOf[{i}]")


@dataclass(frozen=True, slots=True)
class Fitted:
    """A value that fits, or the complaint."""

    value: Any = None
    complaint: str | None = None


def fit(value: Any, schema: Mapping[str, Any], lost: list[str] | None = None, place: str = "") -> Fitted:
    """Return ``value`` as ``schema`` wants it.

    Numbers and booleans written as text, and text written as a number, are converted. Members that the schema does not
    name are left out where it says ``additionalProperties: false``. Elements of a list that do not fit are left out and
    told in ``lost``, as long as one that fits remains.
    """
    if "anyOf" in schema:
        return _fit_any(value, schema["anyOf"], lost, place)
    types = _types(schema)
    if types and not any(_is_type(value, t) for t in types):
        value = _convert(value, types)
        if value is _NOT:
            return _complain(place, " or ".join(types), _NOT)
    if "enum" in schema and (value := _choose(value, schema["enum"])) is _NOT:
        return _complain(place, "one of " + ", ".join(map(str, schema["enum"])), _NOT)
    if "const" in schema and value != schema["const"]:
        return _complain(place, repr(schema["const"]), value)
    if isinstance(value, dict):
        return _fit_members(value, schema, lost, place)
    if isinstance(value, list):
        return _fit_elements(value, schema, lost, place)
    fault = next((words(limit) for key, (breaks, words) in _LIMITS.items()
                  if (limit := schema.get(key)) is not None and breaks(value, limit)), None)  # fmt: skip
    return Fitted(value) if fault is None else _complain(place, fault, value)


_NOT: Any = object()


def _fit_any(value: Any, options: Any, lost: list[str] | None, place: str) -> Fitted:
    """Fit the first of several schemas that the value fits."""
    fitted = Fitted(complaint=f"{_at(place)}: no schema to fit")
    for option in options:
        told: list[str] = []
        fitted = fit(value, option, None if lost is None else told, place)
        if fitted.complaint is None:
            if lost is not None:
                lost += told
            break
    return fitted


def _types(schema: Mapping[str, Any]) -> list[str]:
    kind = schema.get("type", [])
    return [kind] if isinstance(kind, str) else list(kind)


def _is_type(value: Any, kind: str) -> bool:
    if kind in ("integer", "number"):
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return is_number and (kind == "number" or isinstance(value, int))
    python = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}[kind]
    return isinstance(value, python)


def _convert(value: Any, types: list[str]) -> Any:
    """Convert between text and numbers or booleans; ``_NOT`` where it cannot be done without loss."""
    if isinstance(value, float) and "integer" in types and value.is_integer():
        return int(value)
    if isinstance(value, int | float) and "string" in types:
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, str):
        return _convert_text(value.strip(), types)
    return _NOT


def _convert_text(text: str, types: list[str]) -> Any:
    if "boolean" in types and text.lower() in ("true", "yes", "false", "no"):
        return text.lower() in ("true", "yes")
    if "null" in types and text.lower() in ("null", "none", "n/a", ""):
        return None
    if ("integer" in types or "number" in types) and re.fullmatch(r"[-+]?\d{1,18}", text):
        return int(text)
    if "number" in types and re.fullmatch(r"[-+]?\d{1,18}\.\d{1,18}", text):
        return float(text)
    return _NOT


def _choose(value: Any, allowed: Any) -> Any:
    """Return the allowed value that this one is, in whatever case."""
    if value in allowed:
        return value
    if isinstance(value, str):
        bare = value.strip().strip(".").casefold()
        return next((a for a in allowed if isinstance(a, str) and a.casefold() == bare), _NOT)
    return _NOT


def _fit_members(value: dict[str, Any], schema: Mapping[str, Any], lost: list[str] | None, place: str) -> Fitted:
    missing = [name for name in schema.get("required", ()) if name not in value]
    if missing:
        return Fitted(complaint=f"{_at(place)}: {missing[0]!r} is missing")
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    found: dict[str, Any] = {}
    for name, member in value.items():
        shape = properties.get(name, more)
        if shape is False:
            continue
        fitted = (
            Fitted(member) if shape is True else fit(member, shape, lost, f"{place}.{name}" if place else str(name))
        )
        if fitted.complaint is not None:
            return fitted
        found[name] = fitted.value
    return Fitted(found)


def _fit_elements(value: list[Any], schema: Mapping[str, Any], lost: list[str] | None, place: str) -> Fitted:
    shape = schema.get("items", {})
    fits = [fit(element, shape, lost, f"{place}[{i}]") for i, element in enumerate(value)]
    found = [f.value for f in fits if f.complaint is None]
    complaints = [f.complaint for f in fits if f.complaint is not None]
    if complaints and (lost is None or not found):
        return Fitted(complaint=complaints[0])
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if len(found) < least:
        return Fitted(
            complaint=complaints[0] if complaints else f"{_at(place)}: {len(found)} elements, at least {least} wanted"
        )
    if most is not None and len(found) > most:
        if lost is not None:
            lost += [f"{_at(place)}: more than {most} elements"] * (len(found) - most)
        found = found[:most]
    if lost is not None:
        lost += complaints
    return Fitted(found)


def _is_long(value: Any, limit: int) -> bool:
    return isinstance(value, str) and len(value) > limit


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_LIMITS: dict[str, tuple[Callable[[Any, Any], bool], Callable[[Any], str]]] = {
    "minLength": (
        lambda v, n: isinstance(v, str) and len(v.strip()) < n,
        lambda n: "text that is not empty" if n == 1 else f"at least {n} characters",
    ),
    "maxLength": (_is_long, lambda n: f"at most {n} characters"),
    "minimum": (lambda v, n: _is_number(v) and v < n, lambda n: f"at least {n}"),
    "maximum": (lambda v, n: _is_number(v) and v > n, lambda n: f"at most {n}"),
    "pattern": (lambda v, p: isinstance(v, str) and not re.search(p, v), lambda p: f"text that matches {p}"),
}


def _at(place: str) -> str:
    return place or "the value"


def _complain(place: str, expected: str, received: Any) -> Fitted:
    shown = "" if received is _NOT else f", received {str(received)[:LONGEST_SHOWN]!r}"
    return Fitted(complaint=f"{_at(place)}: expected {expected}{shown}")
