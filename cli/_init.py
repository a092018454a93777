"""``flywheel init``."""

import shutil
from importlib import resources
from pathlib import Path

import click

from ..config import RECIPE_FILE, load_recipe
from ..errors import InputError, NotFoundError

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
    files = [f for f in source.iterdir() if f.is_file() and f.name != "__init__.py"]
    taken = [root / f.name for f in files if (root / f.name).exists()]
    if taken and not force:
        raise InputError(
            f"project folder {root}", expected="no file of the recipe's names", received=f"{taken[0]} is there already",
            cure="choose another folder with flywheel -C DIR, or --force",
        )  # fmt: skip
    root.mkdir(parents=True, exist_ok=True)
    for file in files:
        with resources.as_file(file) as path:
            shutil.copyfile(path, root / file.name)
        click.echo(str(root / file.name))
    click.echo(f"Now: {_next(root)}", err=True)


def _next(root: Path) -> str:
    """Return what to do with a fresh recipe."""
    if load_recipe(root / RECIPE_FILE, {}).suites:
        return f"flywheel -C {root} run"
    return f"flywheel -C {root} ingest FOLDER, then flywheel -C {root} generate --dry-run"
