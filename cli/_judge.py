"""``flywheel judge``."""

import click

from ._judge_calibrate import calibrate_command
from ._judge_run import run_command


@click.group("judge")
def judge_command() -> None:
    """Judge what was generated, and find out how far judges can be trusted."""


judge_command.add_command(calibrate_command)
judge_command.add_command(run_command)
