"""Any columns to any output, by a template."""

import json
from collections.abc import Mapping
from typing import Any

from .._generator import REQUIRED, Ask, Completion, Fault, Item, Made, generator
from .._schema import check_schema
from .._text import locate_quote
from ._common import Outcome, why_unfit


@generator(
    "transform",
    options={"template": REQUIRED, "columns": {}, "output": "output", "schema": {}, "prompt": "", "quotes": {}},
    templates=("soap-note", "cobol-to-python", "verify-claim"), yields=("whatever output or schema names",),
    source="flywheel", most=lambda options, draws: (1, draws),
)  # fmt: skip
async def transform(item: Item, ask: Ask) -> Outcome:
    """Map input columns to an output by a template: dialogue → SOAP note, COBOL → Python, claim + evidence → verdict.

    ``columns`` maps the template's variables to the item's columns, where their names differ; any other variable is the
    column of its own name. An item that lacks one is a drop, which names the columns that it has. The completion becomes the field ``output``; with a JSON
    ``schema`` its members become the fields, and the row's completion is that JSON. ``quotes`` maps output fields to the
    input column that each of their quotes must stand in. ``prompt`` names another template, of the same variables, for
    what the trained model sees.
    """
    options = ask.options
    columns: Mapping[str, str] = {name: name for name in ask.variables(options["template"])} | options["columns"]
    missing = [column for column in columns.values() if item.get(column) is None]
    if missing:
        has = ", ".join(sorted(name for name, value in item.values.items() if value is not None))
        yield Fault(
            f"input lacks {missing[0]}", f"options.columns of the step names the columns of the item; it has: {has}"
        )
        return
    values = {variable: _as_text(item.get(column)) for variable, column in columns.items()}
    if options["schema"]:
        check_schema(options["schema"], "options.schema")
        completions = await ask.json(options["template"], schema=options["schema"], **values)
    else:
        completions = await ask(options["template"], **values)
    prompt = ask.render(options["prompt"], **values) if options["prompt"] else None
    for completion in completions:
        for loss in completion.losses():
            yield loss
        if completion.fault is None:
            yield _make(completion, prompt, item, ask)


def _as_text(value: Any) -> Any:
    """Leave lists and mappings to Jinja templates as they are."""
    return value if isinstance(value, str | list | dict | int | float) else str(value)


def _make(completion: Completion, prompt: Any, item: Item, ask: Ask) -> Made | Fault:
    options = ask.options
    if not options["schema"]:
        text = completion.text.strip()
        why = why_unfit(text)
        return completion.fail(why) if why else completion.made(text, prompt=prompt, **{options["output"]: text})
    value = completion.value
    for field, column in options["quotes"].items():
        quotes = value.get(field, ()) if isinstance(value, dict) else ()
        for quote in [quotes] if isinstance(quotes, str) else quotes:
            if locate_quote(_flat(item.get(column)), str(quote)) is None:
                return completion.fail(f"quote not in {column}", value)
    fields = value if isinstance(value, dict) else {options["output"]: value}
    return completion.made(json.dumps(value, ensure_ascii=False), prompt=prompt, **fields)


def _flat(value: Any) -> str:
    """Return a column as one text in which quotes are looked for."""
    if isinstance(value, str):
        return value
    return "\n".join(map(_flat, value)) if isinstance(value, list) else json.dumps(value, ensure_ascii=False)
