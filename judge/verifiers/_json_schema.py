"""The ``json_schema`` verifier: JSON that a schema allows."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import RecipeError
from .._verdict import Verdict
from ._json_text import read_json
from ._verifier import CannotJudge, Case, verifier


def _prepare(options: Mapping[str, Any], place: str) -> Sequence[str]:
    if options["schema"] is not None:
        try:
            _validator(options["schema"])
        except CannotJudge as error:
            raise RecipeError(
                f"{place}.schema", expected="a JSON schema", received=str(error.evidence), cure="mend the schema"
            ) from None
    return ()


def _validator(schema: Any) -> Any:
    """Return a validator that fetches nothing: a reference to another document is an abstention."""
    from jsonschema import exceptions, validators
    from referencing import Registry

    inner = schema.get("schema") if isinstance(schema, Mapping) else None
    if isinstance(inner, Mapping) and "type" not in schema:
        schema = inner  # OpenAI's response_format: {name, strict, schema}
    if not isinstance(schema, Mapping | bool):
        raise CannotJudge("bad schema", f"{type(schema).__name__}, expected an object")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of an unknown $schema: the newest draft stands in
        kind = validators.validator_for(schema, default=validators.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except exceptions.SchemaError as error:
        raise CannotJudge("bad schema", f"{error.json_path}: {error.message}"[:300]) from None
    return kind(schema, registry=Registry())


@verifier("json_schema", options={"schema": None, "fenced": True, "prose": False}, prepare=_prepare)
def json_schema(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Validate the JSON of a completion against ``schema``, else the row's column ``schema``.

    ``fenced`` lets a fenced block stand for the whole, ``prose`` text around the value. Formats (``date``) are not checked.
    """
    schema = options["schema"] if options["schema"] is not None else case.fields.get("schema")
    if isinstance(schema, str):
        schema = _loads_schema(schema)
    if schema is None:
        raise CannotJudge("no schema")
    validator = _validator(schema)
    try:
        value = read_json(case.completion, fenced=options["fenced"], prose=options["prose"])
    except ValueError as error:
        return Verdict(False, 0.0, "not JSON", str(error)[:300])
    fault = min(validator.iter_errors(value), key=lambda e: (e.json_path, e.message), default=None)
    if fault is None:
        return Verdict(True, 1.0, "valid")
    return Verdict(False, 0.0, f"not valid: {fault.validator}", f"{fault.json_path}: {fault.message}")


def _loads_schema(text: str) -> Any:
    try:
        return read_json(text, fenced=False, prose=False)
    except ValueError as error:
        raise CannotJudge("bad schema", str(error)) from None
