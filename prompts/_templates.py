"""Templates as files: name, variables, source, and what each role says.

Substitution is a single pass over ``{{name}}``: whatever a value contains, braces included, stays text. A variable
that is missing, or that the file does not declare, raises. A project overrides a template with a file of the same
name in its own ``prompts/`` folder.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from ..errors import NotFoundError, RecipeError
from ..schema import Message, content_id

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_KEYS = {"name", "source", "variables", "system", "user"}
PROJECT_FOLDER = "prompts"


@dataclass(frozen=True)
class Template:
    """One version of a prompt template."""

    name: str
    source: str
    variables: tuple[str, ...]
    system: str | None
    user: str

    @cached_property
    def template_id(self) -> str:
        """Tagged hash of everything that shapes the prompt."""
        return content_id("tpl", {"name": self.name, "system": self.system, "user": self.user})

    @property
    def text(self) -> str:
        """Both parts as one text, as it is stored."""
        return self.user if self.system is None else f"[system]\n{self.system}\n[user]\n{self.user}"

    def render(self, values: Mapping[str, str]) -> tuple[Message, ...]:
        """Return the messages of a prompt.

        Raises:
            RecipeError: ``values`` lacks a variable, or has one that is not declared.
        """
        if set(values) != set(self.variables):
            raise RecipeError(
                f"template {self.name}",
                expected=f"values for {', '.join(self.variables)}",
                received=", ".join(sorted(values)) or "none",
                cure="give each variable exactly once",
            )
        messages = [] if self.system is None else [{"role": "system", "content": _fill(self.system, values)}]
        return (*messages, {"role": "user", "content": _fill(self.user, values)})


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values[match[1]], text)


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
            cure="check solve.template in the recipe",
        )
    return parse_template(packaged.read_text(encoding="utf-8"), f"{name}.yaml")


def list_templates() -> list[str]:
    """Return the names of the package's templates."""
    folder = resources.files(__package__) / "templates"
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))


def parse_template(text: str, place: str) -> Template:
    """Read one template file.

    Raises:
        RecipeError: not YAML, an unknown key, or declared and used variables differ.
    """
    try:
        data: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(place, expected="YAML", received=str(error).split("\n")[0], cure="mend the line") from None
    if not isinstance(data, dict) or not {"name", "user"} <= set(data) or not set(data) <= _KEYS:
        keys = sorted(data) if isinstance(data, dict) else type(data).__name__
        raise RecipeError(
            place, expected=f"keys {', '.join(sorted(_KEYS))}", received=str(keys), cure="name and user are required"
        )
    system, user = data.get("system"), str(data["user"])
    declared, used = set(data.get("variables") or ()), set(_VARIABLE.findall(f"{system or ''}{user}"))
    if declared != used:
        raise RecipeError(
            place,
            expected=f"the declared variables {sorted(declared)} to be the used ones",
            received=f"used {sorted(used)}",
            cure="make 'variables' list exactly what the texts use",
        )
    return Template(data["name"], data.get("source") or "", tuple(sorted(declared)), system, user)
