"""``flywheel judge``: the group; each of its commands stands in a module of its own."""

import click

from ._lazy import lazy_group

COMMANDS = {
    "verify": ("_judge_verify", "Judge the completions of a file by code, and show what came of it."),
    "run": ("_judge_run", "Let a model judge the samples of a step."),
    "calibrate": ("_judge_calibrate", "Measure a judge against people: agreement, order, position, length."),
}


@click.group("judge", cls=lazy_group(COMMANDS, "judge_"))
def judge_command() -> None:
    """Judge completions, and find out how far judges can be trusted."""
