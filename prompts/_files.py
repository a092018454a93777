"""Templates as files: the package's own, and a project's, which override them by name."""

from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from ..errors import NotFoundError, RecipeError
from ._templates import VARIABLE, Engine, Template

PROJECT_FOLDER = "prompts"
_KEYS = {"name", "source", "variables", "optional", "images", "engine", "system", "turns", "user"}
_ROLES = ("user", "assistant")


def load_template(name: str, project_root: Path | None = None) -> Template:
    """Find a template: the project's own file first, then the package's.

    Raises:
        NotFoundError: neither has it.
        RecipeError: the file is not a template.
    """
    own = (project_root or Path()) / PROJECT_FOLDER / f"{name}.yaml"
    if project_root is not None and own.is_file():
        return parse_template(own.read_text(encoding="utf-8"), str(own))
    packaged = resources.files(__package__) / "templates" / f"{name}.yaml"
    if not packaged.is_file():
        raise NotFoundError(
            f"template {name!r}",
            expected=f"one of {', '.join(list_templates())}, or a file {own}",
            received="no such template",
            cure="check the template's name in the recipe",
        )
    return parse_template(packaged.read_text(encoding="utf-8"), f"{name}.yaml")


def list_templates() -> list[str]:
    """Return the names of the package's templates."""
    folder = resources.files(__package__) / "templates"
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))


@lru_cache(maxsize=256)
def parse_template(text: str, place: str) -> Template:
    """Read one template file; the same text gives the same, compiled, template.

    Raises:
        RecipeError: not YAML, an unknown key, a wrong shape, or declared and used variables differ.
    """
    data, lines = _read(text, place)
    template = Template(
        name=str(data["name"]), source=data.get("source") or "", system=data.get("system"), user=str(data["user"]),
        variables=tuple(sorted(_names(place, "variables", data.get("variables")))),
        turns=_turns(place, data.get("turns")), engine=_engine(place, data.get("engine")),
        optional=_optional(place, data), images=data.get("images"), place=place, lines=lines,
    )  # fmt: skip
    _check_variables(template)
    return template


def _read(text: str, place: str) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        node, data = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{place}:{mark.line + 1}" if mark else place
        raise RecipeError(where, expected="YAML", received=str(error).split("\n")[0], cure="mend the line") from None
    if not isinstance(data, dict) or not {"name", "user"} <= set(data) or not set(data) <= _KEYS:
        keys = ", ".join(map(str, data)) if isinstance(data, dict) else type(data).__name__
        raise RecipeError(
            place, expected=f"keys {', '.join(sorted(_KEYS))}", received=keys, cure="name and user are required"
        )
    return data, _lines(node)


def _lines(node: Any, prefix: str = "") -> dict[str, int]:
    """Map each text of the file (``user``, ``turns.0``) to the line on which it begins."""
    found: dict[str, int] = {}
    for key, value in node.value:
        name = prefix or key.value
        if isinstance(value, yaml.ScalarNode):
            found[name] = value.start_mark.line + (2 if value.style in ("|", ">") else 1)
        elif isinstance(value, yaml.SequenceNode) and key.value == "turns":
            for i, turn in enumerate(value.value):
                if isinstance(turn, yaml.MappingNode):
                    found |= _lines(turn, f"turns.{i}")
    return found


def _names(place: str, key: str, value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(name, str) and name.isidentifier() for name in value):
        raise RecipeError(f"{place}: key {key}", expected="a list of names", received=repr(value), cure="mend the list")
    return value


def _optional(place: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Read ``optional``: names (empty text stands in), or names with what stands in. The images are always optional."""
    value = data.get("optional")
    found: dict[str, Any] = (
        dict(value) if isinstance(value, dict) else dict.fromkeys(_names(place, "optional", value), "")
    )
    images = data.get("images")
    if images is not None:
        found[_names(place, "images", [images])[0]] = ()
    return found


def _turns(place: str, value: Any) -> tuple[tuple[str, str], ...]:
    turns = value or []
    good = isinstance(turns, list) and all(
        isinstance(t, dict) and set(t) == {"role", "content"} and t["role"] in _ROLES for t in turns
    )
    if not good:
        raise RecipeError(
            f"{place}: key turns", expected=f"a list of mappings with role ({' or '.join(_ROLES)}) and content",
            received=repr(value)[:200], cure="mend the list",
        )  # fmt: skip
    return tuple((t["role"], str(t["content"])) for t in turns)


def _engine(place: str, value: Any) -> Engine:
    if value not in (None, "plain", "jinja"):
        raise RecipeError(
            f"{place}: key engine", expected="plain or jinja", received=repr(value), cure="change the value"
        )
    return "jinja" if value == "jinja" else "plain"


def _check_variables(template: Template) -> None:
    used: set[str] = {template.images} if template.images else set()
    for key, _, text in template.parts:
        used |= (
            template.compile_jinja(key, text).variables if template.engine == "jinja" else set(VARIABLE.findall(text))
        )
    declared = {*template.variables, *template.optional}
    if declared != used or set(template.variables) & set(template.optional):
        raise RecipeError(
            template.place,
            expected=f"the declared variables {sorted(declared)} to be the used ones, each declared once",
            received=f"used {sorted(used)}",
            cure="make 'variables' and 'optional' list exactly what the texts use",
        )
