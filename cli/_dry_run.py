"""``flywheel run --dry-run``: what a run would do, and whether it could start."""

from collections.abc import Sequence
from pathlib import Path

import click

from ..config import Recipe, is_wheel
from ..errors import UserError
from ..loop import Ahead, count, look_ahead
from ._common import open_project, open_recipe, open_wheel
from ._generate import print_estimates
from ._packaged import BRINGING, list_commands
from ._tables import print_table


def show_dry_run(
    root: Path, recipe_path: Path | None, seed: int | None, iterations: int | None, more: int | None
) -> None:
    """Print the stages, the rows and what steps would ask; end with exit code 2 where something is missing.

    Nothing is asked, fetched or trained; what is written is the plan, as by ``flywheel generate --dry-run``.
    """
    recipe, base = open_recipe(root, recipe_path, seed)
    found = look_ahead(open_project(root), recipe, base)
    _print_stages(recipe, found, iterations)
    if found.rows:
        rows = [[row.what, row.source, "" if row.n is None else f"{row.n:,}", row.note] for row in found.rows]
        print_table(["rows", "source", "found", "note"], rows)
    if not (found.faults or found.no_rows or found.remote) and (recipe.generate or recipe.problems is not None):
        _print_requests(root, recipe_path, seed, iterations, more)
    elif found.guessed:
        print_estimates(found.guessed, recipe)
    if found.missing:
        _tell_missing(found.missing)
    if found.remote:
        click.echo(f"Fetched when it starts: {', '.join(found.remote)}")
    click.echo(f"It can start: {_name_commands(root, recipe, base, recipe_path, more)}")


def _print_stages(recipe: Recipe, found: Ahead, iterations: int | None) -> None:
    turns = count(iterations or recipe.iterations, "iteration")
    title = f"{recipe.name}: stages of an iteration ({turns})" if is_wheel(recipe) else f"{recipe.name}: stages"
    print_table(["stage", "what"], found.stages, title)


def _print_requests(
    root: Path, recipe_path: Path | None, seed: int | None, iterations: int | None, more: int | None
) -> None:
    """Print what the iteration that is due would ask, or that none is."""
    with open_wheel(root, recipe_path, seed, "flywheel run --dry-run") as wheel:
        iteration = wheel.iterations.current()
        last = iteration - 1 + more if more else iterations or wheel.recipe.iterations
        if is_wheel(wheel.recipe) and iteration > last:
            click.echo(f"{count(last, 'iteration')} complete, none is left to do: --more 1 adds one.")
            return
        with wheel.store.kept_open(will_write=True):
            wheel.begin_iteration(iteration)
        estimates = [*wheel.estimate(iteration), *wheel.estimate_suites(iteration)]
    print_estimates(estimates, wheel.recipe)


def _tell_missing(missing: Sequence[UserError]) -> None:
    """Say all that is missing in their order, each as an error with its cure, and end as the last of them would."""
    for error in missing[:-1]:
        click.echo(f"error: {error.render()}", err=True)
    raise missing[-1]


def _name_commands(root: Path, recipe: Recipe, base: Path, recipe_path: Path | None, more: int | None) -> str:
    """Return the commands that do what was looked at; what brings rows in has been given."""
    commands = [c for c in list_commands(recipe, base) if not c.startswith(BRINGING)]
    flags = f" --recipe {recipe_path}" if recipe_path else ""
    flags += f" --more {more}" if more and commands == ["run"] else ""
    return ", then ".join(f"flywheel -C {root} {command}{flags}" for command in commands)
