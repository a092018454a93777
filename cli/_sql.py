"""``flywheel sql``."""

import io
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import click

from ..config import read_text
from ..errors import FlywheelError, QueryError
from ..loop import count
from ..store import FORMATS, Project, Result, describe_schema, render, run_query, write_parquet
from ._common import open_project
from ._output import check_output, write_output
from ._tables import print_table

EXAMPLE = "select iteration, stage, suite, split, metric, score, n, p_value, promoted from leaderboard"


SUFFIXES = {".csv": "csv", ".json": "json", ".parquet": "parquet"}


class _SqlCommand(click.Command):
    """Takes an argument that begins with an SQL comment for what it is: a query, not an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f" {a}" if _COMMENT.match(a) else a for a in args])


_COMMENT = re.compile(r"--\s|--[^=\n]*\n")


@click.command("sql", cls=_SqlCommand)
@click.argument("query", required=False)
@click.option(
    "--format", "fmt", type=click.Choice(FORMATS), default=None,
    help="Default: by the suffix of --output; without one, table on a terminal, else csv.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path), default=None, metavar="FILE",
    help="Write the result into a new file: .csv, .json, .parquet, or any name with --format.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Let --output overwrite a file (never the store or the recipe).")
@click.option("-f", "--file", type=click.Path(path_type=Path), default=None, help="Read the query from a file.")
@click.option("--schema", is_flag=True, help="Print what every table, view and column is, as Markdown.")
@click.pass_obj
def sql_command(
    root: Path, query: str | None, fmt: str | None, output: Path | None, force: bool, file: Path | None, schema: bool
) -> None:
    """Run one SQL query on the store, or start a prompt when none is given.

    Read-only, without file or network access. It answers while a run in another process is writing.
    """
    project = open_project(root)
    if output is not None:
        check_output(output, project, force=force)
    if schema:
        _show_schema(project, query, output)
        return
    chosen = _choose_format(fmt, output)
    query = _read_query(query, file)
    if query is None:
        _prompt(project)
    else:
        _show(run_query(project, query), chosen, output)


def _show_schema(project: Project, query: str | None, output: Path | None) -> None:
    if query is not None:
        raise QueryError("sql --schema", expected="no query beside it", received="a query", cure="give one of them")
    text = describe_schema(project)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_output(output, lambda stream: stream.write(text.encode()))


def _read_query(query: str | None, file: Path | None) -> str | None:
    """Return the query: the argument, the file's text, or standard input; None for a prompt on a terminal."""
    if file is not None:
        if query is not None:
            raise QueryError("sql", expected="a query or --file", received="both", cure="give one of them")
        return read_text(file, f"--file {file}", expected="a file with SQL")
    if query is not None or sys.stdin.isatty():
        return query
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise QueryError(
            "sql from standard input", expected="text in UTF-8", received=str(error), cure="re-encode the query"
        ) from None


def _choose_format(fmt: str | None, output: Path | None) -> str:
    """Return the format: as asked, by the output's suffix, or what suits standard output."""
    if fmt is not None:
        return fmt
    if output is None:
        return "table" if sys.stdout.isatty() else "csv"
    suffix = output.suffix.lower()
    if suffix and suffix not in SUFFIXES:
        raise QueryError(
            f"--output {output}", expected=f"a name that ends in {', '.join(SUFFIXES)}", received=repr(output.suffix),
            cure="choose one of these, or say the format with --format",
        )  # fmt: skip
    return SUFFIXES.get(suffix, "csv")


def _show(result: Result, fmt: str, output: Path | None) -> None:
    if output is not None:
        write_output(output, lambda stream: _write(result, fmt, stream))
    elif fmt == "table":
        print_table(result.columns, result.rows)
    else:
        _write(result, fmt, sys.stdout.buffer)
        sys.stdout.flush()
    if output is not None or sys.stdout.isatty():
        where = f" → {output}" if output else ""
        n = result.table.num_rows
        click.echo(f"{count(n, 'row')}, {result.elapsed_s:.2f} s{where}", err=True)


def _write(result: Result, fmt: str, stream: BinaryIO) -> None:
    if fmt == "parquet":
        write_parquet(result, stream)
    elif fmt == "table":
        text = io.StringIO()
        print_table(result.columns, result.rows, file=text)
        stream.write(text.getvalue().encode())
    else:
        stream.write(render(result, fmt).encode())


def _prompt(project: Project) -> None:
    """Read queries until end of file; a query ends with a semicolon or an empty line."""
    click.echo(f"{project.store_path}: read-only; end a query with ; and leave with .quit or Ctrl-D", err=True)
    click.echo(f"for example: {EXAMPLE};", err=True)
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
