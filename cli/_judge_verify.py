"""``flywheel judge verify``."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click

from ..config import read_text
from ..errors import InputError, RecipeError
from ..judge import Classification, FileScore, Judged, Source, Verifier, complete_options, find_verifier, score_file
from ..plugins import REQUIRED
from ..schema import find_wilson, has_false_bar
from ..store import Project
from ._output import check_output, write_output
from ._tables import print_table

SHOWN_CHARS = 80


@click.command("verify")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option(
    "--verifier", "name", required=True, metavar="NAME", help="math, choice, exact, …, own.py, package.module:name."
)
@click.option(
    "--map", "maps", multiple=True, metavar="TARGET=COLUMN",
    help="Say which column is what: --map completion=output --map expected=target; others by the name that the verifier "
    "reads: --map tools=function. A place inside is named by dots: completion=result.0.text. Numbers (completion=1) mean a table without header.",
)  # fmt: skip
@click.option(
    "--option", "options", multiple=True, metavar="NAME=VALUE", help="Of the verifier; @FILE reads a file of JSON."
)
@click.option("--truth", default="", metavar="COLUMN", help="A recorded correctness: shows where the verdicts differ.")
@click.option("--rows", default="", metavar="COLUMN", help="The column that holds the rows, in a file of one object.")
@click.option(
    "--join", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Add the columns of FILE's rows."
)
@click.option(
    "--on", default="id", show_default=True, metavar="COLUMN", help="With --join: the column that tells rows apart."
)
@click.option(
    "--output", type=click.Path(path_type=Path), default=None, metavar="FILE", help="Write the verdicts as JSON lines."
)
@click.option("--force", is_flag=True, help="Let --output overwrite a file (never the store or the recipe).")
@click.pass_obj
def judge_verify_command(
    root: Path,
    file: Path,
    name: str,
    maps: tuple[str, ...],
    options: tuple[str, ...],
    truth: str,
    rows: str,
    join: Path | None,
    on: str,
    output: Path | None,
    force: bool,
) -> None:
    """Judge the completions of FILE (JSON lines, JSON, CSV, TSV, Parquet) by a verifier.

    Prints how many passed, failed and abstained, the reasons, and for verifiers of labels macro-F1 and the confusion. The
    verdicts are not stored. docs/verifiers.md lists the verifiers with their options.
    """
    verifier = find_verifier(name, root, "--verifier")
    complete = complete_options(verifier, _read_options(verifier, options), "--option")
    source = Source(file, _split(maps, "--map"), truth, rows, join, on)
    if output is None:
        score = score_file(source, verifier, complete)
    else:
        check_output(output, Project(root), force=force)
        score = _score_into(output, source, verifier, complete)
    _print(score, verifier, source)


def _split(pairs: Iterable[str], flag: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key or key in found:
            raise InputError(
                f"{flag} {pair}", expected="NAME=VALUE, each name once",
                received="a name that is given twice" if key in found else repr(pair), cure=f"for example: {flag} name=value",
            )  # fmt: skip
        found[key] = value
    return found


def _read_options(verifier: Verifier, pairs: Iterable[str]) -> dict[str, Any]:
    return {key: _read_value(key, text, verifier.options.get(key)) for key, text in _split(pairs, "--option").items()}


def _read_value(key: str, text: str, default: Any) -> Any:
    """Return an option's value: as its default's kind says, else JSON where it is JSON."""
    if isinstance(default, str):
        return text
    is_file = text.startswith("@")
    if is_file:
        text = read_text(Path(text[1:]), f"--option {key}={text}")
    try:
        value = json.loads(text)
    except ValueError:
        if is_file and (default is None or default is REQUIRED):
            raise RecipeError(
                f"--option {key}", expected="a file of JSON", received=text[:80], cure="mend the file"
            ) from None
        value = text
    if isinstance(default, list | tuple) and not isinstance(value, list):
        return [part.strip() for part in text.split(",")]
    return value


def _score_into(output: Path, source: Source, verifier: Verifier, options: Mapping[str, Any]) -> FileScore:
    scores: list[FileScore] = []

    def write(stream: BinaryIO) -> None:
        scores.append(score_file(source, verifier, options, lambda one: _write(stream, one, verifier.judge)))

    write_output(output, write)
    return scores[0]


def _write(stream: BinaryIO, one: Judged, judge: str) -> None:
    verdict = one.verdict
    row = {
        "row": one.row, "draw": one.draw, "judge": judge, "passed": verdict.passed, "score": verdict.score,
        "reason": verdict.reason, "evidence": verdict.evidence,
    }  # fmt: skip
    if one.truth is not None:
        row["truth"] = one.truth
    stream.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")


def _print(score: FileScore, verifier: Verifier, source: Source) -> None:
    left_out = "abstentions left out" if score.abstained else ""
    rows: list[tuple[str, Any, str]] = [
        ("completions", score.n, ""), ("passed", score.passed, ""), ("failed", score.failed, ""),
        ("abstained", score.abstained, "neither passed nor failed"),
        ("accuracy", _with_error(score), f"passed of {score.decided} decided" + (f", {left_out}" if left_out else "")),
    ]  # fmt: skip
    if score.abstained:
        rows.append(("accuracy, abstentions wrong", _show(score.passed / score.n), f"passed of all {score.n}"))
    rows += [*_row_figures(score), *_truth_figures(score, source)]
    if (found := score.classification) is not None:
        rows.append(("macro-F1", _show(found.macro_f1), f"mean of {len(found.labels)} labels, n = {found.n}"))
    print_table(["figure", "value", "how"], rows, verifier.judge)
    print_table(["verdict", "reason", "n"], [(*key, n) for key, n in score.reasons.most_common()])
    if found is not None:
        _print_labels(found)
    _print_disagreements(score)


def _with_error(score: FileScore) -> str:
    if score.accuracy is None:
        return "none"
    rows = sum(any(counts) for counts in score.by_row.values())
    if has_false_bar("accuracy", score.accuracy, score.stderr, rows):
        low, high = find_wilson(score.accuracy, rows)
        return f"{_show(score.accuracy)} (Wilson 95 %, n = {rows} rows: {low:.4f} to {high:.4f})"
    return _show(score.accuracy) + (f" ± {score.stderr:.4f}" if score.stderr else "")


def _show(value: float) -> str:
    return f"{value:.6f}"


def _row_figures(score: FileScore) -> list[tuple[str, Any, str]]:
    """Return what the completions of a row say together, where rows have several."""
    counts = list(score.by_row.values())
    if len(counts) == score.decided:
        return []
    some = sum(passed > 0 for passed, _ in counts)
    both = sum(passed > 0 and failed > 0 for passed, failed in counts)
    return [
        ("rows", len(counts), "with a decided completion"), ("rows with any passed", some, "pass@k of all draws"),
        ("rows with both", both, "passed and failed: rows that make pairs"),
    ]  # fmt: skip


def _truth_figures(score: FileScore, source: Source) -> list[tuple[str, Any, str]]:
    if not source.truth:
        return []
    n = score.agreed + len(score.disagreements)
    share = _show(score.agreed / n) if n else "none"
    return [
        (
            f"agreement with {source.truth}",
            share,
            f"{score.agreed} of {n}; {score.without_truth} abstained or unrecorded",
        )
    ]


def _print_labels(found: Classification) -> None:
    columns = ["label", "precision", "recall", "F1", "n"]
    print_table(
        columns, [(f.label, _show(f.precision), _show(f.recall), _show(f.f1), f.support) for f in found.by_label()]
    )
    gold = sorted({gold for _, gold in found.confusion})
    predicted: list[str | None] = [*found.labels, *([None] if any(p is None for p, _ in found.confusion) else [])]
    matrix = [(p if p is not None else "(no label)", *(found.confusion[p, g] for g in gold)) for p in predicted]
    print_table(["predicted \\ gold", *gold], matrix)


def _print_disagreements(score: FileScore) -> None:
    if not score.disagreements:
        return
    rows = [
        (
            one.row,
            one.draw,
            one.verdict.passed,
            one.truth,
            one.verdict.reason,
            (one.verdict.evidence or "")[:SHOWN_CHARS],
        )
        for one in score.disagreements
    ]
    print_table(
        ["row", "draw", "verdict", "recorded", "reason", "evidence"], rows, "verdicts that differ from the record"
    )
