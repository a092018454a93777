"""Recipe files: YAML to :class:`Recipe`, each fault with its line, the key, and the nearest valid one."""

import difflib
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from ..errors import NotFoundError, RecipeError
from ._recipe import Recipe

RECIPE_FILE = "recipe.yaml"


def load_recipe(path: Path, overrides: dict[str, Any] | None = None) -> Recipe:
    """Read, complete with ``overrides`` (top-level keys), and validate a recipe.

    Raises:
        NotFoundError: there is no such file.
        RecipeError: not YAML, an unknown key, or a value that is not allowed.
    """
    if not path.is_file():
        raise NotFoundError(
            f"recipe {path}", expected="a recipe file", received="no such file", cure="write one with: flywheel init"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(
            str(path), expected="text in UTF-8", received=str(error), cure="save the file as UTF-8"
        ) from None
    node, data = _parse(path, text)
    data.update(overrides or {})
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise _explain(path, node, error) from None


def _parse(path: Path, text: str) -> tuple[yaml.Node | None, dict[str, Any]]:
    try:
        node, data = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error)
        raise RecipeError(where, expected="YAML", received=problem, cure="mend the line") from None
    if not isinstance(data, dict):
        raise RecipeError(
            str(path),
            expected="a mapping of recipe keys",
            received="nothing" if data is None else f"a {type(data).__name__}",
            cure="write one with: flywheel init",
        )
    return node, data


def _explain(path: Path, node: yaml.Node | None, error: ValidationError) -> RecipeError:
    """Turn pydantic's first fault into a message with place and cure; the others are listed after it."""
    faults = sorted(
        error.errors(), key=lambda fault: fault["type"] != "extra_forbidden"
    )  # a misspelt key explains a missing one
    messages = [_explain_one(path, node, fault) for fault in faults]
    first = messages[0]
    more = [f"{m.place}: {m.received}" for m in messages[1:4]]
    cure = first.cure + ("" if not more else "; then also: " + "; ".join(more))
    return RecipeError(first.place, expected=first.expected, received=first.received, cure=cure)


def _explain_one(path: Path, node: yaml.Node | None, fault: Any) -> RecipeError:
    loc = tuple(part for part in fault["loc"])
    place = f"{path}:{_line_of(node, loc)}: key {'.'.join(map(str, loc)) or '(whole recipe)'}"
    if fault["type"] == "extra_forbidden":
        valid = _valid_keys(loc[:-1])
        near = difflib.get_close_matches(str(loc[-1]), valid, n=1, cutoff=0.4)
        cure = f"did you mean {near[0]!r}?" if near else "remove the key"
        return RecipeError(place, expected=f"one of {', '.join(valid)}", received=f"unknown key {loc[-1]!r}", cure=cure)
    if fault["type"] == "missing":
        return RecipeError(place, expected="a value", received="nothing", cure=f"add {loc[-1]!r}")
    return RecipeError(place, expected=fault["msg"], received=repr(fault.get("input"))[:200], cure="change the value")


def _valid_keys(loc: tuple[Any, ...]) -> list[str]:
    model: Any = Recipe
    for part in loc:
        if isinstance(part, int):
            continue
        model = _model_in(model.model_fields[part].annotation)
    return list(model.model_fields)


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(_model_in, get_args(annotation)) if m is not None), None)


def _line_of(node: yaml.Node | None, loc: tuple[Any, ...]) -> int:
    """Return the line of the deepest part of ``loc`` that the YAML has."""
    line = 1
    for part in loc:
        child = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, child = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            child = node.value[part]
            line = child.start_mark.line + 1
        if child is None:
            return line
        node = child
    return line
