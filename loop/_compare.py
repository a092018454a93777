"""Two models on the same items, when a person asks: difference with interval, test and effect, and what flipped.

Right and wrong: exact McNemar test, two-sided, and Tango's score interval. Graded values: sign-flip permutation test,
two-sided, and a percentile bootstrap of the paired differences. Macro-F1, which is no mean of its items: a paired bootstrap
of the figure itself, items drawn with both models' labels.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import RecipeError
from ..eval import Split, Subject, statistic_of
from ..schema import content_id, seed_from, utc_now
from ..store import Store
from ._measured import compare_items
from ._paired import COVERAGE, Compared, Paired, name_two_sided

RESAMPLES = 2000
WHOLE = ("macro_f1",)
"""Metrics that are compared as figures of the whole set."""
PARTS = ("f1[",)
"""Metrics whose items are only some of those that the figure is made of: shown, not compared."""


@dataclass(frozen=True)
class Comparison:
    """One metric of one split; see the table ``comparisons``."""

    suite: str
    split: str
    metric: str
    before_score_id: str
    after_score_id: str
    n: int
    won: int
    lost: int
    left_out: int
    before: float
    after: float
    before_stderr: float | None
    after_stderr: float | None
    higher_is_better: bool
    delta: float
    low: float
    high: float
    interval_kind: str
    effect: float | None
    effect_kind: str
    p_value: float
    test: str


@dataclass(frozen=True)
class _Score:
    score_id: str
    score: float
    stderr: float | None
    higher_is_better: bool


@dataclass(frozen=True)
class _Item:
    value: float
    of: tuple[Any, ...]


def require_two(before: Subject, after: Subject) -> None:
    """Refuse to compare a model with itself, before anything is scored.

    Raises:
        RecipeError: two names of one checkpoint, by one engine.
    """
    if (before.checkpoint_id, before.kind) == (after.checkpoint_id, after.kind):
        raise RecipeError(
            "flywheel eval --compare", expected="two different models", received=f"{after.checkpoint_id} under both names",
            cure="name another checkpoint, a model's folder, or endpoint; champion is first until the gate has promoted one",
        )  # fmt: skip


def compare_subjects(store: Store, before: Subject, after: Subject, splits: Sequence[Split]) -> list[Comparison]:
    """Compare two models on every metric that both have, and put the comparisons on record.

    Raises:
        RecipeError: they have no metric in common.
    """
    found: list[Comparison] = []
    for split in splits:
        old, new = _scores(store, before, split), _scores(store, after, split)
        both = [m for m in new if m in old and not m.startswith(PARTS)]
        found += [_compare(store, split, metric, old[metric], new[metric]) for metric in both]
    if not found:
        raise RecipeError(
            "flywheel eval --compare",
            expected="a metric that both have",
            received="none",
            cure="score both on one suite",
        )
    rows = [
        {
            "comparison_id": content_id("cmp", [c.before_score_id, c.after_score_id]), "before_id": before.checkpoint_id,
            "after_id": after.checkpoint_id, **_columns(c), "created_at": utc_now(),
        }
        for c in found
    ]  # fmt: skip
    store.insert("comparisons", rows, key="comparison_id")
    return found


def _columns(c: Comparison) -> dict[str, Any]:
    """Return a comparison as a row; which way is better, and each error bar, is a matter of its scores."""
    of_scores = ("higher_is_better", "before_stderr", "after_stderr")
    return {k: v for k, v in asdict(c).items() if k not in of_scores}


def _scores(store: Store, subject: Subject, split: Split) -> dict[str, _Score]:
    """Return the scores by metric."""
    rows = store.query(
        "SELECT metric, score_id, score, stderr, coalesce((settings ->> '$.higher_is_better')::BOOLEAN, true) FROM scores WHERE checkpoint_id = ? AND suite = ? AND split = ? AND suite_hash = ? ORDER BY metric",
        [subject.checkpoint_id, split.suite.name, split.name, subject.hash_of(split)],
    )
    return {metric: _Score(*found) for metric, *found in rows}


def _compare(store: Store, split: Split, metric: str, before: _Score, after: _Score) -> Comparison:
    old, new = _items(store, before.score_id), _items(store, after.score_id)
    seed = seed_from("compare", before.score_id, after.score_id) % (1 << 32)
    name = metric.rpartition(",")[0] or metric
    compared = _pair(name, old, new, seed)
    won, lost = (compared.won, compared.lost) if after.higher_is_better else (compared.lost, compared.won)
    figures: dict[str, Any] = {
        "n": compared.n, "won": won, "lost": lost, "left_out": compared.left_out, "effect": compared.effect,
        "effect_kind": compared.effect_kind,
    }  # fmt: skip
    if name in WHOLE:
        figures |= _compare_whole(name, old, new, seed)
    else:
        low, high = compared.interval()
        figures |= {
            "delta": compared.delta, "low": low, "high": high, "p_value": compared.p_value,
            "test": name_two_sided(compared),
            "interval_kind": "Tango score" if isinstance(compared, Paired) else "paired bootstrap",
        }  # fmt: skip
    return Comparison(
        split.suite.name, split.name, metric, before.score_id, after.score_id, before=before.score, after=after.score,
        before_stderr=before.stderr, after_stderr=after.stderr, higher_is_better=after.higher_is_better, **figures,
    )  # fmt: skip


def _items(store: Store, score_id: str) -> dict[int, _Item]:
    rows = store.query("SELECT ordinal, value, detail FROM score_items WHERE score_id = ?", [score_id])
    return {int(i): _Item(float(v), tuple((json.loads(d) if d else {}).get("of") or ())) for i, v, d in rows}


def _pair(metric: str, old: Mapping[int, _Item], new: Mapping[int, _Item], seed: int) -> Compared:
    places: dict[int, tuple[Any, float]] | None = None
    if metric.startswith("weighted"):
        places = {i: (i, float(item.of[1])) for i, item in new.items()}
    before, after = ({i: item.value for i, item in items.items()} for items in (old, new))
    return compare_items(before, after, places, seed=seed)


def _compare_whole(metric: str, old: Mapping[int, _Item], new: Mapping[int, _Item], seed: int) -> dict[str, Any]:
    """Return delta, interval and p of a figure of the whole set.

    Only counts of equal (gold, before, after) matter, so a resample is one multinomial draw.
    """
    counts = Counter((old[i].of[0], old[i].of[1], new[i].of[1]) for i in old.keys() & new.keys())
    cells, statistic = list(counts), statistic_of(metric)

    def difference(row: Sequence[int]) -> float:
        sides: tuple[Counter[Any], Counter[Any]] = (Counter(), Counter())
        for (gold, *said), k in zip(cells, row, strict=True):
            for side, label in zip(sides, said, strict=True):
                side[gold, label] += k
        return statistic(sides[1]) - statistic(sides[0])

    n = counts.total()
    drawn = np.random.default_rng(seed).multinomial(n, [counts[c] / n for c in cells], size=RESAMPLES)
    deltas = np.array([difference(row) for row in drawn.tolist()])
    low, high = np.quantile(deltas, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    at_most, at_least = ((1 + int(found.sum())) / (1 + RESAMPLES) for found in (deltas <= 0, deltas >= 0))
    return {
        "delta": difference([counts[c] for c in cells]), "low": float(low), "high": float(high),
        "p_value": min(1.0, 2 * min(at_most, at_least)), "test": f"paired bootstrap, two-sided, {RESAMPLES:,} resamples",
        "interval_kind": "paired bootstrap", "effect": None, "effect_kind": "none",
    }  # fmt: skip
