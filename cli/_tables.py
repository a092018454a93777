"""Tables on standard output: drawn on a terminal, plain text elsewhere."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import click
from rich.console import Console
from rich.table import Table

from ..loop import (
    BEFORE_AFTER_COLUMNS,
    ITERATION_COLUMNS,
    MEASURE_COLUMNS,
    MEASURED_COLUMNS,
    Summary,
    before_after_cells,
    finding_lines,
    iteration_cells,
    measure_cells,
    measured_cells,
)
from ._common import _escape

WIDE = 200
"""Columns of a table that no terminal shows; COLUMNS in the environment says otherwise."""


SHOWN = 20
"""Most rows of a table of single scores."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave a reader that has seen enough (``| head``) to the boundary, as no fault."""
        raise BrokenPipeError


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None, *, file: TextIO | None = None
) -> None:
    """Print ``rows`` (on standard output, or into ``file``); NULL is shown as an empty cell."""
    console = _Console(file=file)
    if not console.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        console = _Console(file=file, width=WIDE)
    table = Table(title=title, title_justify="left", header_style="bold")
    for i, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(r[i], int | float) or r[i] is None for r in rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if v is None else _escape(_show(v)) for v in row))
    console.print(table)


def _show(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def print_iterations(summary: Summary) -> None:
    """Print the table of iterations, and what the scores are of; then what was measured outside the gate."""
    cells = iteration_cells(summary)
    if cells:
        shown = summary.challengers
        title = f"{shown[0]['suite']}/{shown[0]['split']}, {shown[0]['metric']} ± standard error" if shown else None
        print_table(ITERATION_COLUMNS, cells, title)
    elif not (summary.measured or summary.before_after):
        click.echo("No scores yet.")
    print_measured(summary)


def print_measured(summary: Summary) -> None:
    """Print the newest scores that no gate decided on, and those of a checkpoint beside those of its parent."""
    for title, columns, cells in (
        ("Measured by flywheel eval or a training", MEASURED_COLUMNS, measured_cells(summary)),
        ("Before and after, outside the gate", BEFORE_AFTER_COLUMNS, before_after_cells(summary)),
    ):
        if cells:
            more = f"; the last {SHOWN} of {len(cells)}, report.md has all" if len(cells) > SHOWN else ""
            print_table(columns, cells[-SHOWN:], f"{title}{more}")


def print_watch(summary: Summary) -> None:
    """Print what each iteration's completions measure, and what the watch found in that."""
    if summary.measures:
        print_table(MEASURE_COLUMNS, measure_cells(summary)[-SHOWN:], "Collapse watch")
    for line in finding_lines(summary):
        click.echo(line)


_PARTS = ("", "items", "verify")
"""What a step of the recipe has lines for in the funnel: its inputs, what came of them, what a judge said of that."""


def order_funnel(funnel: Sequence[Mapping[str, Any]], steps: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the rows of a funnel with the recipe's steps in its order, each followed by its single items and verdicts."""
    place = {name: i for i, name in enumerate(steps)}

    def key(row: Mapping[str, Any]) -> tuple[int, int, int]:
        name, _, part = str(row["step"]).partition("/")
        known = place.get(name)
        return (
            (row["iteration"], len(steps), 0)
            if known is None
            else (row["iteration"], known, _PARTS.index(part) if part in _PARTS else len(_PARTS))
        )

    return sorted(funnel, key=key)


def print_funnel(funnel: Sequence[Mapping[str, Any]], steps: Sequence[str]) -> None:
    """Print the funnel with the recipe's steps in its order, and with what is open where anything is."""
    rows = order_funnel(funnel, steps)
    columns = ["iteration", "step", "entered", "kept", "dropped"]
    is_open = any(count_open(f) for f in rows)
    cells = [[*(f[c] for c in columns), *([count_open(f) or None] if is_open else []), f["reason"]] for f in rows]
    print_table([*columns, *(["open"] if is_open else []), "reason"], cells, "Funnel")


def count_open(row: Mapping[str, Any]) -> int:
    """Return how many inputs of a row of the funnel have no outcome yet."""
    return max(0, int(row["entered"] - row["kept"] - row["dropped"]))
