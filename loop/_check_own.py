"""Rows of one's own looked at before anything is trained: what a training would leave out of them, and why. Nothing is recorded."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ..config import Recipe, Source
from ..errors import InputError, RecipeError
from ..judge import OwnCuration, OwnFate, OwnRow, read_parts, sift_own
from ..schema import seed_from
from ..store import Project
from ..train import check_train, find_faults
from ._embed import load_embed
from ._freeze import make_token_counter, read_items
from ._own_rows import read_own_rows
from ._run import resolve_first_model
from ._train import running_of, shape_of, take_template


@dataclass(frozen=True)
class CheckedRows:
    """Rows as a training would take them.

    Attributes:
        source: where they are from.
        first: number of the first one in its file, from 1.
        rows: all of them.
        fates: of those that would not be trained on, in the order of the file.
    """

    source: str
    first: int
    rows: list[OwnRow]
    fates: list[OwnFate]


def check_own(project: Project, recipe: Recipe, base: Path, method: str) -> CheckedRows:
    """Curate the recipe's ``train.rows``, search them for evaluation items, and look at them with the model's tokenizer.

    Raises:
        RecipeError: the recipe names no rows.
        InputError: they are wrong as a whole, or none is left.
    """
    spec = recipe.train.rows
    if spec is None:
        raise RecipeError(
            f"recipe {recipe.name}", expected="train.rows, the rows to look at", received="none",
            cure="name a file with the rows: train: {rows: rows.jsonl}",
        )  # fmt: skip
    check_train(recipe.train, base, method)
    rows, model = read_own_rows(recipe.train, base), Path(resolve_first_model(recipe, base).path)
    references = tuple(dict.fromkeys([*(r.expected for r in recipe.train.rewards), "answer"]))
    rules = OwnCuration(
        recipe.curate, make_token_counter(recipe, model), load_embed(recipe, base), references, recipe.train.score_by
    )
    seed = seed_from(recipe.seed, 1, method) % (1 << 31)
    first = Source.parse(spec).start + 1
    kept, fates = sift_own(rows, method, rules, read_items(project, recipe, base), seed, first)
    if kept:
        fates += _find_faults(project, recipe, base, method, model, [(i, rows[i]) for i in kept])
    return CheckedRows(spec, first, rows, sorted(fates, key=lambda fate: fate.place))


def _find_faults(
    project: Project, recipe: Recipe, base: Path, method: str, model: Path, rows: list[tuple[int, OwnRow]]
) -> list[OwnFate]:
    """Return what the training process would leave out of curated rows, each with its place."""
    args: dict[str, Any] = dict(getattr(recipe.train, method) or {})
    template = take_template(args, base)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        data = work / "rows.jsonl"
        data.write_text("".join(json.dumps(row.columns) + "\n" for _, row in rows), encoding="utf-8")
        running = running_of(project.root, work, recipe, method, base)
        shape = shape_of(recipe, method, base, template)
        faults = find_faults(model, method, args, shape, running, data, work / "stage")
    return [OwnFate(rows[f.ordinal][0], "preflight", f"{f.kind}: {f.reason}", f.evidence) for f in faults]


def tabulate_rows(checked: CheckedRows, column: str) -> list[tuple[str, int, int, str]]:
    """Return a line for each value of a column: rows, how many of them stay, and the words of an answer, median and most.

    Raises:
        InputError: no row has such a column.
    """
    known = {key for row in checked.rows for key in row.columns or ()}
    if column not in known:
        raise InputError(
            f"rows of {checked.source}", expected=f"a column {column!r}", received=f"the columns {', '.join(sorted(known))}",
            cure="name one of these",
        )  # fmt: skip
    gone = {fate.place for fate in checked.fates}
    places: dict[str, list[int]] = {}
    for i, row in enumerate(checked.rows):
        places.setdefault(str((row.columns or {}).get(column, "")), []).append(i)
    return [
        (value, len(found), len(set(found) - gone), _words([checked.rows[i] for i in found]))
        for value, found in places.items()
    ]


def _words(rows: list[OwnRow]) -> str:
    said = [read_parts(row.columns, "sft").completion or "" for row in rows if row.columns is not None]
    lengths = [len(text.split()) for text in said]
    return f"median {median(lengths):.0f}, most {max(lengths)}" if lengths else ""
