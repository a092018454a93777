"""Decisions: what the gate said of each challenger, every comparison a row."""

from dataclasses import dataclass
from typing import Any

from ..config import Recipe
from ..errors import RecipeError
from ..eval import Split
from ..schema import content_id, utc_now
from ..store import Store
from ._gate import GUARD_TEST, TEST, Paired, Ruling, pair_items, rule


@dataclass(frozen=True)
class _Measured:
    score_id: str
    suite: str
    split: str
    metric: str
    n: int


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
    now, before = _measured(store, challenger, splits), _measured(store, champion, splits)
    pairs = {key: _compare(store, before[key], now[key]) for key in now}
    suite = recipe.suite(recipe.gate_suite)
    primary = pairs[suite.name, "gate", suite.metric]
    guards = [(g, pairs[g.suite, "gate", recipe.suite(g.suite).metric]) for g in recipe.gate.guards]
    ruling = rule(recipe.gate, primary, guards)
    rows = []
    for key, measured in now.items():
        role = _role(recipe, key)
        rows.append(
            _row(run_id, iteration, stage, challenger, measured, ruling, role, champion, before[key], pairs[key])
        )
    store.insert("decisions", rows, key="decision_id")
    return ruling


def check_metrics(store: Store, splits: list[Split], checkpoint_id: str) -> None:
    """Check, as soon as the first scores are there, that each suite's metric is measured and is 0 or 1 on each item.

    Raises:
        RecipeError: it is not; the message lists what is.
    """
    measured = _measured(store, checkpoint_id, splits)
    for split in splits:
        metrics = {
            metric: m
            for (suite, name, metric), m in measured.items()
            if (suite, name) == (split.suite.name, split.name)
        }
        found = metrics.get(split.suite.metric)
        if found is None or not set(_items(store, found.score_id).values()) <= {0.0, 1.0}:
            raise RecipeError(
                f"recipe: metric of suite {split.suite.name}",
                expected="a metric that the task measures and that is 0 or 1 on each item",
                received=repr(split.suite.metric),
                cure=f"choose one of: {'; '.join(sorted(metrics))}",
            )


def record_baseline(store: Store, splits: list[Split], *, run_id: str, checkpoint_id: str) -> None:
    """Write down the first champion's own scores as iteration 0, once a run."""
    if store.query("SELECT 1 FROM decisions WHERE run_id = ? AND role = 'baseline' LIMIT 1", [run_id]):
        return
    ruling = Ruling(False, "the first champion")
    measured = _measured(store, checkpoint_id, splits).values()
    rows = [_row(run_id, 0, "seed", checkpoint_id, m, ruling, "baseline") for m in measured]
    store.insert("decisions", rows, key="decision_id")


def compare_checkpoints(
    store: Store, splits: list[Split], before: str, after: str
) -> dict[tuple[str, str, str], Paired]:
    """Pair two checkpoints on every suite, split and metric that both have."""
    old, new = _measured(store, before, splits), _measured(store, after, splits)
    return {key: _compare(store, old[key], new[key]) for key in new if key in old}


def _role(recipe: Recipe, key: tuple[str, str, str]) -> str:
    suite, split, metric = key
    if split == "gate" and metric == recipe.suite(suite).metric:
        if suite == recipe.gate_suite:
            return "gate"
        if any(g.suite == suite for g in recipe.gate.guards):
            return "guard"
    return "report"


def _measured(store: Store, checkpoint_id: str, splits: list[Split]) -> dict[tuple[str, str, str], _Measured]:
    wanted = {(s.suite.name, s.name): s.suite_hash for s in splits}
    rows = store.query(
        "SELECT score_id, suite, split, metric, n, suite_hash FROM scores WHERE checkpoint_id = ? ORDER BY suite, split, metric",
        [checkpoint_id],
    )
    return {
        (suite, split, metric): _Measured(score_id, suite, split, metric, n)
        for score_id, suite, split, metric, n, suite_hash in rows
        if wanted.get((suite, split)) == suite_hash
    }


def _compare(store: Store, before: _Measured, after: _Measured) -> Paired:
    return pair_items(_items(store, before.score_id), _items(store, after.score_id))


def _items(store: Store, score_id: str) -> dict[int, float]:
    return {
        int(i): float(v)
        for i, v in store.query("SELECT ordinal, value FROM score_items WHERE score_id = ?", [score_id])
    }


def _row(
    run_id: str, iteration: int, stage: str, checkpoint_id: str, measured: _Measured, ruling: Ruling, role: str,
    champion: str | None = None, before: _Measured | None = None, paired: Paired | None = None,
) -> dict[str, Any]:  # fmt: skip
    is_guard = role == "guard"
    return {
        "decision_id": content_id("dec", [run_id, iteration, stage, checkpoint_id, measured.score_id]),
        "run_id": run_id, "iteration": iteration, "stage": stage, "checkpoint_id": checkpoint_id,
        "score_id": measured.score_id, "champion_id": champion,
        "champion_score_id": before.score_id if before else None, "role": role, "n": paired.n if paired else measured.n,
        "won": paired.won if paired else None, "lost": paired.lost if paired else None,
        "delta": paired.delta if paired else None,
        "p_value": None if paired is None else paired.p_fall if is_guard else paired.p_value,
        "test": None if paired is None else GUARD_TEST if is_guard else TEST,
        "promoted": ruling.promoted, "reason": ruling.reason, "created_at": utc_now(),
    }  # fmt: skip
