"""The plans of the wheel's own steps: which problems an iteration tries, and whether all is there to train on."""

from collections.abc import Sequence

from ..config import Recipe, SolveConfig
from ..errors import RecipeError
from ..gen import ON_POLICY, Step, choose_problems, count_planned
from ..store import Store
from ._choose import choose_for_step


def config_of(recipe: Recipe, name: str) -> SolveConfig:
    """Return how a step draws."""
    return recipe.on_policy or recipe.solve if name == ON_POLICY else recipe.solve


def plan_problems(store: Store, recipe: Recipe, problem_ids: Sequence[str], step: Step, verifier: str) -> None:
    """Fix the problems of a step: those that ``choose`` takes by how they were solved before, or each iteration the next of
    one seeded order, first to solve, then on policy.
    """
    config = config_of(recipe, step.name)
    if count_planned(store, step):
        return
    if recipe.choose.is_on:
        order = choose_problems(problem_ids, recipe.seed, 0, len(problem_ids))
        chosen = choose_for_step(store, order, recipe.choose, step, config.problems, verifier, recipe.seed)
    else:
        per_turn = recipe.solve.problems + config_of(recipe, ON_POLICY).problems
        offset = (step.iteration - 1) * per_turn + (recipe.solve.problems if step.name == ON_POLICY else 0)
        chosen = choose_problems(problem_ids, recipe.seed, offset, config.problems)
    store.fix_plan(step.run_id, step.iteration, step.name, [(p, config.draws) for p in chosen])


def require_complete(store: Store, step: Step) -> None:
    """Refuse to go on from a step that was interrupted.

    Raises:
        RecipeError: of some input a completion is neither verified nor a drop.
    """
    ((planned, left),) = store.query(_LEFT, [step.run_id, step.iteration, step.name])
    if planned == 0 or left:
        raise RecipeError(
            f"iteration {step.iteration}", expected="every planned completion on record and verified",
            received=f"{left} of {planned} inputs of step {step.name!r} are not" if planned else "none were generated",
            cure="give flywheel generate first (it goes on where it stopped), or flywheel run for the whole turn",
        )  # fmt: skip


_LEFT = """
    WITH ended AS (
        SELECT s.problem_id AS input_id, count(*) AS n FROM samples s
        WHERE s.run_id = $1 AND s.iteration = $2 AND s.step = $3
          AND s.request_id IN (SELECT request_id FROM requests)
          AND s.sample_id IN (SELECT sample_id FROM verdicts)
        GROUP BY ALL
        UNION ALL
        SELECT input_id, n FROM drops WHERE run_id = $1 AND iteration = $2 AND step = $3
    ), by_input AS (SELECT input_id, sum(n) AS n FROM ended GROUP BY ALL)
    SELECT count(*), count(*) FILTER (coalesce(e.n, 0) < p.n)
    FROM plans p LEFT JOIN by_input e USING (input_id)
    WHERE p.run_id = $1 AND p.iteration = $2 AND p.step = $3
"""
