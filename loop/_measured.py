"""What the store has measured of a checkpoint, and two checkpoints paired on it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite, isnan
from typing import Any

import numpy as np

from ..config import Measure, Recipe
from ..errors import RecipeError
from ..eval import Split
from ..schema import seed_from
from ..store import Store
from ._gate import Increase, pair_items
from ._graded import RESAMPLES, Graded
from ._paired import COVERAGE, Compared

Key = tuple[str, str, str]
"""Suite, split and metric."""
Place = tuple[Any, float]
"""Cluster and weight of an item."""
Places = dict[int, Place]
Items = dict[str, dict[int, float]]
"""Score id to the items' values by their place in the suite."""
Layout = dict[str, Place]
"""Of items that are not all alone and alike: item id to cluster and weight."""


@dataclass(frozen=True)
class Measured:
    """A score of a checkpoint."""

    score_id: str
    suite: str
    split: str
    metric: str
    n: int
    higher_is_better: bool = True


def read_measured(store: Store, checkpoint_id: str, splits: Sequence[Split]) -> dict[Key, Measured]:
    """Return the scores of a checkpoint on ``splits`` as they are now."""
    wanted = {(s.suite.name, s.name): s.suite_hash for s in splits}
    rows = store.query(
        "SELECT score_id, suite, split, metric, n, coalesce((settings ->> '$.higher_is_better')::BOOLEAN, true), suite_hash FROM scores WHERE checkpoint_id = ? ORDER BY suite, split, metric",
        [checkpoint_id],
    )
    return {
        (suite, split, metric): Measured(score_id, suite, split, metric, n, up)
        for score_id, suite, split, metric, n, up, suite_hash in rows
        if wanted.get((suite, split)) == suite_hash
    }


def read_unscored(store: Store, checkpoint_id: str, splits: Sequence[Split]) -> list[str]:
    """Return the splits that a checkpoint has no scores on, as ``suite/split``."""
    have = {key[:2] for key in read_measured(store, checkpoint_id, splits)}
    return [f"{s.suite.name}/{s.name}" for s in splits if (s.suite.name, s.name) not in have]


def read_items(store: Store, scores: Sequence[Measured]) -> Items:
    """Return the value of each item of some scores, by its place in the suite."""
    rows = store.query(
        "SELECT score_id, ordinal, value FROM score_items WHERE list_contains(?, score_id)",
        [[s.score_id for s in scores]],
    )
    items: Items = {s.score_id: {} for s in scores}
    for score_id, ordinal, value in rows:
        items[score_id][int(ordinal)] = float(value)
    return items


def compare(items: Items, before: Measured, after: Measured, places: Places | None = None) -> Compared:
    """Pair two scores item by item: as right and wrong where both are, else by how much each item differs."""
    seed = seed_from("gate", before.score_id, after.score_id)
    return compare_items(items[before.score_id], items[after.score_id], places, seed=seed)


def read_places(store: Store, score: Measured, layout: Layout) -> Places:
    """Return cluster and weight by the item's place in the suite.

    Raises:
        RecipeError: the task has changed the rows, so that they no longer say which item is which.
    """
    rows = store.query("SELECT ordinal, item_id FROM score_items WHERE score_id = ?", [score.score_id])
    if unknown := [int(i) for i, item_id in rows if item_id not in layout]:
        raise RecipeError(
            f"recipe: gate: cluster or weight of suite {score.suite}", expected="items that are rows of the suite",
            received=f"item {min(unknown)}, which the task has made into another", cure="remove cluster and weight",
        )  # fmt: skip
    return {int(i): layout[item_id] for i, item_id in rows}


def compare_items(
    before: dict[int, float], after: dict[int, float], places: Places | None = None, *, seed: int = 0
) -> Compared:
    """Pair two measurements; an item that one lacks, or whose value is no number, is left out and counted.

    Args:
        places: cluster and weight of each item; None: each stands alone, and all count the same.
        seed: of sign flips and the bootstrap.
    """
    shared = sorted(i for i in before.keys() & after.keys() if isfinite(before[i]) and isfinite(after[i]))
    left_out = len(before.keys() | after.keys()) - len(shared)
    values = {before[i] for i in shared} | {after[i] for i in shared}
    if places is None and values <= {0.0, 1.0}:
        paired = pair_items({i: before[i] for i in shared}, {i: after[i] for i in shared})
        return replace(paired, left_out=left_out)
    of_items = [places[i] if places else (i, 1.0) for i in shared]
    number: dict[Any, int] = {}
    return Graded(
        np.array([after[i] - before[i] for i in shared]), np.array([w for _, w in of_items]),
        np.array([number.setdefault(c, len(number)) for c, _ in of_items], dtype=np.int64), seed=seed,
        is_share=all(0 <= v <= 1 for v in values), left_out=left_out,
    )  # fmt: skip


def read_layout(split: Split, cluster: str | None, weight: str | None, place: str) -> Layout | None:
    """Return clusters and weights of a split's items; None when each stands alone and all count the same.

    Raises:
        RecipeError: a row lacks the column, or its weight is not a number above 0.
    """
    if cluster is None and weight is None:
        return None
    for row in split.rows:
        for column in filter(None, (cluster, weight)):
            if column not in row:
                raise RecipeError(
                    f"recipe: {place}", expected=f"a column of the rows of suite {split.suite.name}",
                    received=f"{column!r}", cure=f"choose one of: {', '.join(row)}",
                )  # fmt: skip
        if weight is not None and not _is_weight(row[weight]):
            raise RecipeError(
                f"recipe: {place}", expected="a weight above 0 in each row", received=f"{weight}: {row[weight]!r}",
                cure=f"mend the rows of suite {split.suite.name}, or take out an item by removing its row",
            )  # fmt: skip
    return {
        item: (repr(row[cluster]) if cluster else item, float(row[weight]) if weight else 1.0)
        for item, row in zip(split.item_ids, split.rows, strict=True)
    }


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value > 0


def read_layouts(recipe: Recipe, splits: Sequence[Split]) -> dict[tuple[str, str], Layout | None]:
    """Return the layout of the splits of each suite that decides, by suite and split.

    Raises:
        RecipeError: see :func:`read_layout`.
    """
    if not recipe.suites:
        return {}
    gate = recipe.gate
    rules = {recipe.gate_suite: ("gate", gate.cluster, gate.weight)} | {
        g.suite: (f"gate.guards.{i}", g.cluster, g.weight) for i, g in enumerate(gate.guards)
    }
    return {
        (s.suite.name, s.name): read_layout(s, cluster, weight, place)
        for s in splits
        if s.suite.name in rules
        for place, cluster, weight in [rules[s.suite.name]]
    }


# --- what answers cost ---------------------------------------------------------------------------------------------

_COSTS: dict[Measure, str] = {
    "completion_tokens": "r.completion_tokens",
    "tokens": "r.prompt_tokens + r.completion_tokens",
    "completion_chars": "length(r.completions ->> 0)",
    "latency_s": "r.latency_s",
}


def measure_increase(store: Store, measure: Measure, before: Measured, after: Measured) -> Increase:
    """Compare what the answers of two checkpoints cost, item by item."""
    old, new = _read_costs(store, measure, before.score_id), _read_costs(store, measure, after.score_id)
    shared = sorted(i for i in old.keys() & new.keys() if not isnan(old[i] + new[i]))
    if not shared:
        return Increase(0, 0.0, 0.0, 0.0, 0.0)
    pairs = np.array([[old[i], new[i]] for i in shared])
    low, high = _ratio_interval(pairs, seed_from("limit", measure, before.score_id, after.score_id))
    mean_before, mean_after = pairs.mean(0)
    return Increase(len(shared), float(mean_before), float(mean_after), low, high)


def _read_costs(store: Store, measure: Measure, score_id: str) -> dict[int, float]:
    rows = store.query(
        f"SELECT i.ordinal, any_value({_COSTS[measure]}) FROM score_items i JOIN requests r USING (request_id) WHERE i.score_id = ? GROUP BY ALL",
        [score_id],
    )
    return {int(i): float(cost) for i, cost in rows if cost is not None}


def _ratio_interval(pairs: np.ndarray, seed: int) -> tuple[float, float]:
    """Return a seeded paired bootstrap of the relative increase of the mean."""
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(RESAMPLES // 10):
        before, after = pairs[rng.integers(0, len(pairs), len(pairs))].mean(0)
        ratios.append(after / before - 1 if before else 0.0)
    low, high = np.quantile(ratios, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)
