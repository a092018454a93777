"""``flywheel run``."""

from pathlib import Path

import click

from ..errors import CollapseError, RecipeError
from ..loop import describe_outcome, summarize, write_report
from ._common import open_wheel, recipe_options
from ._tables import print_iterations, print_watch


@click.command("run")
@recipe_options
@click.option("--iterations", type=click.IntRange(min=1), default=None, help="Turns in all; default: the recipe's.")
@click.option("--more", type=click.IntRange(min=1), default=None, help="Turns beyond those that are complete.")
@click.option(
    "--dry-run", is_flag=True,
    help="Check everything, name the stages, the rows found and what the steps would ask; ask and train nothing. "
    "Exit code 2 when something is missing.",
)  # fmt: skip
@click.pass_obj
def run_command(
    root: Path, recipe_path: Path | None, seed: int | None, iterations: int | None, more: int | None, dry_run: bool
) -> None:
    """Turn the wheel until the recipe's iterations are complete, or --more beyond those that are.

    Give the same command again after any interruption: nothing that was finished is done twice. Ctrl-C once, while
    completions are drawn, finishes what is in flight and saves it; twice stops at once.
    """
    if iterations and more:
        raise RecipeError(
            "flywheel run", expected="one of --iterations and --more", received="both",
            cure="--iterations counts from the first turn, --more from the last complete one",
        )  # fmt: skip
    if dry_run:
        from ._dry_run import show_dry_run

        show_dry_run(root, recipe_path, seed, iterations, more)
        return
    with open_wheel(root, recipe_path, seed, "flywheel run", tells=True) as wheel:
        try:
            wheel.run(wheel.iterations.current() - 1 + more if more else iterations or wheel.recipe.iterations)
        except CollapseError:
            write_report(root, summarize(wheel.store.project, wheel.run_id))  # the message sends its reader there
            raise
        summary = summarize(wheel.store.project, wheel.run_id)
        path = write_report(root, summary)
    print_iterations(summary)
    print_watch(summary)
    click.echo(describe_outcome(summary))
    click.echo(f"Report: {path}")
