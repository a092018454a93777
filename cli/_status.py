"""``flywheel status`` and ``flywheel report``."""

from pathlib import Path

import click

from ..loop import count, describe_outcome, summarize, write_report
from ._common import open_project
from ._tables import print_iterations, print_table


@click.command("status")
@click.pass_obj
def status_command(root: Path) -> None:
    """Show the latest run: iterations, champion, scores, and where every input went."""
    summary = summarize(open_project(root))
    run = summary.run
    click.echo(f"Run {run['name']} ({run['run_id']}), model {run['model']}, seed {run['seed']}")
    open_ones = [i for i in summary.iterations if i["finished_at"] is None]
    state = (
        f"iteration {open_ones[0]['iteration']} is under way"
        if open_ones
        else f"{count(len(summary.iterations), 'iteration')} complete"
    )
    champion = summary.promoted[-1]["checkpoint_id"] if summary.promoted else run["base_checkpoint_id"]
    click.echo(f"State: {state}. Champion: {champion}")
    print_iterations(summary)
    click.echo(describe_outcome(summary))
    columns = ["iteration", "step", "entered", "kept", "dropped", "reason"]
    print_table(columns, [[f[c] for c in columns] for f in summary.funnel], "Funnel")


@click.command("report")
@click.pass_obj
def report_command(root: Path) -> None:
    """Write report.md and its plots from what the store holds."""
    click.echo(str(write_report(root, summarize(open_project(root)))))
