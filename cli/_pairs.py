"""``flywheel pairs``: preference pairs from judged samples and imported sets, without training."""

from pathlib import Path
from typing import Any

import click

from ..config import READY_KINDS, RECIPE_FILE, VERDICT_KINDS, PairConfig
from ..errors import RecipeError
from ..judge import MATH_JUDGE, Scope
from ..loop import LengthPreference, pair, read_length_preferences, steps_to_pair
from ..schema import PROJECT_RUN, seed_from
from ..store import Project, Store, run_query
from ._common import make_reporter, open_project, open_wheel, recipe_options
from ._tables import print_table

FUNNEL = "SELECT step, entered, kept, dropped, reason FROM funnel WHERE run_id = '{run}' AND iteration = {iteration} AND step IN ('pair', 'pair/limit', 'pair/items') ORDER BY step"


@click.command("pairs")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice((*VERDICT_KINDS, *READY_KINDS)),
    help="Instead of the recipe's pairs.kinds; may be repeated.",
)
@click.option(
    "--judge", default=None, metavar="NAME", help="With --kind: whose verdicts; recorded: those of imported sets."
)
@click.option(
    "--margin",
    type=click.FloatRange(0),
    default=None,
    help="With --kind higher/lower: least difference of scores; of recorded ones on their own scale.",
)
@click.option(
    "--step",
    "steps",
    multiple=True,
    metavar="STEP",
    help="Whose samples; import: those of imported sets. Default: all.",
)
@click.option("--per-prompt", type=click.IntRange(min=1), default=None, help="Most pairs of one prompt, of each kind.")
@click.option(
    "--near",
    type=click.FloatRange(0, 1),
    default=None,
    help="Likeness from which the two of a pair are near-identical; 0 = off.",
)
@click.option("--length-balanced", is_flag=True, help="As many pairs with the longer one chosen as with the shorter.")
@recipe_options
@click.pass_obj
def pairs_command(
    root: Path,
    kinds: tuple[str, ...],
    judge: str | None,
    margin: float | None,
    steps: tuple[str, ...],
    per_prompt: int | None,
    near: float | None,
    length_balanced: bool,
    recipe_path: Path | None,
    seed: int | None,
) -> None:
    """Make preference pairs: prompt, chosen, rejected.

    From the verdicts of judges and verifiers, by the recipe's pairs: key, of all steps and imported sets; without a recipe by
    --kind. Pairs that imported sets and generators brought go through the same rules. flywheel export --format trl-dpo --what dpo writes them.
    """
    changes: dict[str, Any] = {"per_problem": per_prompt, "near": near, "length_balanced": length_balanced or None}
    changes["kinds"] = [_kind(k, judge, margin) for k in kinds] or None
    changes["steps"] = steps or None
    given = {k: v for k, v in changes.items() if v is not None}
    if not kinds and (judge is not None or margin is not None):
        raise RecipeError(
            "flywheel pairs",
            expected="--judge and --margin beside --kind",
            received="no --kind",
            cure="add --kind higher/lower",
        )
    if recipe_path is None and not (root / RECIPE_FILE).exists():
        project, run_id, iteration = open_project(root), PROJECT_RUN, 0
        _pair_project(project, _complete({}, given, needs_kind=True), seed or 0)
    else:
        with open_wheel(root, recipe_path, seed, "flywheel pairs") as wheel:
            project, run_id, iteration = wheel.store.project, wheel.run_id, wheel.iterations.current()
            config = _complete(wheel.recipe.pairs.model_dump(), given)
            recipe = wheel.recipe.model_copy(update={"pairs": config})
            wheel.pair(iteration, steps_to_pair(recipe, in_a_run=False), config)
    _show(project, run_id, iteration)


def _kind(kind: str, judge: str | None, margin: float | None) -> dict[str, Any]:
    return {"kind": kind, "judge": judge, **({} if margin is None else {"margin": margin})}


def _complete(config: dict[str, Any], given: dict[str, Any], *, needs_kind: bool = False) -> PairConfig:
    if needs_kind and "kinds" not in given:
        raise RecipeError(
            "flywheel pairs", expected="--kind, or a recipe with pairs:", received="neither",
            cure="for example: flywheel pairs --kind higher/lower --judge recorded --margin 0.5",
        )  # fmt: skip
    for kind in given.get("kinds", ()):
        if kind["judge"] is None and kind["kind"] in ("higher/lower", "safe/unsafe"):
            raise RecipeError(
                f"flywheel pairs --kind {kind['kind']}", expected="--judge: whose verdicts make the pairs", received="none",
                cure="for example --judge quality; --judge recorded for the scores of imported sets",
            )  # fmt: skip
        if kind.get("margin", 0) > 1 and kind["judge"] != "recorded":
            raise RecipeError(
                f"flywheel pairs --margin {kind['margin']:g}", expected="0 to 1, as scores of judges are",
                received=f"{kind['margin']:g}", cure="for example --margin 0.25; larger ones with --judge recorded",
            )  # fmt: skip
    return PairConfig.model_validate({**config, **given})


def _pair_project(project: Project, config: PairConfig, seed: int) -> None:
    """Pair what was imported, where there is no recipe."""
    store, reporter = Store(project), make_reporter()
    try:
        with store.run_lock("flywheel pairs"):
            store.open()
            scope = Scope(PROJECT_RUN, 0, config.steps or ("import",))
            pair(store, reporter, scope, config, MATH_JUDGE, seed=seed_from(seed, "pair") % (1 << 31))
            store.close()
    finally:
        reporter.close()


def _show(project: Project, run_id: str, iteration: int) -> None:
    rows = run_query(project, FUNNEL.format(run=run_id, iteration=iteration)).table.to_pylist()
    if not any(r["entered"] for r in rows):
        raise RecipeError(
            "flywheel pairs", expected="prompts with judged completions, or pairs that were imported", received="none",
            cure='let a judge judge them (flywheel judge run), or see whose verdicts there are: flywheel sql "select judge, count(*) from verdicts group by judge"',
        )  # fmt: skip
    print_table(["step", "entered", "kept", "dropped", "reason"], [list(r.values()) for r in rows])
    print_lengths(
        [p for p in read_length_preferences(project) if p.iteration == iteration and p.run_id in (run_id, PROJECT_RUN)]
    )


def print_lengths(found: list[LengthPreference]) -> None:
    """Print what pairs prefer besides quality: length."""
    columns = ["pairs of kind", "n", "longer one chosen", "p", "correlation", "characters, chosen", "rejected"]
    cells = [
        [p.kind, p.pairs, f"{100 * p.share:.1f} %", f"{p.p_value:.2g}", p.correlation, round(p.chosen_chars), round(p.rejected_chars)]
        for p in found
    ]  # fmt: skip
    if cells:
        print_table(columns, cells, "Preference for length")
    for p in found:
        if p.warning:
            click.echo(f"warning: {p.warning}", err=True)
