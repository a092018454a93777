"""``flywheel data``: what the rows of a project are."""

from pathlib import Path

import click

from ._common import open_project


@click.group("data")
def data_command() -> None:
    """Look at the data: what rows are made of, and what was dropped."""


@data_command.command("report")
@click.option(
    "--rows", "what", type=click.Choice(["trained", "accepted", "all"]), default=None,
    help="Which samples; default: those in training sets, else the accepted ones, else all.",
)  # fmt: skip
@click.pass_obj
def report_command(root: Path, what: str | None) -> None:
    """Write the data card: data-card.md with plots, in the project folder."""
    from ..judge.curate import read_card, write_card

    click.echo(str(write_card(root, read_card(open_project(root), what))))
