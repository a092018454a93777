"""``flywheel data``: what the rows of a project are."""

from pathlib import Path

import click

from ..config import RECIPE_FILE
from ..errors import UserError
from ..loop import Decontaminator, read_items
from ..store import Project
from ._common import open_project, open_recipe


@click.group("data")
def data_command() -> None:
    """Look at the data: what rows are made of, and what was dropped."""


@data_command.command("report")
@click.option(
    "--rows", "what", type=click.Choice(["trained", "accepted", "all"]), default=None,
    help="Which samples; default: those in training sets, else the accepted ones, else all.",
)  # fmt: skip
@click.option(
    "--recipe", "recipe_path", type=click.Path(path_type=Path), default=None, metavar="FILE",
    help=f"Whose suites the rows are searched for; default: {RECIPE_FILE} in the project folder, if there is one.",
)  # fmt: skip
@click.pass_obj
def report_command(root: Path, what: str | None, recipe_path: Path | None) -> None:
    """Write the data card: data-card.md with plots, in the project folder.

    Where there is a recipe with suites, the rows are searched for their items.
    """
    from ..judge.curate import read_card, write_card

    project = open_project(root)
    items, why_not = _find_items(project, root, recipe_path)
    click.echo(str(write_card(root, read_card(project, what, items, why_not))))


def _find_items(project: Project, root: Path, recipe_path: Path | None) -> tuple[Decontaminator | None, str]:
    """Return what knows the evaluation items, or why there is none; a recipe that was not asked for stops no report."""
    if recipe_path is None and not (root / RECIPE_FILE).is_file():
        return None, f"there is no {RECIPE_FILE} that names suites (--recipe FILE)"
    try:
        recipe, base = open_recipe(root, recipe_path, None)
        if not recipe.suites:
            return None, "the recipe has no suites"
        return read_items(project, recipe, base), ""
    except UserError as error:
        if recipe_path is not None:
            raise
        return None, f"the suites of {RECIPE_FILE} cannot be read ({' '.join(str(error).split())})"
