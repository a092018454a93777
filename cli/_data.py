"""``flywheel data``: what the rows of a project are."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config import RECIPE_FILE, list_methods
from ..errors import UserError
from ..loop import Decontaminator, count, read_items
from ..store import Project
from ..train import METHODS
from ._common import open_project, open_recipe, recipe_options
from ._tables import print_table

if TYPE_CHECKING:
    from ..loop import CheckedRows, OwnFate

SHOWN_CHARS = 80
"""Most characters of a row that are shown."""


@click.group("data")
def data_command() -> None:
    """Look at the data: what rows are made of, what was dropped, and what a training would leave out."""


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


@data_command.command("check")
@recipe_options
@click.option(
    "--method", type=click.Choice(list(METHODS)), default=None, help="Default: the one that the recipe trains by."
)
@click.option(
    "--by", "column", default=None, metavar="COLUMN", help="Count the rows by what stands in a column of theirs."
)
@click.pass_context
def check_command(
    context: click.Context, recipe_path: Path | None, seed: int | None, method: str | None, column: str | None
) -> None:
    """Say which of the recipe's train.rows a training would leave out, and why; train nothing.

    Ends with 1 where a row goes, 0 where all stay.
    """
    from ..loop import check_own, tabulate_rows

    root: Path = context.obj
    recipe, base = open_recipe(root, recipe_path, seed)
    checked = check_own(open_project(root), recipe, base, method or (list_methods(recipe) or ["sft"])[0])
    if column is not None:
        print_table([column, "rows", "stay", "words"], tabulate_rows(checked, column))
    if checked.fates:
        print_table(["row", "step", "reason", "evidence", "text"], [_cells(checked, fate) for fate in checked.fates])
    n, gone = len(checked.rows), len(checked.fates)
    click.echo(f"{checked.source}: {count(n, 'row')}, {n - gone} would be trained on, {gone} not")
    context.exit(1 if gone else 0)


def _cells(checked: "CheckedRows", fate: "OwnFate") -> list[Any]:
    text = " ".join(checked.rows[fate.place].raw.split())
    short = text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
    return [checked.first + fate.place, fate.step, fate.reason, fate.evidence, short]
