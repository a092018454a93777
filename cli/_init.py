"""``flywheel init``."""

import shutil
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from ..config import RECIPE_FILE, load_recipe
from ..errors import InputError, NotFoundError

DOCUMENTS = "documents"
RECIPES = resources.files("flywheel.recipes")


def list_recipes() -> list[str]:
    """Return the names of the packaged recipes."""
    return sorted(f.name for f in RECIPES.iterdir() if f.is_dir() and (f / RECIPE_FILE).is_file())


@click.command("init")
@click.option(
    "--recipe", "name", default="demo", show_default=True, metavar="NAME",
    help=f"Packaged recipe to start from: {', '.join(list_recipes())}.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.pass_obj
def init_command(root: Path, name: str, force: bool) -> None:
    """Write a recipe, with its comments and its data, into the project folder."""
    if name not in list_recipes():
        raise NotFoundError(
            f"recipe {name!r}",
            expected=f"one of {', '.join(list_recipes())}",
            received="no such recipe",
            cure="check --recipe",
        )
    source = RECIPES / name
    files = dict(_walk(source))
    taken = [root / name for name in files if (root / name).exists()]
    if taken and not force:
        raise InputError(
            f"project folder {root}", expected="no file of the recipe's names", received=f"{taken[0]} is there already",
            cure="choose another folder with flywheel -C DIR, or --force",
        )  # fmt: skip
    for name, file in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        with resources.as_file(file) as path:
            shutil.copyfile(path, root / name)
    for folder in sorted({Path(name).parts[0] for name in files}):
        click.echo(str(root / folder))
    click.echo(f"Now: {_next(root)}", err=True)


def _walk(folder: Traversable, under: str = "") -> Iterator[tuple[str, Traversable]]:
    """Yield (path under the recipe's folder, file) of a recipe's files, those of its documents too."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _walk(entry, f"{under}{entry.name}/")
        elif not entry.name.startswith("__"):
            yield under + entry.name, entry


def _next(root: Path) -> str:
    """Return what to do with a fresh recipe."""
    if load_recipe(root / RECIPE_FILE, {}).suites:
        return f"flywheel -C {root} run"
    documents = root / DOCUMENTS if (root / DOCUMENTS).is_dir() else "FOLDER"
    return f"flywheel -C {root} ingest {documents}, then flywheel -C {root} generate --dry-run"
