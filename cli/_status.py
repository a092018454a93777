"""``flywheel status`` and ``flywheel report``."""

import json
from dataclasses import astuple
from pathlib import Path
from typing import Any

import click

from ..errors import NotFoundError
from ..gen import CrewState
from ..loop import (
    Summary,
    count,
    describe_champion,
    describe_now,
    describe_outcome,
    describe_trained,
    find_now,
    find_working_crew,
    summarize,
    write_report,
)
from ..store import Project, Store, run_frugally
from ._common import open_project
from ._tables import count_open, print_funnel, print_iterations, print_measured, print_table, print_watch

Row = dict[str, Any]

LATEST = """
    WITH active AS (
        SELECT run_id, max(created_at) AS last_at FROM requests GROUP BY run_id
        UNION ALL SELECT run_id, max(created_at) FROM samples GROUP BY run_id
        UNION ALL SELECT run_id, max(created_at) FROM drops GROUP BY run_id
        UNION ALL SELECT run_id, max(created_at) FROM checkpoints GROUP BY run_id
        UNION ALL SELECT run_id, max(created_at) FROM decisions GROUP BY run_id
    )
    SELECT r.run_id FROM runs r LEFT JOIN active USING (run_id)
    GROUP BY r.run_id, r.started_at ORDER BY max(last_at) DESC NULLS LAST, r.started_at DESC LIMIT 1
"""
"""The run in which something happened last: a dry run or a failed start puts none before it."""

HOLDINGS = """
    SELECT what, name, n FROM (
        SELECT 0 AS place, NULL AS since, 'documents' AS what, '' AS name, count(DISTINCT source) AS n FROM documents
        UNION ALL
        SELECT 1, NULL, 'chunks', '', count(*) FROM current_chunks
        UNION ALL
        SELECT 2, min(imported_at), 'data set', name || ' (' || arg_max(format, imported_at) || ')', arg_max(n_rows, imported_at)
        FROM datasets GROUP BY name, coalesce(file, path)
    ) ORDER BY place, since, name
"""


@click.command("status")
@click.pass_obj
def status_command(root: Path) -> None:
    """Show what was brought in, and the run that was active last: where every input went, scores, the champion."""
    project = _open_current(root)
    held = [r for r in _rows(project, HOLDINGS) if r["n"]]
    run_id = find_latest_run(project)
    if run_id is None and not held:
        raise NotFoundError(
            f"project {project.root}", expected="a run, documents or data sets", received="none",
            cure="flywheel ingest, flywheel import or flywheel run",
        )  # fmt: skip
    if held:
        print_table(["what", "name", "n"], [list(r.values()) for r in held], "Brought in")
    if run_id is None:
        click.echo("No run yet: flywheel generate --dry-run shows what one would do.")
        print_funnel(_rows(project, "SELECT * FROM funnel"), [])
    else:
        _print_run(summarize(project, run_id))
    if now := find_now(project):
        click.echo(f"Now: {describe_now(now)}")
    if crew := find_working_crew(project):
        _print_crew(crew)


def _print_crew(crew: CrewState) -> None:
    """Print the nodes, what waits, and what each worker is at."""
    alive = [n for n in crew.nodes if n.is_alive]
    nodes = f"{len(alive)} of {count(len(crew.nodes), 'node')} alive ({sum(n.cpus for n in alive):g} CPUs)"
    speed = f"{sum(w.per_s for w in crew.workers):,.1f} answers/s, {sum(w.tokens_per_s for w in crew.workers):,.0f} tokens/s"
    lost = f", {count(crew.lost, 'worker')} lost so far" if crew.lost else ""
    click.echo(f"Cluster: {nodes}; {speed}; {count(crew.backlog, 'input')} with no worker yet{lost}")
    columns = ["worker", "node", "inputs", "in flight", "share", "limit found", "answers", "answers/s", "tokens/s"]
    print_table(columns, [list(astuple(w)) for w in crew.workers], "Workers")


@click.command("report")
@click.pass_obj
def report_command(root: Path) -> None:
    """Write report.md and its plots from what the store holds."""
    project = _open_current(root)
    click.echo(str(write_report(root, summarize(project, find_latest_run(project)))))


def _open_current(root: Path) -> Project:
    """Return the project, its store with this flywheel's views, which the tables are made of, and all rows on record."""
    project = open_project(root)
    store = Store(project)
    store.upgrade()
    store.fold_left_behind()
    return project


def _rows(project: Project, sql: str) -> list[Row]:
    rows: list[Row] = run_frugally(project, sql).table.to_pylist()
    return rows


def find_latest_run(project: Project) -> str | None:
    """Return the run in which something happened last; None when there is none."""
    found = _rows(project, LATEST)
    return str(found[0]["run_id"]) if found else None


def _print_run(summary: Summary) -> None:
    run, recipe = summary.run, json.loads(summary.run["recipe"])
    if recipe["suites"]:
        click.echo(f"Run {run['name']} ({run['run_id']}), model {run['model']}, seed {run['seed']}")
        _print_wheel(summary)
    else:
        asked = ", ".join(sorted({c["model"] for c in summary.cost})) or "none yet"
        click.echo(f"Run {run['name']} ({run['run_id']}), asked: {asked}, seed {run['seed']}")
        left = sum(count_open(f) for f in summary.funnel)
        click.echo(f"State: {count(left, 'input')} open; flywheel generate goes on." if left else "State: all done.")
        print_measured(summary)
    if summary.trained:
        click.echo(f"Trained last, and no gate has decided on it: {describe_trained(summary.trained[0])}")
    print_funnel(summary.funnel, [step["step"] for step in recipe["generate"]])
    print_watch(summary)
    for preference in summary.lengths:
        if preference.warning:
            click.echo(f"Warning: {preference.warning}.")


def _print_wheel(summary: Summary) -> None:
    open_ones = [i for i in summary.iterations if i["finished_at"] is None]
    state = (
        f"iteration {open_ones[0]['iteration']} is under way"
        if open_ones
        else f"{count(len(summary.iterations), 'iteration')} complete"
    )
    click.echo(f"State: {state}. Champion: {summary.champion_id}")
    if summary.champions[-1]["how"] == "promoted":  # of one that was put back the outcome tells
        click.echo(f"It was {describe_champion(summary.champions[-1])}.")
    print_iterations(summary)
    click.echo(describe_outcome(summary))
