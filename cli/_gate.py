"""``flywheel gate``: what was decided and why, and what would be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..errors import NotFoundError
from ..loop import (
    add_scores,
    describe_account,
    explain_decision,
    propose,
    read_decisions,
    read_unscored,
    show_difference,
    show_interval,
)
from ._common import open_project, open_wheel, recipe_options
from ._status import find_latest_run
from ._tables import print_table

Row = dict[str, Any]
COLUMNS = [
    "k",
    "iteration",
    "stage",
    "suite",
    "n",
    "won",
    "lost",
    "Δ",
    "95 % interval",
    "p",
    "level",
    "promoted",
    "why",
]


@click.command("gate")
@recipe_options
@click.option(
    "--explain", is_flag=False, flag_value="all", default=None, metavar="[ITERATION|CHECKPOINT]",
    help="Tell in plain words why challengers were promoted or kept out; of an iteration, of a checkpoint, or all.",
)  # fmt: skip
@click.option(
    "--check", nargs=2, default=None, metavar="BEFORE AFTER",
    help="Rule on two scored checkpoints by the recipe, without deciding anything.",
)  # fmt: skip
@click.pass_obj
def gate_command(
    root: Path, recipe_path: Path | None, seed: int | None, explain: str | None, check: tuple[str, str] | None
) -> None:
    """Show the decisions of the run that was active last, and what is left of its level."""
    if check is not None:
        click.echo(_check(root, recipe_path, seed, *check))
        return
    project = open_project(root)
    run_id = find_latest_run(project)
    decisions = [] if run_id is None else read_decisions(project, run_id)
    if not decisions:
        raise NotFoundError(
            f"project {project.root}", expected="a decision", received="none",
            cure="flywheel run makes some; flywheel gate --check BEFORE AFTER rules on two scored checkpoints",
        )  # fmt: skip
    if explain is not None:
        click.echo("\n\n".join(explain_decision(rows) for rows in _chosen(decisions, explain)))
    else:
        print_table(COLUMNS, [_cells(rows[0]) for rows in decisions], "Decisions")
    click.echo(("\n" if explain else "") + describe_account(decisions))


def _chosen(decisions: Sequence[list[Row]], wanted: str) -> list[list[Row]]:
    """Return the decisions of an iteration, of a checkpoint (a beginning of its id will do), or all.

    Raises:
        NotFoundError: there is none.
    """
    found = [
        rows
        for rows in decisions
        if wanted == "all" or wanted == str(rows[0]["iteration"]) or rows[0]["checkpoint_id"].startswith(wanted)
    ]
    if not found:
        known = ", ".join(f"{r[0]['iteration']} ({r[0]['stage']}, {r[0]['checkpoint_id']})" for r in decisions)
        raise NotFoundError(
            f"--explain {wanted}", expected=f"an iteration or a checkpoint that was decided on: {known}",
            received="no such decision", cure="flywheel gate --explain tells all",
        )  # fmt: skip
    return found


def _cells(row: Row) -> list[Any]:
    interval = "" if row["low"] is None else show_interval(row)
    return [
        row["k"], row["iteration"], row["stage"], row["suite"], row["n"], row["won"], row["lost"],
        show_difference(row, row["delta"]), interval, f"{row['p_value']:.2g}",
        "" if row["level"] is None else f"{row['level']:.2g}", "yes" if row["promoted"] else "no", row["reason"],
    ]  # fmt: skip


def _check(root: Path, recipe_path: Path | None, seed: int | None, before: str, after: str) -> str:
    """Return what the gate would say of two checkpoints at the level of the run's next decision.

    Raises:
        NotFoundError: one of them is not there, or not scored on the recipe's suites.
    """
    with open_wheel(root, recipe_path, seed, "flywheel gate") as wheel:
        old, new = (wheel.checkpoints.find(name).checkpoint_id for name in (before, after))
        for checkpoint_id in (old, new, wheel.checkpoints.first().checkpoint_id):
            if missing := read_unscored(wheel.store, checkpoint_id, wheel.splits):
                raise NotFoundError(
                    f"--check: checkpoint {checkpoint_id}", expected="scores on every suite of the recipe",
                    received=f"none on {', '.join(missing)}", cure=f"flywheel eval --checkpoint {checkpoint_id}",
                )  # fmt: skip
        ruling, rows = propose(
            wheel.store, wheel.recipe, wheel.splits, run_id=wheel.run_id, iteration=None, stage=None, challenger=new,
            champion=old,
        )  # fmt: skip
        told = add_scores(wheel.store, rows)
    outcome = "would be promoted" if ruling.promoted else "would be kept out"
    return "\n".join([
        explain_decision(told, title=f"{new} against {old}: {outcome}"),
        "Nothing was decided or written down. A look like this is not counted: acting on many of them is not covered by the level.",
    ])  # fmt: skip
