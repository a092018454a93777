"""``flywheel recipes``."""

from importlib import resources
from pathlib import Path

import click

from ..config import RECIPE_FILE, describe_training, list_needs, load_recipe
from ._packaged import README, RECIPES, find_recipe, list_recipes, list_variants, read_schema

COLUMNS = ("name", "what it is for", "trains", "needs", "variants")


@click.command("recipes")
@click.argument("name", required=False)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of recipe files, for editors and other tools.")
def recipes_command(name: str | None, schema: bool) -> None:
    """List the recipes that come with flywheel; with NAME, show the README of one.

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
    click.echo((folder / README).read_text(encoding="utf-8").rstrip("\n"))


def _row(name: str) -> list[str]:
    with resources.as_file(RECIPES / name) as folder:
        recipe = load_recipe(folder / RECIPE_FILE)
        needs = list_needs(recipe, folder)
        variants = [Path(file).stem for file in list_variants(folder)]
        return [
            name, recipe.description, describe_training(recipe) or "nothing: makes rows",
            ", ".join(needs) or "nothing more", ", ".join(variants),
        ]  # fmt: skip
