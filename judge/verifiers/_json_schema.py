"""The ``json_schema`` verifier: JSON that a schema allows."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import RecipeError
from .._verdict import Verdict
from ._json_text import read_json
from ._verifier import CannotJudge, Case, verifier
from ._worker import Worker
from .child._schema import find_fault, make_validator

TIMEOUT_S = 2
"""Processor time that a validation may take."""
_MAY_TAKE_LONG = ('"pattern', '"$ref"', '"$dynamicRef"', '"$recursiveRef"')
"""Keys of a schema that is tried in a process of its own: patterns and references take exponential time on some texts."""

_schemas = Worker("_schema", TIMEOUT_S)


def _prepare(options: Mapping[str, Any], place: str) -> Sequence[str]:
    if options["schema"] is not None:
        try:
            _read_schema(options["schema"])
        except CannotJudge as error:
            raise RecipeError(
                f"{place}.schema", expected="a JSON schema", received=str(error.evidence), cure="mend the schema"
            ) from None
    return ()


def _read_schema(schema: Any) -> Any:
    """Return the schema itself, of OpenAI's ``response_format`` too, once it is known to be one."""
    from jsonschema import exceptions

    inner = schema.get("schema") if isinstance(schema, Mapping) else None
    if isinstance(inner, Mapping) and "type" not in schema:
        schema = inner  # {name, strict, schema}
    if not isinstance(schema, Mapping | bool):
        raise CannotJudge("bad schema", f"{type(schema).__name__}, expected an object")
    try:
        make_validator(schema)
    except exceptions.SchemaError as error:
        raise CannotJudge("bad schema", f"{error.json_path}: {error.message}"[:300]) from None
    return schema


def _find_fault(schema: Any, value: Any) -> list[str] | None:
    """Return keyword, place and message of what the schema forbids; a reference to another document is an abstention."""
    try:
        if any(key in json.dumps(schema) for key in _MAY_TAKE_LONG):
            found: list[str] | None = _schemas.ask(schema, value)
            return found
        return find_fault(make_validator(schema), value)
    except ChildProcessError as error:
        raise CannotJudge("bad schema", str(error)) from None


@verifier("json_schema", version=2, options={"schema": None, "fenced": True, "prose": False}, prepare=_prepare)
def json_schema(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Validate the JSON of a completion against ``schema``, else the row's column ``schema``.

    ``fenced`` lets a fenced block stand for the whole, ``prose`` text around the value. Formats (``date``) are not checked. A
    validation that takes too long is an abstention.
    """
    schema = options["schema"] if options["schema"] is not None else case.fields.get("schema")
    if isinstance(schema, str):
        schema = _loads_schema(schema)
    if schema is None:
        raise CannotJudge("no schema")
    schema = _read_schema(schema)
    try:
        value = read_json(case.completion, fenced=options["fenced"], prose=options["prose"])
    except ValueError as error:
        return Verdict(False, 0.0, "not JSON", str(error)[:300])
    fault = _find_fault(schema, value)
    if fault is None:
        return Verdict(True, 1.0, "valid")
    return Verdict(False, 0.0, f"not valid: {fault[0]}", f"{fault[1]}: {fault[2]}")


def _loads_schema(text: str) -> Any:
    try:
        return read_json(text, fenced=False, prose=False)
    except ValueError as error:
        raise CannotJudge("bad schema", str(error)) from None
