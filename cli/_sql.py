"""``flywheel sql``."""

import io
import re
import sys
from pathlib import Path
from typing import BinaryIO

import click

from ..config import read_text
from ..errors import QueryError
from ..loop import count
from ..store import (
    FORMATS,
    USERS,
    Limits,
    Project,
    Result,
    Store,
    describe_schema,
    parse_bytes,
    render,
    run_query,
    tabulate_questions,
    write_parquet,
)
from ..store import ask as run_question
from ._common import open_project
from ._output import check_output, write_output
from ._prompt import read_parameters, start_prompt
from ._tables import print_table

SUFFIXES = {".csv": "csv", ".json": "json", ".parquet": "parquet"}


class _SqlCommand(click.Command):
    """Takes an argument that begins with an SQL comment for what it is: a query, not an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [f" {a}" if _COMMENT.match(a) else a for a in args])


_COMMENT = re.compile(r"--\s|--[^=\n]*\n")


@click.command("sql", cls=_SqlCommand)
@click.argument("query", required=False)
@click.option(
    "--ask", is_flag=False, flag_value="", default=None, metavar="[NAME]",
    help="Run one of the questions that come with flywheel; without NAME, list them.",
)  # fmt: skip
@click.option(
    "-p", "--param", "params", multiple=True, metavar="NAME=VALUE",
    help="Value of a $NAME in the query: a number, true, false, null, or text (quote it as 'text' where it looks like another).",
)  # fmt: skip
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
@click.option(
    "--memory", default=USERS.memory, show_default=True, metavar="SIZE",
    help="Most memory of the query, and of its result: 500MB, 8GB; 0: DuckDB's own limit.",
)  # fmt: skip
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0), default=USERS.timeout_s, show_default=True, metavar="SECONDS",
    help="Interrupt the query after so many seconds; 0: never.",
)  # fmt: skip
@click.pass_obj
def sql_command(
    root: Path, query: str | None, ask: str | None, params: tuple[str, ...], fmt: str | None, output: Path | None, force: bool,
    file: Path | None, schema: bool, memory: str, timeout_s: float,
) -> None:  # fmt: skip
    """Run one SQL query on the store, or start a prompt when none is given.

    Read-only, without file or network access. It answers while a run in another process is writing.
    """
    _require_one_way(query=query is not None, file=file is not None, ask=ask is not None, schema=schema)
    limits, values = _read_limits(memory, timeout_s), read_parameters(params)
    if ask == "":
        _show(tabulate_questions(), _choose_format(fmt, None), None)
        return
    project = open_project(root)
    if output is not None:
        check_output(output, project, force=force)
    if schema:
        _show_schema(project, output)
        return
    chosen = _choose_format(fmt, output)
    Store(project).fold_left_behind()
    if ask is not None:
        _show(run_question(project, ask, values, limits=limits), chosen, output)
        return
    text = _read_query(query, file)
    if text is None:
        start_prompt(project, values, limits, lambda result: _show(result, "table", None))
    else:
        _show(run_query(project, text, values, limits=limits), chosen, output)


def _require_one_way(**given: bool) -> None:
    """Refuse two ways to say what is wanted."""
    names = {"query": "a query", "file": "--file", "ask": "--ask", "schema": "--schema"}
    received = [names[name] for name, is_given in given.items() if is_given]
    if len(received) > 1:
        raise QueryError(
            "sql",
            expected="a query, --file, --ask or --schema",
            received=" and ".join(received),
            cure="give one of them",
        )


def _read_limits(memory: str, timeout_s: float) -> Limits:
    if memory.strip() == "0":
        return Limits("", timeout_s)
    try:
        parse_bytes(memory)
    except ValueError:
        raise QueryError(
            f"--memory {memory}", expected="a size with its unit (KB, MB, GB, MiB, GiB), or 0", received=repr(memory),
            cure="for example --memory 4GB",
        ) from None  # fmt: skip
    return Limits(memory.strip(), timeout_s)


def _show_schema(project: Project, output: Path | None) -> None:
    text = describe_schema(project)
    if output is None:
        click.echo(text, nl=False)
    else:
        write_output(output, lambda stream: stream.writelines([text.encode()]))


def _read_query(query: str | None, file: Path | None) -> str | None:
    """Return the query: the argument, the file's text, or standard input; None for a prompt on a terminal."""
    if file is not None:
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
