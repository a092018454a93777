"""Which problems an iteration tries, by how they were solved when they were tried last; and why, on record.

The choice follows from the rows of earlier iterations alone: an iteration that is interrupted and begun again chooses the same.
"""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from ..config import ChooseConfig
from ..gen import ON_POLICY, SOLVE, Step
from ..schema import utc_now
from ..store import Store

NEW, TRIED = "new", "tried"
SOLVED = ("sometimes", "always", "never")
FILL = ("sometimes", "never", "always", TRIED)
"""What stands in where there are too few new problems, in this order."""

_HISTORY = f"""
    WITH tried AS (
        SELECT input_id AS problem_id, max(iteration) AS iteration FROM plans
        WHERE run_id = $1 AND iteration BETWEEN 1 AND $2 - 1 AND step IN ('{SOLVE}', '{ON_POLICY}') GROUP BY input_id
    ), rates AS (
        SELECT s.problem_id, s.iteration, avg(v.passed::INT)::DOUBLE AS pass_rate
        FROM samples s JOIN verdicts v USING (sample_id)
        WHERE s.run_id = $1 AND s.iteration BETWEEN 1 AND $2 - 1 AND s.step IN ('{SOLVE}', '{ON_POLICY}')
          AND v.judge = $3 AND v.passed IS NOT NULL
        GROUP BY s.problem_id, s.iteration
    )
    SELECT t.problem_id, t.iteration, r.pass_rate FROM tried t LEFT JOIN rates r USING (problem_id, iteration)
"""
_BESIDE = f"""
    SELECT DISTINCT input_id FROM plans
    WHERE run_id = ? AND iteration = ? AND step <> ? AND step IN ('{SOLVE}', '{ON_POLICY}')
"""
_KNOWN = """EXISTS (SELECT 1 FROM problem_choices c WHERE c.run_id = batch.run_id AND c.iteration = batch.iteration
    AND c.step = batch.step)"""


class Tried(NamedTuple):
    """How a problem was solved when it was tried last."""

    iteration: int
    pass_rate: float | None


class Choice(NamedTuple):
    """A problem, whether it is tried, and what it is: the reason."""

    problem_id: str
    chosen: bool
    reason: str
    tried_in: int | None
    pass_rate: float | None


def choose_by_history(
    order: Sequence[str], history: dict[str, Tried], beside: set[str], config: ChooseConfig, n: int, seed: str
) -> list[Choice]:
    """Return the problems to try, in their order, then the others that were tried before.

    Args:
        order: all problems, new ones in the order in which they come up.
        history: how they were solved in earlier iterations.
        beside: those that another step of this iteration tries: they come last.
        n: most to try.
        seed: shuffles problems that were tried equally long ago.
    """
    classes = _sort_into_classes(order, history, beside, config, seed)
    chosen: list[str] = []
    for name in SOLVED:
        quota = min(round(getattr(config, name) * n), n - len(chosen))
        chosen += classes[name][:quota]
        del classes[name][:quota]
    for name in (NEW, *FILL):
        chosen += classes[name][: n - len(chosen)]
    taken = set(chosen)
    others = [p for p in order if p not in taken and (p in history or p in beside)]
    return [_tell(p, p in taken, history, beside, config) for p in (*chosen, *others)]


def _sort_into_classes(
    order: Sequence[str], history: dict[str, Tried], beside: set[str], config: ChooseConfig, seed: str
) -> dict[str, list[str]]:
    """Return problems by what they are, each class with those first that were tried the longest ago."""
    shuffled = list(order)
    random.Random(seed).shuffle(shuffled)
    classes: dict[str, list[str]] = {name: [] for name in (NEW, *FILL)}
    for problem in sorted((p for p in shuffled if p in history or p in beside), key=lambda p: _last(p, history)):
        classes[_class_of(problem, history, beside, config)].append(problem)
    classes[NEW] = [p for p in order if p not in history and p not in beside]
    return classes


def _last(problem: str, history: dict[str, Tried]) -> int:
    return history[problem].iteration if problem in history else 0


def _class_of(problem: str, history: dict[str, Tried], beside: set[str], config: ChooseConfig) -> str:
    """Return what a problem is."""
    if problem in beside:
        return TRIED
    tried = history.get(problem)
    if tried is None:
        return NEW
    rate = tried.pass_rate
    if rate is None:
        return TRIED
    return "always" if rate >= config.high else "never" if rate <= config.low else "sometimes"


def _tell(
    problem: str, chosen: bool, history: dict[str, Tried], beside: set[str], config: ChooseConfig
) -> Choice:  # fmt: skip
    tried = history.get(problem)
    reason = _class_of(problem, history, beside, config)
    return Choice(problem, chosen, reason, *(tried if tried is not None else (None, None)))


def choose_for_step(
    store: Store, pools: Sequence[tuple[Sequence[str], int]], config: ChooseConfig, step: Step, verifier: str, seed: int
) -> list[str]:  # fmt: skip
    """Choose a step's problems, of each pool in its order so many, and put on record why; return them."""
    history = {p: Tried(i, rate) for p, i, rate in store.query(_HISTORY, [step.run_id, step.iteration, verifier])}
    beside = {p for (p,) in store.query(_BESIDE, [step.run_id, step.iteration, step.name])}
    words = f"{seed}/choose/{step.iteration}/{step.name}"
    choices = [
        choice
        for order, n in pools
        for choice in choose_by_history(order, history, beside, config, min(n, len(order)), words)
    ]
    same = {"run_id": step.run_id, "iteration": step.iteration, "step": step.name, "created_at": utc_now()}
    store.insert_table("problem_choices", _as_table(choices), same=same, unless=_KNOWN)
    return [c.problem_id for c in choices if c.chosen]


def _as_table(choices: Sequence[Choice]) -> pa.Table:
    types = (pa.string(), pa.bool_(), pa.string(), pa.int32(), pa.float64())
    columns: Iterator[tuple[object, ...]] = zip(*choices, strict=True) if choices else iter([()] * len(types))
    return pa.table({
        name: pa.array(column, kind) for name, column, kind in zip(Choice._fields, columns, types, strict=True)
    })  # fmt: skip
