"""``flywheel export``."""

from pathlib import Path
from typing import Any

import click

from ..config import READY_KINDS
from ..errors import InputError, NotFoundError, RunInProgressError
from ..gen import ASIDE, EXPORT_FORMATS, HF, SELECTIONS, Exported, check_push, export_rows, parse_mapping, push_folder
from ..loop import count
from ..store import Project, Store, run_query
from ._common import make_reporter, open_project
from ._tables import print_table

_UNCHOSEN = f"""
    SELECT count(DISTINCT pair_id)::BIGINT FROM pairs
    WHERE kind IN {READY_KINDS}
      AND pair_id NOT IN (SELECT input_id FROM plans WHERE step = 'pair/items')
"""
_RUNS = """
    SELECT name, list({{run_id: run_id, n: n}} ORDER BY started_at DESC) AS runs
    FROM (SELECT r.name, r.run_id, r.started_at, count(*) AS n FROM {table} t JOIN runs r USING (run_id) GROUP BY ALL)
    GROUP BY name HAVING count(*) > 1 ORDER BY name
"""


@click.command("export")
@click.option("--format", "fmt", required=True, metavar="NAME", help=f"One of {', '.join(EXPORT_FORMATS)}.")
@click.option(
    "--output", required=True, type=click.Path(path_type=Path), metavar="PATH",
    help="A file whose suffix says how it is written: .jsonl .json .csv .tsv (and .gz) .parquet; for hf, a folder.",
)  # fmt: skip
@click.option(
    "--what", type=click.Choice(list(SELECTIONS)), default=None,
    help="Default: what the format is for. " + "; ".join(f"{k}: {v}" for k, v in SELECTIONS.items()) + ".",
)  # fmt: skip
@click.option(
    "--where", default=None, metavar="SQL",
    help="A condition on the samples' columns and messages, model, engine, template_id, format: \"step = 'import'\".",
)  # fmt: skip
@click.option(
    "--map", "maps", multiple=True, metavar="TARGET=COLUMN", help="Names of the columns, for --format columns."
)
@click.option(
    "--field", "fields", multiple=True, metavar="NAME",
    help="A field of the samples that goes out as a column of its own: level. A row without it is left out.",
)  # fmt: skip
@click.option(
    "--include", type=click.Choice(list(ASIDE)), multiple=True,
    help="Let samples out that are set aside otherwise. " + "; ".join(f"{k}: {v}" for k, (_, v) in ASIDE.items()) + ".",
)  # fmt: skip
@click.option("--distinct", is_flag=True, help="Write equal rows once.")
@click.option("--force", is_flag=True, help="Replace what is at --output.")
@click.option(
    "--push", default=None, metavar="OWNER/NAME", help="Upload the folder to the Hugging Face hub (HF_TOKEN)."
)
@click.option("--public", is_flag=True, help="Make a new data set on the hub public; default: private.")
@click.pass_obj
def export_command(
    root: Path,
    fmt: str,
    output: Path,
    what: str | None,
    where: str | None,
    maps: tuple[str, ...],
    fields: tuple[str, ...],
    include: tuple[str, ...],
    distinct: bool,
    force: bool,
    push: str | None,
    public: bool,
) -> None:
    """Write samples, pairs or problems for other tools; rows of an imported set go out as they came.

    Accepted samples are written unless --what says otherwise. --format hf writes a folder with a dataset card.
    """
    if push is not None and fmt != HF:
        raise InputError(
            f"export --push {push}", expected=f"--format {HF}", received=f"--format {fmt}",
            cure=f"--format {HF} --output FOLDER --push {push}",
        )  # fmt: skip
    if push is not None:
        check_push(push)
    mapping = parse_mapping(maps) if maps else None
    result = _export(
        root,
        fmt,
        output,
        what=what,
        where=where,
        mapping=mapping,
        include=include,
        fields=fields,
        distinct=distinct,
        force=force,
    )
    _tell(result, distinct)
    _tell_unchosen(open_project(root), result)
    if "run_id" not in (where or ""):
        _tell_runs(open_project(root), result)
    if push is not None:
        click.echo(push_folder(output, push, private=not public))


def _export(root: Path, fmt: str, output: Path, **options: Any) -> Exported:
    project = open_project(root)
    if not project.store_path.exists():
        raise NotFoundError(
            f"store {project.store_path}", expected="a project folder with a store", received="no such file",
            cure="name the folder with flywheel -C DIR, or make one: flywheel import, flywheel run",
        )  # fmt: skip
    store, reporter = _open_if_free(project), make_reporter()
    try:
        reporter.begin(f"export {output.name}", unit="rows")
        show = lambda n: reporter.update(done=n)  # noqa: E731
        result = export_rows(store, fmt, output, on_progress=show, **options)
        reporter.end(f"{result.rows} rows as {result.format}")
    finally:
        reporter.close()
    return result


def _open_if_free(project: Project) -> Store:
    """Return the store with everything folded in; while a run is on, with what that run has folded so far."""
    store = Store(project)
    try:
        with store.run_lock("flywheel export"):
            return store.open()
    except RunInProgressError:
        click.echo("note: a run is on; what it has stored so far is exported", err=True)
        return store


def _tell_unchosen(project: Project, result: Exported) -> None:
    """Say so where pairs go out that no rule has looked at."""
    if result.what != "dpo":
        return
    ((n,),) = run_query(project, _UNCHOSEN).rows
    if n:
        click.echo(
            f"note: {count(n, 'pair')} of generators or imported sets went through no rules yet (identical or empty ones, ones that "
            "contradict each other): flywheel pairs --kind imported chooses among them",
            err=True,
        )


def _tell_runs(project: Project, result: Exported) -> None:
    """Say so where one recipe has rows of several runs: an edited recipe is another run, over the same inputs."""
    table = "pairs" if result.what == "dpo" else "samples"
    for name, runs in run_query(project, _RUNS.format(table=table)).rows:
        each = ", ".join(f"{run['run_id']} ({count(run['n'], 'row')})" for run in runs)
        click.echo(
            f"note: recipe {name} has {table} of {len(runs)} runs, the latest first: {each}; all went out. "
            f"--where \"run_id = '{runs[0]['run_id']}'\" takes those of one",
            err=True,
        )


def _tell(result: Exported, distinct: bool) -> None:
    for reason, n in result.left_out.most_common():
        room = result.roomier.get(reason, ())
        more = f" (--format {room[0]} has a place for them)" if room else ""
        click.echo(f"warning: {count(n, 'row')} left out: {reason}{more}", err=True)
    for key, n in result.aside.items():
        click.echo(f"note: {count(n, 'row')} set aside: {ASIDE[key][1]}; --include {key} lets them out", err=True)
    if result.duplicates:
        said = "left out" if distinct else "written; --distinct writes them once"
        click.echo(f"note: {count(result.duplicates, 'row')} equal to an earlier one {said}", err=True)
    if result.extra_columns:
        columns = ", ".join(result.extra_columns)
        click.echo(
            f"note: {result.format} has no place for the imported columns {columns}; they stay in the store", err=True
        )
    print_table(["output", "format", "what", "rows"], [[str(result.path), result.format, result.what, result.rows]])
