"""``flywheel schedule``."""

from datetime import tzinfo
from pathlib import Path

import click

from ..errors import RecipeError
from ..loop import require_wheel
from ..loop.schedule import (
    UNITS,
    ChildRun,
    CronTimes,
    FireLog,
    RunCommand,
    Scheduler,
    Times,
    Unit,
    find_zone,
    parse_cron,
    parse_interval,
    to_cron,
    write_unit,
)
from ..store import Project
from ._common import end_by_signal, open_project, open_recipe, recipe_options, say_with_time

NOTES = {
    "systemd": "systemd starts no second run while one is on, and with Persistent=true catches up once.",
    "cron": "cron does not catch up on what was missed; a run that meets another one ends with exit code 2.",
    "k8s": "Fill in the image; apply it with: kubectl apply -f FILE",
}


@click.command("schedule")
@click.argument("expression", required=False, metavar='["MINUTE HOUR DAY MONTH WEEKDAY"]')
@click.option("--every", metavar="INTERVAL", default=None, help="Instead of an expression: 6h, 90m, 1d12h.")
@click.option(
    "--more", type=click.IntRange(min=1), default=1, show_default=True, help="Turns of the wheel at each fire."
)
@click.option(
    "--catch-up/--no-catch-up", default=True, show_default=True,
    help="Whether fires that were missed count, once, at the next start or wake-up.",
)  # fmt: skip
@click.option(
    "--timezone", metavar="NAME", default=None, help="Of the expression, as Europe/Berlin; default: the machine's."
)
@click.option(
    "--emit", type=click.Choice(UNITS), default=None, help="Print the unit for a scheduler of yours, and end."
)
@recipe_options
@click.pass_obj
def schedule_command(
    root: Path, expression: str | None, every: str | None, more: int, catch_up: bool, timezone: str | None,
    emit: str | None, recipe_path: Path | None, seed: int | None,
) -> None:  # fmt: skip
    r"""Turn the wheel at the times of a cron expression or interval, in the foreground, until a signal ends it.

    \b
    flywheel schedule "0 2 * * *"                 at 2:00 every day
    flywheel schedule --every 6h --more 2         two turns every six hours
    flywheel schedule "0 2 * * *" --emit systemd  for a scheduler of yours: systemd, cron or k8s

    Each fire starts flywheel run --more N. A fire while the previous run is on, or another process owns the project,
    is skipped. Fires that nobody was there for (machine off or suspended, schedule stopped) count once at the next
    start or wake-up, or not at all with --no-catch-up. A run that fails does not end the schedule: the next fire
    goes on where it was. A time that the clocks repeat in autumn fires once; one that they skip in spring fires an
    hour later. Ctrl-C and SIGTERM go on to the run, which saves what is in flight; then the schedule ends. What became
    of each fire is in the table schedule_log: flywheel sql "FROM schedule_log ORDER BY due_at DESC".
    """
    zone, zone_name = find_zone(timezone)
    times = _read_times(expression, every, zone, zone_name)
    if emit != "k8s":  # its project lies elsewhere
        require_wheel(open_recipe(root, recipe_path, seed)[0])  # told at once, not at night
    seeded = [] if seed is None else ["--seed", str(seed)]
    run = RunCommand(root.resolve(), ["--more", str(more), *seeded], recipe_path.absolute() if recipe_path else None)
    if emit:
        unit = Unit(run, to_cron(times), timezone, find_zone(None)[1], catch_up)
        click.echo(write_unit(emit, unit), nl=False)
        click.echo(NOTES[emit], err=True)
        return
    _serve(open_project(root), times, run, catch_up)


def _read_times(expression: str | None, every: str | None, zone: tzinfo, zone_name: str) -> Times:
    if (expression is None) == (every is None):
        raise RecipeError(
            "flywheel schedule", expected="a cron expression, or --every with an interval",
            received="neither" if every is None else "both", cure='flywheel schedule "0 2 * * *", or --every 6h',
        )  # fmt: skip
    return parse_interval(every, zone) if every else CronTimes(parse_cron(expression or ""), zone, zone_name)


def _serve(project: Project, times: Times, run: RunCommand, catch_up: bool) -> None:
    fires = FireLog(project)
    with fires.owned(f"flywheel schedule {times.text}"):
        fires.open()
        scheduler = Scheduler(times, fires, lambda: ChildRun(run.words), say_with_time, catch_up=catch_up)
        stopped_by = scheduler.serve()
    end_by_signal(stopped_by)
