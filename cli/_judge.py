"""``flywheel judge``: the group; each of its commands stands in a module of its own."""

import click

from ._lazy import lazy_group

COMMANDS = {
    "verify": ("_judge_verify", "Judge the completions of a file by code, and show what came of it."),
}


@click.group("judge", cls=lazy_group(COMMANDS, "judge_"))
def judge_command() -> None:
    """Judge completions."""
