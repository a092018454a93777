"""``flywheel stop`` and ``flywheel rollback``."""

from pathlib import Path

import click

from ..loop import stop_run
from ..store import Project, run_query
from ._common import open_project, open_wheel, recipe_options
from ._tables import print_table

CHAMPIONS = """
    SELECT number, iteration, how, stage, checkpoint_id, is_current, created_at FROM champions
    WHERE run_id = '{run_id}' ORDER BY number
"""


@click.command("stop")
@click.option(
    "--wait", "wait_s", type=click.FloatRange(min=0), default=600.0, show_default=True, metavar="SECONDS",
    help="How long to wait for its end; 0 = only tell it.",
)  # fmt: skip
@click.pass_obj
def stop_command(root: Path, wait_s: float) -> None:
    """Let the command that owns the project (run, generate, train, …) finish what is in flight, save it, and end.

    The same command goes on from there. A schedule goes on, too: its next turn starts when it is due.
    """
    owner = stop_run(open_project(root), wait_s)
    if owner is None:
        click.echo("Nothing is running here.")
    else:
        click.echo(f"Told process {owner}." if not wait_s else f"Stopped process {owner}; the same command goes on.")


@click.command("rollback")
@click.argument("checkpoint", required=False)
@recipe_options
@click.option("--reason", default=None, help="Why; it stands in the store beside who and when.")
@click.option("--list", "only_list", is_flag=True, help="Show the champions of the run, and change nothing.")
@click.pass_obj
def rollback_command(
    root: Path, checkpoint: str | None, recipe_path: Path | None, seed: int | None, reason: str | None, only_list: bool
) -> None:
    """Make an earlier champion the one in use: CHECKPOINT (an id or its beginning), or the one before.

    What the gate decided stays on record. The next challenger has to beat the champion that is in use then.
    """
    with open_wheel(root, recipe_path, seed, "flywheel rollback") as wheel:
        if not only_list:
            former, chosen = wheel.roll_back(checkpoint, reason)
            click.echo(f"{former} → {chosen}")
        _print_champions(wheel.store.project, wheel.run_id)


def _print_champions(project: Project, run_id: str) -> None:
    rows = run_query(project, CHAMPIONS.format(run_id=run_id)).table.to_pylist()
    columns = ["", "iteration", "how", "stage", "checkpoint", "since", "in use"]
    cells = [
        [r["number"], r["iteration"], r["how"], r["stage"] or "", r["checkpoint_id"], f"{r['created_at']:%Y-%m-%d %H:%M}",
         "yes" if r["is_current"] else ""]
        for r in rows
    ]  # fmt: skip
    print_table(columns, cells, "Champions")
