"""The recipes that come with flywheel: which there are, their files and schema, and what to do with a fresh one."""

import re
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from ..config import DOCUMENTS, EXTENDS, RECIPE_FILE, Recipe, is_wheel, list_methods, load_recipe, parse_yaml
from ..errors import NotFoundError

RECIPES = resources.files("flywheel.recipes")
README = "README.md"
BRINGING = ("ingest ", "import ")
"""How the commands begin that bring rows in."""
SCHEMA = "recipe.schema.json"
_MARK = re.compile(r"^# yaml-language-server: \$schema=\S+$", re.MULTILINE)
"""The line by which a YAML file tells editors its schema."""


def list_recipes() -> list[str]:
    """Return the names of the packaged recipes."""
    return sorted(f.name for f in RECIPES.iterdir() if f.is_dir() and (f / RECIPE_FILE).is_file())


def find_recipe(name: str, cure: str) -> Traversable:
    """Return the folder of a packaged recipe.

    Raises:
        NotFoundError: there is none of that name.
    """
    if name not in list_recipes():
        raise NotFoundError(
            f"recipe {name!r}", expected=f"one of {', '.join(list_recipes())}", received="no such recipe", cure=cure
        )
    return RECIPES / name


def walk_files(folder: Traversable, under: str = "") -> Iterator[tuple[str, Traversable]]:
    """Yield (path under the recipe's folder, file) of a recipe's files, those of its folders too."""
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.startswith("__"):
            continue
        if entry.is_dir():
            yield from walk_files(entry, f"{under}{entry.name}/")
        else:
            yield under + entry.name, entry


def read_schema() -> str:
    """Return the JSON Schema of recipe files."""
    return (RECIPES / SCHEMA).read_text(encoding="utf-8")


def point_to_schema(text: str, path: str) -> str:
    """Return a YAML file's text with the line by which editors find the schema; one without such a line is left as it is.

    Args:
        text: the file's.
        path: of the schema, from the file's folder.
    """
    return _MARK.sub(f"# yaml-language-server: $schema={path}", text, count=1)


def list_variants(folder: Traversable) -> list[str]:
    """Return the files of a recipe's folder that extend another: what ``--recipe`` takes beside ``recipe.yaml``."""
    names = [name for name, _ in walk_files(folder) if name.endswith((".yaml", ".yml")) and "/" not in name]
    return [name for name in names if name != RECIPE_FILE and _extends(folder / name)]


def _extends(file: Traversable) -> bool:
    data = parse_yaml(file.read_text(encoding="utf-8"), file.name)[1]
    return isinstance(data, dict) and EXTENDS in data


def list_commands(recipe: Recipe, base: Path) -> list[str]:
    """Return the commands, in their order, that do what a recipe is for: rows in, then made, trained on, scored.

    Args:
        recipe: the recipe.
        base: its folder; documents that lie in it are named.
    """
    sources = {step.source for step in recipe.generate}
    commands = []
    if "chunks" in sources:
        commands.append(f"ingest {base / DOCUMENTS if (base / DOCUMENTS).is_dir() else 'FOLDER'}")
    if "imported" in sources and not recipe.serve.ingest:
        commands.append("import FILE")
    if is_wheel(recipe):
        return [*commands, "run"]
    if recipe.generate or recipe.problems is not None:
        commands.append("generate")
    commands += [f"train --method {method}" for method in list_methods(recipe)]
    return [*commands, "eval"] if recipe.suites else commands


def say_next(root: Path) -> str:
    """Return what to do with a fresh recipe in ``root``."""
    recipe = load_recipe(root / RECIPE_FILE)
    if recipe.commands:
        return f"in {root}: {', then '.join(f'flywheel {command}' for command in recipe.commands)}"
    commands = list_commands(recipe, root)
    return ", then ".join(f"flywheel -C {root} {command}" for command in commands)
