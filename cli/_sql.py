"""``flywheel sql``."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from ..errors import FlywheelError, QueryError
from ..store import FORMATS, Project, Result, render, run_query, write_parquet
from ._common import open_project
from ._tables import print_table

EXAMPLE = 'flywheel sql "select iteration, stage, score, n, p_value, promoted from leaderboard"'


@click.command("sql")
@click.argument("query", required=False)
@click.option(
    "--format", "fmt", type=click.Choice(FORMATS), default=None, help="Default: table on a terminal, else csv."
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=None, metavar="FILE")
@click.option(
    "-f",
    "--file",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Read the query from a file.",
)
@click.pass_obj
def sql_command(root: Path, query: str | None, fmt: str | None, output: Path | None, file: Path | None) -> None:
    """Run one SQL query on the store, or start a prompt when none is given.

    Read-only, without file or network access. It answers while a run in another process is writing.
    """
    project = open_project(root)
    if file is not None:
        if query is not None:
            raise QueryError("sql", expected="a query or --file", received="both", cure="give one of them")
        if not file.is_file():
            raise QueryError(
                f"--file {file}", expected="a file with SQL", received="no such file", cure="check the path"
            )
        query = file.read_text(encoding="utf-8")
    if query is None and not sys.stdin.isatty():
        query = sys.stdin.read()
    if query is None:
        _prompt(project)
        return
    _show(run_query(project, query), fmt, output)


def _show(result: Result, fmt: str | None, output: Path | None) -> None:
    chosen = fmt or ("table" if output is None and sys.stdout.isatty() else _format_of(output))
    if chosen == "parquet":
        write_parquet(result, output or sys.stdout.buffer)
    elif output is not None:
        text = render(result, "csv" if chosen == "table" else chosen)
        output.write_text(text, encoding="utf-8")
    elif chosen == "table":
        print_table(result.columns, result.rows)
    else:
        sys.stdout.write(render(result, chosen))
        sys.stdout.flush()
    if output is not None or sys.stdout.isatty():
        where = f" → {output}" if output else ""
        click.echo(f"{result.table.num_rows} rows, {result.elapsed_s:.2f} s{where}", err=True)


def _format_of(output: Path | None) -> str:
    suffix = "" if output is None else output.suffix.lstrip(".").lower()
    return suffix if suffix in FORMATS else "csv"


def _prompt(project: Project) -> None:
    """Read queries until end of file; a query ends with a semicolon or an empty line."""
    click.echo(f"{project.store_path}: read-only; end a query with ; and leave with .quit or Ctrl-D", err=True)
    click.echo(f"for example: {EXAMPLE[14:-1]};", err=True)
    session = _session(project)
    pending: list[str] = []
    while True:
        try:
            line = session("flywheel> " if not pending else "     ...> ")
        except EOFError:
            return
        except KeyboardInterrupt:
            pending = []
            continue
        if line.strip() in (".quit", ".exit"):
            return
        pending.append(line)
        if line.rstrip().endswith(";") or (not line.strip() and "".join(pending).strip()):
            query, pending = "\n".join(pending), []
            try:
                _show(run_query(project, query), "table", None)
            except FlywheelError as error:
                click.echo(f"error: {error}", err=True)


def _session(project: Project) -> Callable[[str], str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory

    names = run_query(
        project,
        "SELECT table_name FROM information_schema.tables UNION SELECT column_name FROM information_schema.columns",
    )
    words = ["select", "from", "where", "group by", "order by", "limit", *sorted(r[0] for r in names.rows)]
    project.state.mkdir(exist_ok=True)
    history = project.state / "sql_history"
    session: PromptSession[str] = PromptSession(
        completer=WordCompleter(words, ignore_case=True), history=FileHistory(str(history))
    )

    def ask(prompt: str) -> str:
        return str(session.prompt(prompt))

    return ask
