"""``flywheel eval``: scores, and the comparison of two."""

from collections.abc import Sequence
from pathlib import Path

import click

from ..config import RECIPE_FILE, Recipe
from ..errors import NotFoundError, RecipeError
from ..eval import Split
from ..llm import SEED_MODEL
from ..loop import (
    COMPARISON_COLUMNS,
    Wheel,
    comparison_cells,
    explain_deltas,
    read_scores,
    show_score,
    tell_cut,
    tell_cut_of_both,
)
from ._common import open_wheel, recipe_options
from ._tables import print_table

ENDPOINT = "endpoint"
"""Names the model of the recipe's endpoint in a comparison."""
COLUMNS = ["suite", "split", "metric", "score ± standard error", "n"]


@click.command("eval")
@recipe_options
@click.option(
    "--checkpoint", default=None, metavar="ID",
    help="Checkpoint to score: champion (default), first, trained (last), seed (the built-in model), an id or its beginning, a model's folder.",
)  # fmt: skip
@click.option(
    "--suite", "suites", multiple=True, metavar="NAME",
    help="Only this suite of the recipe, or another: a file of prompts, or a task of lm-eval on its own data. May be repeated.",
)  # fmt: skip
@click.option("--split", type=click.Choice(["gate", "report"]), default=None, help="Only this split of the suites.")
@click.option(
    "--engine", "kind", type=click.Choice(["local", "vllm", "openai"]), default="local", show_default=True,
    help="Who answers: the checkpoint in process or by a vLLM server, or the model of the recipe's endpoint.",
)  # fmt: skip
@click.option(
    "--answers", type=click.Path(path_type=Path), default=None, metavar="FILE.jsonl",
    help="Score these recorded answers; no model is asked.",
)  # fmt: skip
@click.option(
    "--compare", nargs=2, default=None, metavar="A B",
    help="Score two, and compare B with A item by item: checkpoints as above, or endpoint. Writes before_after.md.",
)  # fmt: skip
@click.pass_obj
def eval_command(
    root: Path, recipe_path: Path | None, seed: int | None, checkpoint: str | None, suites: tuple[str, ...],
    split: str | None, kind: str, answers: Path | None, compare: tuple[str, str] | None,
) -> None:  # fmt: skip
    """Score a model on the recipe's suites. What is in the store already is not scored again."""
    if checkpoint is not None and (kind == "openai" or answers):
        raise RecipeError(
            "flywheel eval --checkpoint", expected="who is scored once", received="an endpoint or answers beside it",
            cure="leave --checkpoint out, or score it by --engine local or vllm",
        )  # fmt: skip
    names = [n for n in (compare or (checkpoint,)) if n is not None]
    without = None if recipe_path or (root / RECIPE_FILE).exists() else _make_recipe(root, names, suites, seed)
    with open_wheel(root, recipe_path, seed, "flywheel eval", without=without) as wheel:
        splits = _choose(wheel, suites, split)
        if compare is not None:
            before, after = (wheel.find_subject(name, "openai" if name == ENDPOINT else kind) for name in compare)
            found, path = wheel.compare(before, after, splits)
            print_table(COMPARISON_COLUMNS, [comparison_cells(c) for c in found], f"{after.name} against {before.name}")
            for line in (*explain_deltas(found), *tell_cut_of_both(wheel.store, before, after, splits)):
                click.echo(line)
            click.echo(f"What flipped: {path}")
            return
        subject = wheel.recorded_subject(answers, splits) if answers else wheel.find_subject(checkpoint, kind)
        wheel.score(subject, subject.name, splits, wheel.iterations.current())
        rows, cut = read_scores(wheel.store, subject, splits), tell_cut(wheel.store, subject, splits)
    shown = [
        (s, p, m, show_score(m, score, stderr, higher_is_better=up, n=n), n) for s, p, m, score, stderr, n, up in rows
    ]
    print_table(COLUMNS, shown, f"checkpoint {subject.checkpoint_id}")
    for line in cut:
        click.echo(line)


def _make_recipe(root: Path, names: Sequence[str], suites: tuple[str, ...], seed: int | None) -> Recipe:
    """Return what stands for a recipe where flags name all that is scored: a model, on suites of their own.

    Args:
        root: the project's folder, which has no recipe.
        names: who is scored; the first that has weights is the model.
        suites: on what.
        seed: of the recipe.

    Raises:
        NotFoundError: they do not name all of it.
    """
    found = next((m for m in map(_find_model, names) if m is not None), None)
    if found is None or not suites:
        raise NotFoundError(
            f"recipe {root / RECIPE_FILE}", expected="a recipe file, or who is scored on what: --checkpoint and --suite",
            received="no such file, and " + _tell_missing(names, suites),
            cure="for example: flywheel eval --checkpoint seed --suite FILE.yaml (docs/eval.md); or write a recipe with: "
            f"flywheel -C {root} init",
        )  # fmt: skip
    return Recipe.model_construct(name="eval", model=found, seed=seed or 0)


def _find_model(name: str) -> str | None:
    """Return ``seed``, a model's folder or a hub id as a recipe names it; None of what only a project has."""
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        return str(folder.resolve())
    return name if name == SEED_MODEL or (name.count("/") == 1 and not folder.exists()) else None


def _tell_missing(names: Sequence[str], suites: tuple[str, ...]) -> str:
    if not names:
        return "no --checkpoint" + ("" if suites else " or --suite")
    return "no --suite" if not suites else f"{' or '.join(map(repr, names))} is no model's folder"


def _choose(wheel: Wheel, suites: tuple[str, ...], split: str | None) -> list[Split]:
    """Return the splits that the flags name; all of the recipe's without any.

    Raises:
        NotFoundError: there is no such suite, or no such split.
    """
    known = {s.suite.name for s in wheel.splits}
    chosen = [s for s in wheel.splits if (not suites or s.suite.name in suites) and split in (None, s.name)]
    for name in suites:
        if name not in known:
            chosen += wheel.prepare_suite(name)
    if not chosen:
        raise NotFoundError(
            "flywheel eval",
            expected=f"rows in the {split} split",
            received="the suites have none",
            cure="check --split",
        )
    return chosen
