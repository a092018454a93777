"""``flywheel recipes``."""

from importlib import resources
from pathlib import Path

import click

from ..config import RECIPE_FILE, describe_training, list_needs, load_recipe
from ._packaged import README, RECIPES, find_recipe, list_recipes, list_variants, read_schema, walk_files

COLUMNS = ("name", "what it is for", "trains", "needs", "variants")


@click.command("recipes")
@click.argument("name", required=False)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of recipe files, for editors and other tools.")
def recipes_command(name: str | None, schema: bool) -> None:
    """List the recipes that come with flywheel; with NAME, show what is said of one.

    flywheel init --recipe NAME copies one into the project folder, ready to edit.
    """
    if schema:
        click.echo(read_schema(), nl=False)
        return
    if name is None:
        from ._tables import print_table

        print_table(COLUMNS, [_row(name) for name in list_recipes()])
        return
    folder = find_recipe(name, "flywheel recipes lists them")
    if (folder / README).is_file():
        click.echo((folder / README).read_text(encoding="utf-8").rstrip("\n"))
        return
    for column, text in zip(COLUMNS, _row(name), strict=True):
        if text:
            click.echo(f"{column}: {text}")
    click.echo(f"files: {', '.join(_list_files(name))}")
    click.echo(f"start: flywheel -C DIR init --recipe {name}")


def _row(name: str) -> list[str]:
    with resources.as_file(RECIPES / name) as folder:
        recipe = load_recipe(folder / RECIPE_FILE)
        needs = list_needs(recipe, folder)
        variants = [Path(file).stem for file in list_variants(folder)]
        return [
            name, recipe.description, describe_training(recipe) or "nothing: makes rows",
            ", ".join(needs) or "nothing more", ", ".join(variants),
        ]  # fmt: skip


def _list_files(name: str) -> list[str]:
    """Return the files of a recipe, and of each of its folders how many it has."""
    files = [file for file, _ in walk_files(RECIPES / name)]
    folders: dict[str, int] = {}
    for file in files:
        if "/" in file:
            top = file.split("/")[0]
            folders[top] = folders.get(top, 0) + 1
    return [*(f for f in files if "/" not in f), *(f"{top}/ ({n} files)" for top, n in folders.items())]
