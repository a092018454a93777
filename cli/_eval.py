"""``flywheel eval``: scores, and the comparison of two."""

from pathlib import Path

import click

from ..errors import NotFoundError, RecipeError
from ..eval import Split
from ..loop import Wheel, percent, read_scores
from ._common import open_wheel, recipe_options
from ._tables import print_table

COLUMNS = ["suite", "split", "metric", "score, % ± standard error", "n"]


@click.command("eval")
@recipe_options
@click.option(
    "--checkpoint", default=None, metavar="ID",
    help="Checkpoint to score: champion (default), first, an id or its beginning, a model's folder.",
)  # fmt: skip
@click.option("--suite", "suites", multiple=True, metavar="NAME", help="Only this suite; may be repeated.")
@click.option("--split", type=click.Choice(["gate", "report"]), default=None, help="Only this split of the suites.")
@click.option(
    "--engine", "kind", type=click.Choice(["local", "vllm", "openai"]), default="local", show_default=True,
    help="Who answers: the checkpoint in process or by a vLLM server, or the model of the recipe's endpoint.",
)  # fmt: skip
@click.option(
    "--answers", type=click.Path(path_type=Path), default=None, metavar="FILE.jsonl",
    help="Score these recorded answers; no model is asked.",
)  # fmt: skip
@click.pass_obj
def eval_command(
    root: Path, recipe_path: Path | None, seed: int | None, checkpoint: str | None, suites: tuple[str, ...],
    split: str | None, kind: str, answers: Path | None,
) -> None:  # fmt: skip
    """Score a model on the recipe's suites. What is in the store already is not scored again."""
    if checkpoint is not None and (kind == "openai" or answers):
        raise RecipeError(
            "flywheel eval --checkpoint", expected="who is scored once", received="an endpoint or answers beside it",
            cure="leave --checkpoint out, or score it by --engine local or vllm",
        )  # fmt: skip
    with open_wheel(root, recipe_path, seed, "flywheel eval") as wheel:
        splits = _choose(wheel, suites, split)
        subject = wheel.recorded_subject(answers, splits) if answers else wheel.find_subject(checkpoint, kind)
        wheel.score(subject, subject.name, splits, wheel.iterations.current())
        rows = read_scores(wheel.store, subject, splits)
    shown = [(s, p, metric, percent(score, stderr), n) for s, p, metric, score, stderr, n in rows]
    print_table(COLUMNS, shown, f"checkpoint {subject.checkpoint_id}")


def _choose(wheel: Wheel, suites: tuple[str, ...], split: str | None) -> list[Split]:
    """Return the splits that the flags name; all without any."""
    known = {s.suite.name for s in wheel.splits}
    if unknown := [s for s in suites if s not in known]:
        raise NotFoundError(
            f"suite {unknown[0]!r}",
            expected=f"one of {', '.join(sorted(known))}",
            received="no such suite",
            cure="check --suite",
        )
    chosen = [s for s in wheel.splits if (not suites or s.suite.name in suites) and split in (None, s.name)]
    if not chosen:
        raise NotFoundError(
            "flywheel eval",
            expected=f"rows in the {split} split",
            received="the suites have none",
            cure="check --split",
        )
    return chosen
