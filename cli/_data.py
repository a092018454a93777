"""``flywheel data``: what the rows of a project are."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..config import RECIPE_FILE, list_methods
from ..errors import InputError, UserError
from ..loop import Decontaminator, count, read_items
from ..store import SHARD_ROWS, Project, Shard, Store, bring_back, list_shards, move_to_shards, require_store
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


@data_command.command("shards")
@click.argument("where", required=False, metavar="[WHERE]")
@click.option("--back", is_flag=True, help="Move the rows of all shards back into the store's file.")
@click.option("--rows", type=click.IntRange(min=1), default=SHARD_ROWS, show_default=True, help="Most rows of a shard.")
@click.pass_obj
def shards_command(root: Path, where: str | None, back: bool, rows: int) -> None:
    """Move requests and samples out of the store's file into Parquet shards that it reads as before.

    WHERE is a folder, or what fsspec knows: s3://bucket/folder. Without it the shards are listed.
    """
    if back and where is not None:
        raise InputError(
            "data shards", expected="a place, or --back", received=f"{where} and --back", cure="leave one of them out"
        )
    project = open_project(root)
    require_store(project)
    store = Store(project)
    if where is None and not back:
        store.upgrade()
        _list_shards(list_shards(store))
        return
    with store.run_lock("flywheel data shards"):
        store.open()
        made = (
            bring_back(store) if where is None else move_to_shards(store, where.removeprefix("parquet://"), rows=rows)
        )
        n = 0
        for shard in made:
            n += shard.n_rows
            click.echo(f"{shard.table}: {count(shard.n_rows, 'row')} {'from' if back else 'to'} {shard.url}")
        click.echo(f"{count(n, 'row')} moved")
        store.close()


def _list_shards(shards: list[Shard]) -> None:
    if shards:
        print_table(["table", "rows", "bytes", "where"], [(s.table, s.n_rows, s.n_bytes, s.url) for s in shards])
    else:
        click.echo("no shards: all rows are in the store's file")


def _cells(checked: "CheckedRows", fate: "OwnFate") -> list[Any]:
    text = " ".join(checked.rows[fate.place].raw.split())
    short = text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"
    return [checked.first + fate.place, fate.step, fate.reason, fate.evidence, short]
