"""The plans of the wheel's own steps: which problems an iteration tries, and whether all is there to train on."""

import logging
import random
from collections.abc import Sequence

from ..config import Recipe, SolveConfig
from ..errors import RecipeError
from ..gen import ON_POLICY, Pool, Step, choose_problems, count_planned, find_quotas
from ..store import Store
from ._choose import choose_for_step

log = logging.getLogger(__name__)


def config_of(recipe: Recipe, name: str) -> SolveConfig:
    """Return how a step draws."""
    return recipe.on_policy or recipe.solve if name == ON_POLICY else recipe.solve


def plan_problems(store: Store, recipe: Recipe, pools: Sequence[Pool], step: Step, verifier: str) -> None:
    """Fix the problems of a step: of each pool its share of those that ``choose`` takes by how they were solved before, or
    each iteration the next of one seeded order, first to solve, then on policy.
    """
    config = config_of(recipe, step.name)
    if count_planned(store, step):
        return
    quotas = find_quotas(pools, config.problems)
    if sum(quotas) < config.problems and len(pools) > 1:
        _tell_few(pools, step, sum(quotas), config.problems)
    if recipe.choose.is_on:
        orders = [choose_problems(p.ids, recipe.seed, 0, len(p.ids)) for p in pools]
        chosen = choose_for_step(
            store, list(zip(orders, quotas, strict=True)), recipe.choose, step, verifier, recipe.seed
        )
    else:
        chosen = [p for i, n in enumerate(quotas) for p in _take_next(recipe, pools, i, n, step)]
    if len(pools) > 1:  # a step that is stopped half-way has had its share of each
        random.Random(f"{recipe.seed}/shares/{step.iteration}/{step.name}").shuffle(chosen)
    store.fix_plan(step.run_id, step.iteration, step.name, [(p, config.draws) for p in chosen])


def _take_next(recipe: Recipe, pools: Sequence[Pool], index: int, n: int, step: Step) -> list[str]:
    """Return the next ``n`` problems of a pool, behind what earlier iterations and the step before took of it."""
    to_solve = find_quotas(pools, recipe.solve.problems)[index]
    per_turn = to_solve + find_quotas(pools, config_of(recipe, ON_POLICY).problems)[index]
    offset = (step.iteration - 1) * per_turn + (to_solve if step.name == ON_POLICY else 0)
    return choose_problems(pools[index].ids, recipe.seed, offset, n)


def _tell_few(pools: Sequence[Pool], step: Step, n: int, wanted: int) -> None:
    short = min(pools, key=lambda pool: len(pool.ids) / pool.share)
    log.warning(
        "iteration %s, %s: %s problems instead of %s: a set of %s is to be %.3g %% of them. More rows, a lower share in "
        "problems, or fewer problems", step.iteration, step.name, n, wanted, len(short.ids), 100 * short.share,
    )  # fmt: skip


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
