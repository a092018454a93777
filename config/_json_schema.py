"""The JSON Schema of recipe files, by which editors complete, explain and check them while they are written.

It is made of the models, with their docstrings as descriptions. It says what a file may hold: what only its values together can
break (a gate on a suite that is not there) is told by flywheel when it reads the recipe.
"""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from ._extends import EXTENDS
from ._names import GENERATORS, JUDGE_KEYS, JUDGE_KINDS, PANEL_KEYS, VERIFIERS
from ._recipe import Recipe

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DEFS = "#/$defs/"


def make_recipe_schema() -> dict[str, Any]:
    """Return the schema of recipe files, those that extend others included: what these must have may stand in the other."""
    schema = Recipe.model_json_schema()
    models = {model.__name__: model for model in _walk_models(Recipe, set())}
    for name, part in [(Recipe.__name__, schema), *schema["$defs"].items()]:
        if name in models:
            _describe(part, models[name])
    for part in (schema, *_reached_by_keys(schema)):
        part.pop("required", None)
    schema["properties"] = {
        EXTENDS: {
            "type": "string",
            "description": "The recipe file that this one differs from, from this file's folder: mappings merge key by key, "
            "anything else replaces.",
        },
        **schema["properties"],
    }
    _offer_names(schema)
    _close_judges(schema["$defs"]["JudgeConfig"])
    _close_trainers(schema["$defs"])
    schema["anyOf"] = [{"required": ["name"]}, {"required": [EXTENDS]}]
    return {"$schema": DIALECT, **_without_noise(schema), "title": "A recipe of flywheel"}


def _offer_names(schema: dict[str, Any]) -> None:
    """Let editors complete names of generators and verifiers, and refuse a kind of judge that there is not. Files, modules and entry
    points have names of their own, so that any other text passes where these may stand.
    """
    defs = schema["$defs"]
    defs["JudgeConfig"]["properties"]["kind"]["enum"] = list(JUDGE_KINDS)
    _offer(defs["StepConfig"]["properties"]["generator"], GENERATORS)
    _offer(schema["properties"]["verifier"], VERIFIERS)
    for name, key in (("VerifierConfig", "name"), ("JudgeConfig", "verifier"), ("RewardConfig", "verifier")):
        _offer(defs[name]["properties"][key], VERIFIERS)


def _close_judges(part: dict[str, Any]) -> None:
    """Refuse keys that no judge has, and of each kind those of the others; what they hold is told when the recipe is read."""
    keys = list(dict.fromkeys([*(key for own in JUDGE_KEYS.values() for key in own), *PANEL_KEYS]))
    for key in keys:
        kinds = [kind for kind, own in JUDGE_KEYS.items() if key in own or key in PANEL_KEYS]
        part["properties"][key] = {"description": f"Of {', '.join(kinds)}: docs/judges.md."}
    part["additionalProperties"] = False
    part["allOf"] = [
        {"if": _is_kind(kind), "then": {"properties": {key: False for key in keys if key not in (*own, *PANEL_KEYS)}}}
        for kind, own in JUDGE_KEYS.items()
    ]


def _is_kind(kind: str) -> dict[str, Any]:
    """Return the schema of a judge of a kind; one that names none is a rubric."""
    named = {"properties": {"kind": {"const": kind}}}
    return named if kind == "rubric" else {**named, "required": ["kind"]}


def _close_trainers(defs: dict[str, Any]) -> None:
    """Refuse keys that no trainer of the versions in use has."""
    known = json.loads((resources.files(__package__) / "trainer_keys.json").read_text("utf-8"))
    for name, keys in known.items():
        _close(defs["TrainConfig"]["properties"][name], keys)
    every = sorted({key for name, keys in known.items() if name not in ("peft", "quantization") for key in keys})
    _close(defs["CurriculumStage"]["properties"]["args"], every)


def _close(part: dict[str, Any], keys: Sequence[str]) -> None:
    """Let a mapping have certain keys only."""
    mapping = next(one for one in part.get("anyOf", [part]) if one.get("type") == "object")
    mapping["properties"] = {key: {} for key in keys}
    mapping["additionalProperties"] = False


def _offer(part: dict[str, Any], names: Sequence[str]) -> None:
    """Name texts that a key of text may have, before any other."""
    others = part.pop("anyOf", None) or [{k: part.pop(k) for k in ("type", "minLength") if k in part}]
    part["anyOf"] = [{"enum": list(names)}, *others]


def render_recipe_schema() -> str:
    """Return the schema as the text of a file."""
    return json.dumps(make_recipe_schema(), indent=1, ensure_ascii=False) + "\n"


def _walk_models(model: type[BaseModel], met: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    if model in met:
        return
    met.add(model)
    yield model
    for field in model.model_fields.values():
        for part in _types_in(field.annotation):
            yield from _walk_models(part, met)


def _types_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _types_in(part)


def _describe(part: dict[str, Any], model: type[BaseModel]) -> None:
    """Put what stands under a model and under its fields beside their schemas."""
    part["description"] = _flow(inspect.getdoc(model) or "")
    for base in reversed(model.__mro__):
        for name, text in _read_docstrings(base).items():
            if name in part.get("properties", {}):
                part["properties"][name]["description"] = text


@cache
def _read_docstrings(model: type) -> dict[str, str]:
    """Return the docstring under each field of a class."""
    module = sys.modules[model.__module__]
    node = _classes_of(module).get(model.__name__) if model.__module__.startswith(__package__ or "flywheel") else None
    found = {}
    for field, said in zip(node.body, node.body[1:], strict=False) if node else ():
        is_text = (
            isinstance(said, ast.Expr) and isinstance(said.value, ast.Constant) and isinstance(said.value.value, str)
        )
        if is_text and isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            found[field.target.id] = _flow(str(said.value.value))  # type: ignore[attr-defined]  # is_text
    return found


@cache
def _classes_of(module: ModuleType) -> dict[str, ast.ClassDef]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(module)))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _flow(text: str) -> str:
    """Return a docstring with its lines joined, paragraphs kept, in the plain text that editors show."""
    paragraphs = [" ".join(p.split()) for p in text.replace("``", "`").split("\n\n")]
    return "\n\n".join(p for p in paragraphs if p)


def _reached_by_keys(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the definitions that are reached through mappings alone: these merge, while lists are written whole."""
    found: dict[str, dict[str, Any]] = {}
    todo = list(schema["properties"].values())
    while todo:
        part = todo.pop()
        todo += part.get("anyOf", []) + part.get("allOf", [])
        name = part.get("$ref", "").removeprefix(_DEFS)
        if name and name not in found:
            found[name] = schema["$defs"][name]
            todo += found[name].get("properties", {}).values()
    return list(found.values())


def _without_noise(part: Any) -> Any:
    """Leave out titles that repeat a key, and defaults that are mappings: their own keys say them."""
    if isinstance(part, list):
        return [_without_noise(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {}
    for key, value in part.items():
        if (key == "title" and isinstance(value, str)) or (
            key == "default" and isinstance(value, dict | list) and value
        ):
            continue
        kept[key] = _without_noise(value)
    return kept


if __name__ == "__main__":  # python -m flywheel.config._json_schema > recipes/recipe.schema.json
    sys.stdout.write(render_recipe_schema())
