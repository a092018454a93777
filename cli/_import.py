"""``flywheel import``."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ..config import require_file
from ..errors import InputError
from ..gen import EXPORT_FORMATS, SOLUTIONS, ImportedSet, Inspected, import_set, inspect_file, parse_mapping
from ..loop import Reporter, count, summarize
from ..store import Store
from ._common import make_reporter, open_project, open_wheel, recipe_options
from ._tables import print_table

FORMATS = [f for f in EXPORT_FORMATS if f not in ("parquet", "hf")]
SHOWN_CHARS = 200


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option(
    "--format", "fmt", default=None, metavar="NAME",
    help=f"Default: recognised by the first rows. One of {', '.join([*FORMATS, SOLUTIONS])}.",
)  # fmt: skip
@click.option(
    "--map", "maps", multiple=True, metavar="TARGET=COLUMN",
    help="Say which column is what, for any table: --map prompt=question --map completion=answer. "
    "Numbers (prompt=1) mean a table without header.",
)  # fmt: skip
@click.option("-y", "--yes", is_flag=True, help="Write without asking.")
@click.option("--licence", default=None, metavar="TEXT", help="Licence of the set, for dataset cards (an SPDX id).")
@click.option("--name", default=None, metavar="NAME", help="Name of the set; default: the file's name.")
@recipe_options
@click.pass_obj
def import_command(
    root: Path,
    files: tuple[Path, ...],
    fmt: str | None,
    maps: tuple[str, ...],
    yes: bool,
    licence: str | None,
    name: str | None,
    recipe_path: Path | None,
    seed: int | None,
) -> None:
    """Bring existing data sets in: chats, preferences, labelled and scored completions, problems.

    The format is recognised and shown with the first row before anything is written. Rows that cannot be read become
    drops with their line and text. What GSM8K's gsm8k-solutions hold is verified and paired by the project's recipe.
    """
    if name is not None and len(files) > 1:
        raise InputError(
            "import --name", expected="one file", received=f"{len(files)} files", cure="import them one by one"
        )
    mapping = parse_mapping(maps) if maps else {}
    open_project(root)  # a folder that is missing is told before rows are shown
    found = [inspect_file(path, fmt, mapping) for path in files]
    for one in found:
        _show(one)
    sets = [one for one in found if one.format is not None]
    if sets and not yes:
        _ask(len(sets))
    for one in found:
        if one.format is None:
            _import_solutions(root, one.path, recipe_path, seed)
    if sets:
        _import_sets(root, sets, name, licence)


def _show(found: Inspected) -> None:
    read_as = "" if found.encoding == "utf-8" else f" (read as {found.encoding})"
    click.echo(f"{found.path}: {found.format_name}{read_as}", err=True)
    for column, value in found.preview():
        text = " ".join((value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).split())
        click.echo(f"  {column}: {text[:SHOWN_CHARS]}{'…' if len(text) > SHOWN_CHARS else ''}", err=True)


def _ask(n_files: int) -> None:
    if not sys.stdin.isatty():
        raise InputError(
            "import", expected="a yes to the rows shown above", received="no terminal to ask on",
            cure="check them, then give the same command with --yes; nothing was written",
        )  # fmt: skip
    if not click.confirm(f"Import {'this file' if n_files == 1 else f'these {n_files} files'}?", err=True):
        click.echo("nothing was written", err=True)
        click.get_current_context().exit(1)


def _import_sets(root: Path, sets: Sequence[Inspected], name: str | None, licence: str | None) -> None:
    store, reporter = Store(open_project(root)), make_reporter()
    try:
        with store.run_lock("flywheel import"):
            store.open()
            done = [_import_one(store, one, name, licence, reporter) for one in sets]
            store.close()
    finally:
        reporter.close()
    for result in done:
        _warn(result)
    columns = ["set", "format", "rows", "new", "dropped"]
    print_table(columns, [[r.name, r.format, r.rows, r.new, r.dropped.total()] for r in done])
    if not any(r.rows for r in done):
        raise InputError(
            "import", expected="rows that can be read", received="; ".join(r.first_drops[0] for r in done if r.first_drops),
            cure="check --format and --map; the rows are kept as drops: flywheel sql \"select * from drops where step = 'import'\"",
        )  # fmt: skip


def _import_one(
    store: Store, found: Inspected, name: str | None, licence: str | None, reporter: Reporter
) -> ImportedSet:
    reporter.begin(f"import {found.path.name}", unit="rows")
    show = lambda n: reporter.update(done=n)  # noqa: E731
    result = import_set(store, found, name=name, licence=licence, on_progress=show)
    reporter.end(f"{result.rows} rows, {result.new} of them new, {result.dropped.total()} dropped")
    return result


def _warn(result: ImportedSet) -> None:
    for line in result.notes:
        click.echo(f"note: {result.name}: {line}", err=True)
    if result.replaced:
        click.echo(
            f"note: {result.name}: {count(result.replaced, 'row')} of earlier versions of the file set aside: they are no "
            "work any more, and exports leave them out (--include outdated)", err=True,
        )  # fmt: skip
    for line in result.defects:
        click.echo(f"warning: {result.name}: {line}", err=True)
    for reason, n in result.dropped.most_common(5):
        click.echo(f"warning: {result.name}: {count(n, 'row')} dropped: {reason}", err=True)
    for line in result.first_drops:
        click.echo(f"  {line}", err=True)


def _import_solutions(root: Path, path: Path, recipe_path: Path | None, seed: int | None) -> None:
    """Import solutions as the recipe's iteration 0: nothing to map, each verified by code."""
    require_file(path, f"import {path}", expected="a JSONL file", cure="check the path on the command line")
    with open_wheel(root, recipe_path, seed, "flywheel import") as wheel:
        wheel.import_solutions(path.absolute())
    rows = [f for f in summarize(wheel.store.project, wheel.run_id).funnel if f["iteration"] == 0]
    columns = ["step", "entered", "kept", "dropped", "reason"]
    print_table(columns, [[r[c] for c in columns] for r in rows])
