"""``flywheel ui``."""

import getpass
import sys
from pathlib import Path

import click

from ..store import Store, require_store
from ._common import end_by_signal, open_project


@click.command("ui")
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Other than loopback: with a token only."
)
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: any that is free.")
@click.option("--open/--no-open", "opens", default=None, help="Start a browser; default: on a terminal.")
@click.option(
    "--as",
    "name",
    default=None,
    metavar="NAME",
    help="Who you are: verdicts are filed under human:NAME. Default: your user name.",
)
@click.option(
    "--allow-host", "names", multiple=True, metavar="NAME", help="A further name that visitors use for this machine."
)
@click.pass_obj
def ui_command(root: Path, host: str, port: int, opens: bool | None, name: str | None, names: tuple[str, ...]) -> None:
    """Serve a page to look at the project, and to accept, reject, edit and label its rows; also while a run is on.

    Reached from this machine only, unless --host says otherwise; then FLYWHEEL_UI_TOKEN has to be set, and visitors have to
    give it. Ctrl-C ends it. docs/ui.md has the pages and their keys.
    """
    from ..ui import serve

    project = open_project(root)
    require_store(project)
    Store(project).fold_left_behind()
    number = serve(
        project, host, port, name=name or _guess_name(), names=names, opens=sys.stdout.isatty() if opens is None else opens,
        say=lambda url: click.echo(f"flywheel ui: {url} (Ctrl-C ends it)"),
    )  # fmt: skip
    end_by_signal(number)


def _guess_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
