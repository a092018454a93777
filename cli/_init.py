"""``flywheel init``."""

import shutil
from importlib import resources
from pathlib import Path

import click

from ..errors import InputError
from ._packaged import find_recipe, list_recipes, say_next, walk_files


@click.command("init")
@click.option(
    "--recipe", "name", default="demo", show_default=True, metavar="NAME",
    help=f"Packaged recipe to start from: {', '.join(list_recipes())}.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.pass_obj
def init_command(root: Path, name: str, force: bool) -> None:
    """Write a recipe, with its comments, its data and all its files, into the project folder."""
    files = dict(walk_files(find_recipe(name, "flywheel recipes lists them")))
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
    click.echo(f"Now: {say_next(root)}", err=True)
