"""``flywheel judge calibrate``."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ..config import FIGURES, find_figure_name, list_figures
from ..errors import InputError, RecipeError
from ..files import ABSENT, read_lines, read_path
from ..judge.calibration import (
    ABSTENTIONS,
    COLUMNS,
    FEWEST_ROWS,
    KINDS,
    LEVEL,
    PARSERS,
    RESAMPLES,
    TARGETS,
    TIES,
    Calibration,
    Kind,
    Minimum,
    Reading,
    calibrate,
    describe,
    figure_cells,
    make_parser,
    parse_columns,
    plot_calibration,
    read_examples,
    render_calibration,
    require,
)
from ..store import Project, run_query
from ._common import open_project
from ._output import check_output, write_output
from ._tables import print_table

Numbered = list[tuple[int, Mapping[str, Any]]]
VERDICT_COLUMNS = """sample_id, judge, passed, score, reason, completion, concat_ws(': ', v.reason,
    CASE WHEN json_valid(v.evidence) THEN json_extract_string(v.evidence, '$.opinions[*].text')[1] ELSE v.evidence END) AS said"""


@click.command("calibrate")
@click.option(
    "--labels", "labels", required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="Rows with people's labels: .json, .jsonl, .csv, .tsv, .parquet, .gz of these.",
)  # fmt: skip
@click.option(
    "--verdicts", type=click.Path(path_type=Path), default=None, metavar="FILE",
    help="The judge's verdicts, where they are in a file of their own; joined by --on.",
)  # fmt: skip
@click.option("--judge", "judge", default=None, metavar="NAME", help="Take the verdicts of this judge from the store.")
@click.option("--on", "on", default=None, metavar="PATH", help="Column that joins the two; with --judge: sample_id.")
@click.option(
    "--map", "maps", multiple=True, metavar="TARGET=PATH",
    help="What stands where; paths reach into lists and objects: results[-1][\"swap = True\"].winner. "
    + "; ".join(f"{k}: {v}" for k, v in TARGETS.items()) + ".",
)  # fmt: skip
@click.option("--kind", type=click.Choice(KINDS), default=None, help="Default: by what is mapped, and by the labels.")
@click.option(
    "--value", "values", multiple=True, metavar="RAW=NAME",
    help="What a value means, e.g. 1=first, 0=tie, Incorrect=wrong; usual ones are known.",
)  # fmt: skip
@click.option(
    "--parse", "parse", default=None, metavar="REGEX|NAME",
    help=f"Read verdicts out of raw text: {', '.join(PARSERS)}, or a pattern whose last match counts (its group, if any).",
)  # fmt: skip
@click.option("--ties", type=click.Choice(list(TIES)), default=None, help="Show only this counting of ties.")
@click.option(
    "--abstentions", type=click.Choice(list(ABSTENTIONS)), default=None, help="Show only this counting of abstentions."
)
@click.option(
    "--minimum", "minima", multiple=True, metavar="FIGURE=VALUE",
    help="Fail (exit 2) unless the lower end of the figure's interval reaches this on --minimum-n rows, e.g. accuracy=0.7.",
)  # fmt: skip
@click.option(
    "--minimum-n", "minimum_n", type=click.IntRange(min=1), default=FEWEST_ROWS, show_default=True,
    help="With --minimum: fewest labelled rows that the figure must rest on.",
)  # fmt: skip
@click.option("--resamples", type=click.IntRange(min=0), default=RESAMPLES, show_default=True, help="0 = no intervals.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap.")
@click.option(
    "--level", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=LEVEL, show_default=True,
    help="Of the intervals.",
)  # fmt: skip
@click.option(
    "--output", type=click.Path(path_type=Path), default=None, metavar="FILE.md",
    help="Write a report, and its plots into a folder of its name beside it.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Let --output overwrite a file.")
@click.option("--format", "fmt", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_obj
def judge_calibrate_command(
    root: Path,
    labels: Path,
    verdicts: Path | None,
    judge: str | None,
    on: str | None,
    maps: tuple[str, ...],
    kind: Kind | None,
    values: tuple[str, ...],
    parse: str | None,
    ties: str | None,
    abstentions: str | None,
    minima: tuple[str, ...],
    minimum_n: int,
    resamples: int,
    seed: int,
    level: float,
    output: Path | None,
    force: bool,
    fmt: str,
) -> None:
    """Measure a judge against people: agreement, order, position, length, its own kind.

    Every figure says how ties and abstentions count in it; where that makes a difference, each counting is shown. What
    cannot be read is an abstention, never a no.
    """
    if output is not None:
        check_output(output, Project(root), force=force)
    demands = [_read_minimum(m, minimum_n, ties, abstentions) for m in minima]
    if not judge:
        parse_columns(maps)  # a fault is told before files are read
    rows, left = _read_rows(root, labels, verdicts, judge, on)
    columns = parse_columns(_default_maps(maps, kind, rows) if judge else maps)
    reading = Reading(columns, kind, _read_names(values), make_parser(parse) if parse else None)
    examples = read_examples(rows, reading, str(labels))
    for demand in demands:
        _check_figure(demand.figure, examples.kind)
    if kind is None:
        click.echo(f"note: taken as {examples.kind}, by what is mapped and the labels; --kind says otherwise", err=True)
    name = judge or (verdicts or labels).name
    found = calibrate(examples, name, resamples=resamples, seed=seed, level=level)
    found = _choose(found, left, ties, abstentions)
    if output is not None:
        _write_report(found, output)
    _show(found, fmt)
    for demand in demands:
        require(demand, found.figures, name)


def _read_rows(
    root: Path, labels: Path, verdicts: Path | None, judge: str | None, on: str | None
) -> tuple[Numbered, dict[str, int]]:
    """Return the rows to compare, with the verdicts' columns in them, and how many were left out, by reason."""
    if judge is not None and verdicts is not None:
        raise RecipeError(
            "judge calibrate", expected="--judge or --verdicts", received="both", cure="leave one of them out"
        )
    rows, left = _read_file(labels)
    if judge is None and verdicts is None:
        return rows, left
    key = on or ("sample_id" if judge else None)
    if key is None:
        raise RecipeError(
            f"judge calibrate --verdicts {verdicts}", expected="--on PATH: the column that says which verdict is whose",
            received="nothing", cure="for example --on id",
        )  # fmt: skip
    other, more = _read_store(root, judge) if judge else _read_file(verdicts or labels)
    return _join(rows, other, key, labels, {**left, **more})


def _read_file(path: Path) -> tuple[Numbered, dict[str, int]]:
    rows: Numbered = []
    left: dict[str, int] = {}
    for line in read_lines(path):
        if line.row is None:
            reason = f"a row of {path.name} that cannot be read: {line.fault}"
            left[reason] = left.get(reason, 0) + 1
        else:
            rows.append((line.number, line.row))
    if not rows:
        raise InputError(
            f"data file {path}", expected="one row or more", received="none", cure="check the file on the command line"
        )
    return rows, left


def _read_store(root: Path, judge: str) -> tuple[Numbered, dict[str, int]]:
    """Return the verdicts of a judge, by its name or its whole id, the newest of each sample.

    Raises:
        RecipeError: there are none, or the name stands for several judges.
    """
    quoted = judge.replace("'", "''")
    table = run_query(
        open_project(root),
        f"""SELECT DISTINCT ON (v.sample_id, v.judge) {VERDICT_COLUMNS} FROM verdicts v JOIN samples s USING (sample_id)
        WHERE v.judge = '{quoted}' OR starts_with(v.judge, '{quoted}@') ORDER BY v.sample_id, v.judge, v.created_at DESC""",
    ).table  # fmt: skip
    rows = table.to_pylist()
    found = sorted({r["judge"] for r in rows})
    if len(found) != 1:
        raise RecipeError(
            f"--judge {judge}", expected="one judge with verdicts in the store", received=", ".join(found) or "none",
            cure='see them: flywheel sql "select judge, count(*) from verdicts group by judge"',
        )  # fmt: skip
    return list(enumerate(rows, 1)), {}


def _join(
    rows: Numbered, other: Numbered, key: str, labels: Path, left: dict[str, int]
) -> tuple[Numbered, dict[str, int]]:
    """Put the columns of ``other`` into the rows of the same key; the labels' own columns come first."""
    by_key: dict[str, Mapping[str, Any]] = {}
    n_again = 0
    for _, row in other:
        n_again += by_key.setdefault(str(read_path(row, key)), row) is not row
    paired = [(n, {**by_key[k], **row}) for n, row in rows if (k := str(read_path(row, key))) in by_key]
    if not paired or read_path(rows[0][1], key) is ABSENT:
        raise InputError(
            f"{labels}, --on {key}", expected="a column whose values both have", received=f"columns {', '.join(rows[0][1])}"[:300],
            cure="name the column that both files have: --on id",
        )  # fmt: skip
    used = {str(read_path(row, key)) for _, row in paired}
    counts = {
        "a label without a verdict": len(rows) - len(paired), "a verdict without a label": len(by_key) - len(used),
        "a verdict of a key that had one before": n_again,
    }  # fmt: skip
    merged: Numbered = [*paired]
    return merged, {**left, **{reason: n for reason, n in counts.items() if n > 0}}


def _default_maps(maps: Sequence[str], kind: str | None, rows: Numbered) -> list[str]:
    """Add what the store's columns are called, and the labels of the page."""
    given = {m.partition("=")[0] for m in maps}
    usual = {"label": "label"} if any("label" in row for _, row in rows) else {}
    usual |= {"verdict": "score" if kind == "score" else "passed", "completion": "completion", "said": "said"}
    return [*maps, *(f"{target}={column}" for target, column in usual.items() if target not in given)]


def _read_names(values: Sequence[str]) -> dict[str, str]:
    names = {}
    for pair in values:
        raw, equals, name = pair.rpartition("=")
        if not equals or not name:
            raise RecipeError(
                f"--value {pair}", expected="RAW=NAME", received=repr(pair), cure="for example --value 1=first"
            )
        names[raw] = name
    return names


def _read_minimum(text: str, n: int, ties: str | None, abstentions: str | None) -> Minimum:
    name, _, value = text.rpartition("=")
    cure = "for example --minimum accuracy=0.7"
    try:
        least = float(value)
    except ValueError:
        raise RecipeError(f"--minimum {text}", expected="FIGURE=VALUE", received=repr(text), cure=cure) from None
    figure = find_figure_name(name)
    if figure is None:
        raise RecipeError(f"--minimum {text}", expected=f"a figure: {list_figures()}", received=repr(name), cure=cure)
    return Minimum(figure, least, n=n, ties=TIES.get(ties or ""), abstentions=abstentions or "wrong")


def _check_figure(name: str, kind: str) -> None:
    if name not in FIGURES[kind]:
        raise RecipeError(
            f"--minimum {name}", expected=f"a figure of kind {kind}: {list_figures(kind)}", received=repr(name),
            cure="name one of these, or say what the labels are: --kind",
        )  # fmt: skip


def _choose(found: Calibration, left: Mapping[str, int], ties: str | None, abstentions: str | None) -> Calibration:
    """Keep the figures of the countings asked for, and those that have no other."""
    from dataclasses import replace

    hidden = {
        "ties": {v for k, v in TIES.items() if ties and k != ties},
        "abstentions": set(ABSTENTIONS) - {abstentions},
    }
    if abstentions is None:
        hidden["abstentions"] = set()
    several = {n for n in (f.name for f in found.figures) if sum(f.name == n for f in found.figures) > 1}
    kept = [
        f for f in found.figures
        if f.name not in several or (f.ties not in hidden["ties"] and f.abstentions not in hidden["abstentions"])
    ]  # fmt: skip
    return replace(found, figures=tuple(kept), left_out={**left, **found.left_out})


def _write_report(found: Calibration, output: Path) -> None:
    folder = output.with_suffix("")
    if folder == output:
        folder = output.with_name(output.name + ".plots")
    folder.mkdir(exist_ok=True)
    plots = plot_calibration(found, folder)
    text = render_calibration(found, [f"{folder.name}/{p.name}" for p in plots])
    write_output(output, lambda stream: stream.write(text.encode()))  # type: ignore[arg-type]


def _show(found: Calibration, fmt: str) -> None:
    if fmt == "json":
        click.echo(json.dumps(found.as_dict(), ensure_ascii=False, indent=1))
        return
    click.echo(describe(found))
    print_table(list(COLUMNS), [figure_cells(f) for f in found.figures])
    if found.n_abstained:
        line, text = found.abstentions[0]
        click.echo(f"Abstentions: {found.n_abstained}; the first, of row {line}: {text[:200]!r}.")
