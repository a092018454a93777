"""``flywheel init``."""

import os
import shutil
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from ..errors import InputError
from ._packaged import SCHEMA, find_recipe, list_recipes, point_to_schema, read_schema, say_next, walk_files


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
    schema = _write_schema(root)
    for name, file in files.items():
        _copy(file, root / name, schema)
    for folder in sorted({Path(name).parts[0] for name in files}):
        click.echo(str(root / folder))
    click.echo(f"Now: {say_next(root)}", err=True)


def _write_schema(root: Path) -> Path:
    """Put the schema of recipe files where editors find it, and ingestion does not."""
    from ..store import Project  # DuckDB is not needed for --help

    folder = Project(root).state
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCHEMA).write_text(read_schema(), encoding="utf-8")
    return folder / SCHEMA


def _copy(file: Traversable, target: Path, schema: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix in (".yaml", ".yml"):
        path = Path(os.path.relpath(schema, target.parent)).as_posix()
        target.write_text(point_to_schema(file.read_text(encoding="utf-8"), path), encoding="utf-8")
        return
    with resources.as_file(file) as source:
        shutil.copyfile(source, target)
