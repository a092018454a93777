"""Validation of a JSON value by a schema that may take for ever: ``pattern`` runs Python's backtracking expressions."""

import warnings
from typing import Any


def work(schema: Any, value: Any) -> list[str] | None:
    """Return keyword, place and message of the first fault of ``value``; None where the schema allows it."""
    return find_fault(make_validator(schema), value)


def make_validator(schema: Any) -> Any:
    """Return a validator that fetches nothing.

    Raises:
        jsonschema.SchemaError: it is no JSON schema.
    """
    from jsonschema import validators
    from referencing import Registry

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of an unknown $schema: the newest draft stands in
        kind = validators.validator_for(schema, default=validators.Draft202012Validator)
    kind.check_schema(schema)
    return kind(schema, registry=Registry())


def find_fault(validator: Any, value: Any) -> list[str] | None:
    """Return keyword, place and message of the first fault, in the order of places; None without one."""
    fault = min(validator.iter_errors(value), key=lambda e: (e.json_path, e.message), default=None)
    return None if fault is None else [str(fault.validator), fault.json_path, fault.message]
