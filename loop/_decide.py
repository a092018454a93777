"""Decisions: what the gate said of each challenger, every comparison a row."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..config import Recipe
from ..errors import RecipeError
from ..eval import Split
from ..schema import content_id, utc_now
from ..store import Store
from ._gate import Finding, LimitTrial, Ruling, rule
from ._measured import Key, Measured, measure_increase, read_items, read_measured
from ._paired import Compared, name_two_sided
from ._spending import Spent, level_of
from ._trial import Trial, suite_of

Row = dict[str, Any]


@dataclass(frozen=True)
class Account:
    """What a run's level has left for its next decision.

    Attributes:
        k: number of the next decision, from 1.
        planned: decisions that the level is spread over.
        run_level: of all decisions together; 0 when each has its own.
        level: of the next decision.
    """

    k: int
    planned: int
    run_level: float
    level: float


def decide(
    store: Store,
    recipe: Recipe,
    splits: list[Split],
    *,
    run_id: str,
    iteration: int,
    stage: str,
    challenger: str,
    champion: str,
) -> Ruling:
    """Compare ``challenger`` with ``champion`` on every suite, rule, and write it down.

    A decision that is in the store already stands.
    """
    found = store.query(
        "SELECT promoted, reason FROM decisions WHERE run_id = ? AND iteration = ? AND stage = ? AND checkpoint_id = ? AND role = 'gate'",
        [run_id, iteration, stage, challenger],
    )
    if found:
        return Ruling(bool(found[0][0]), str(found[0][1]))
    ruling, rows = propose(
        store, recipe, splits, run_id=run_id, iteration=iteration, stage=stage, challenger=challenger, champion=champion
    )
    store.insert("decisions", rows, key="decision_id")
    return ruling


def propose(
    store: Store, recipe: Recipe, splits: list[Split], *, run_id: str, iteration: int | None, stage: str | None,
    challenger: str, champion: str,
) -> tuple[Ruling, list[Row]]:  # fmt: skip
    """Rule on ``challenger`` without writing it down; return the rows of ``decisions`` that would be written."""
    account = read_account(store, recipe, run_id)
    first = _first_model(store, run_id)
    trial = Trial(store, recipe, splits, challenger, champion, first)
    guards, limits = trial.guards(), trial.limits()
    primary = trial.pairs[trial.primary]
    ruling = rule(recipe.gate, primary, [t for _, t in guards], [t for _, t in limits], level=account.level)
    about = {
        "run_id": run_id, "iteration": iteration, "stage": stage, "checkpoint_id": challenger,
        "promoted": ruling.promoted, "reason": ruling.reason, "created_at": utc_now(),
    }  # fmt: skip
    assert ruling.primary is not None
    found = {trial.primary: ruling.primary} | {
        trial.key(t.guard.suite): f for (_, t), f in zip(guards, ruling.guards, strict=True) if t.against == "champion"
    }
    rows = [
        {**about, **_scored(trial, key, champion), **_compared(trial.pairs[key], found.get(key), trial.now[key])}
        for key in trial.now
    ]
    rows += [
        {
            **about,
            **_scored(trial, trial.key(t.guard.suite), against, "anchor"),
            **_compared(t.compared, finding, trial.now[trial.key(t.guard.suite)]),
        }
        for (against, t), finding in zip(guards, ruling.guards, strict=True)
        if t.against == "first"
    ]
    rows += [
        {**about, **_scored(trial, trial.key(suite_of(recipe, t.limit)), against, "limit"), **_limited(t, finding)}
        for (against, t), finding in zip(limits, ruling.limits, strict=True)
    ]
    return ruling, [_identified(row, account) for row in rows]


def read_account(store: Store, recipe: Recipe, run_id: str) -> Account:
    """Return what the run's level has left, from the decisions that are on record."""
    rows = store.query(
        "SELECT planned, level, passed FROM decisions WHERE run_id = ? AND role = 'gate' ORDER BY k NULLS FIRST, created_at",
        [run_id],
    )
    gate, k = recipe.gate, len(rows) + 1
    if gate.per == "decision":
        return Account(k, 0, 0.0, gate.level)
    recorded = [r for r in rows if r[1] is not None]
    planned = int(recorded[0][0]) if recorded else gate.decisions or plan_decisions(recipe)
    last = Spent(float(rows[-1][1]), bool(rows[-1][2])) if rows and rows[-1][1] is not None else None
    return Account(k, planned, gate.level, level_of(k, planned, gate.level, last))


def plan_decisions(recipe: Recipe) -> int:
    """Return how many challengers a run will have: its iterations times the trainings of a turn (SFT, and what it adds)."""
    train = recipe.train
    return recipe.iterations * (1 + sum(keys is not None for keys in (train.dpo, train.kto, train.grpo)))


def check_metrics(store: Store, recipe: Recipe, splits: list[Split], checkpoint_id: str) -> None:
    """Check, as soon as the first scores are there, that each suite's metric is measured and a number on each item, and that
    limits have something to measure.

    Raises:
        RecipeError: it is not; the message lists what is.
    """
    measured = read_measured(store, checkpoint_id, splits)
    items = read_items(store, list(measured.values()))
    for split in splits:
        names = {metric: m for (suite, name, metric), m in measured.items() if (suite, name) == (split.suite.name, split.name)}  # fmt: skip
        found = names.get(split.suite.metric)
        if found is None or not np.isfinite(list(items[found.score_id].values())).all():
            raise RecipeError(
                f"recipe: metric of suite {split.suite.name}",
                expected="a metric that the task measures and that is a number on each item",
                received=repr(split.suite.metric),
                cure=f"choose one of: {'; '.join(sorted(names))}",
            )
        if not found.higher_is_better and split.suite.name in (
            recipe.gate_suite,
            *(g.suite for g in recipe.gate.guards),
        ):
            raise RecipeError(
                f"recipe: metric of suite {split.suite.name}", expected="a metric that is better when higher, for the gate",
                received=f"{split.suite.metric!r}, better when lower",
                cure="choose another, or take the suite out of the gate: what no gate decides on is reported",
            )  # fmt: skip
    for i, limit in enumerate(recipe.gate.limits):
        suite = suite_of(recipe, limit)
        scored = measured[suite, "gate", recipe.suite(suite).metric]
        if not measure_increase(store, limit.measure, scored, scored).n:
            raise RecipeError(
                f"recipe: gate.limits.{i}", expected=f"{limit.measure} of the answers to suite {suite}",
                received="none on record", cure="choose another measure, or remove the limit",
            )  # fmt: skip


def record_baseline(store: Store, splits: list[Split], *, run_id: str, checkpoint_id: str) -> None:
    """Write down the first champion's own scores as iteration 0, once a run."""
    if store.query("SELECT 1 FROM decisions WHERE run_id = ? AND role = 'baseline' LIMIT 1", [run_id]):
        return
    rows = [
        _identified({
            "run_id": run_id, "iteration": 0, "stage": "seed", "checkpoint_id": checkpoint_id, "role": "baseline",
            "score_id": m.score_id, "n": m.n, "promoted": False, "reason": "the first champion", "created_at": utc_now(),
        })
        for m in read_measured(store, checkpoint_id, splits).values()
    ]  # fmt: skip
    store.insert("decisions", rows, key="decision_id")


def _first_model(store: Store, run_id: str) -> str:
    ((checkpoint_id,),) = store.query("SELECT base_checkpoint_id FROM runs WHERE run_id = ?", [run_id])
    return str(checkpoint_id)


def _role(recipe: Recipe, key: Key) -> str:
    suite, split, metric = key
    if split == "gate" and metric == recipe.suite(suite).metric:
        if suite == recipe.gate_suite:
            return "gate"
        if any(g.suite == suite for g in recipe.gate.guards):
            return "guard"
    return "report"


def _scored(trial: Trial, key: Key, against: str, role: str | None = None) -> Row:
    """Return which scores a row is about."""
    return {
        "role": role or _role(trial.recipe, key), "score_id": trial.now[key].score_id, "champion_id": against,
        "champion_score_id": trial.others[against][key].score_id,
    }  # fmt: skip


def _compared(pair: Compared, finding: Finding | None, score: Measured) -> Row:
    """Return the figures of a paired comparison; without a finding it is only reported, with a two-sided p."""
    low, high = pair.interval()
    won, lost = (pair.won, pair.lost) if score.higher_is_better else (pair.lost, pair.won)
    row = {
        "n": pair.n, "won": won, "lost": lost, "left_out": pair.left_out, "delta": pair.delta, "low": low,
        "high": high, "effect": pair.effect, "effect_kind": pair.effect_kind,
    }  # fmt: skip
    if finding is None:
        return {**row, "p_value": pair.p_value, "test": name_two_sided(pair)}
    return {**row, **_found(finding)}


def _limited(trial: LimitTrial, finding: Finding) -> Row:
    i = trial.increase
    return {"n": i.n, "delta": i.relative, "low": i.low, "high": i.high, **_found(finding)}


def _found(finding: Finding) -> Row:
    return {
        "p_value": finding.p_value, "test": finding.test, "level": finding.level, "passed": finding.passed,
        "finding": finding.said, "detectable": finding.detectable,
    }  # fmt: skip


_COLUMNS = (
    "decision_id", "run_id", "iteration", "stage", "checkpoint_id", "score_id", "champion_id", "champion_score_id", "role",
    "n", "won", "lost", "delta", "p_value", "test", "promoted", "reason", "created_at", "low", "high", "effect",
    "effect_kind", "left_out", "level", "passed", "finding", "detectable", "k", "planned", "run_level",
)  # fmt: skip


def _identified(row: Row, account: Account | None = None) -> Row:
    """Complete a row: its id, the decision's place among those of its run, and NULL for the rest."""
    known = [row[c] for c in ("run_id", "iteration", "stage", "checkpoint_id", "score_id")]
    if row["role"] in ("anchor", "limit"):
        known += [row["role"], row["champion_id"], row["test"]]
    place = {} if account is None else {"k": account.k, "planned": account.planned, "run_level": account.run_level}
    return dict.fromkeys(_COLUMNS) | row | place | {"decision_id": content_id("dec", known)}
