"""Measures of agreement over arrays, and their bootstrap intervals. All return NaN where there is nothing to measure."""

from collections.abc import Callable, Sequence
from math import comb, exp, lgamma, log, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Statistic = Callable[[Array], float]
"""From the numbers of the drawn rows to a figure."""

EXACT_TO = 1000
"""Trials up to which binomial probabilities are summed in whole numbers."""


def share(credit: Array, counted: Array) -> Statistic:
    """Return the mean of ``credit`` over the rows that are ``counted``; both of shape (n,)."""

    def statistic(drawn: Array) -> float:
        mask = counted[drawn]
        n = int(mask.sum())
        return float(credit[drawn][mask].sum() / n) if n else nan

    return statistic


def kappa(human: Array, judge: Array, n_categories: int, counted: Array, *, weighted: bool = False) -> Statistic:
    """Return Cohen's kappa of two codings of shape (n,), codes 0 to ``n_categories`` - 1.

    Source: Cohen 1960; ``weighted``: Cohen 1968 with quadratic weights over the codes.
    """
    k = n_categories
    grid = np.arange(k)
    cost = (grid[:, None] - grid[None, :]) ** 2 if weighted else (grid[:, None] != grid[None, :]).astype(float)
    cells = np.where(counted, human * k + judge, k * k)

    def statistic(drawn: Array) -> float:
        table = np.bincount(cells[drawn], minlength=k * k + 1)[: k * k].reshape(k, k).astype(float)
        n = table.sum()
        if not n:
            return nan
        chance = np.outer(table.sum(1), table.sum(0)) / n
        expected = float((cost * chance).sum())
        return 1 - float((cost * table).sum()) / expected if expected else nan

    return statistic


def spearman(x: Array, y: Array, counted: Array) -> Statistic:
    """Return Spearman's rank correlation; equal values share their mean rank."""

    def statistic(drawn: Array) -> float:
        rows = drawn[counted[drawn]]
        return correlation(rank(x[rows]), rank(y[rows]))

    return statistic


def pearson(x: Array, y: Array, counted: Array) -> Statistic:
    """Return Pearson's correlation; with a ``y`` of two values, the point-biserial correlation."""

    def statistic(drawn: Array) -> float:
        rows = drawn[counted[drawn]]
        return correlation(x[rows], y[rows])

    return statistic


def difference(one: Statistic, other: Statistic) -> Statistic:
    """Return ``one`` minus ``other``, on the same drawn rows."""
    return lambda drawn: one(drawn) - other(drawn)


def correlation(x: Array, y: Array) -> float:
    """Return Pearson's correlation of two arrays of shape (n,)."""
    if len(x) < 2:
        return nan
    a, b = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 1e-12 else nan


def rank(values: Array) -> Array:
    """Return ranks from 1; equal values share their mean."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - (counts - 1) / 2)[which]
    return ranks


def bootstrap(
    statistics: Sequence[Statistic], n: int, *, resamples: int, seed: int, level: float = 0.95
) -> list[tuple[float, float]]:
    """Return percentile intervals: rows are drawn with replacement, and all statistics see the same draws.

    Draws on which a statistic is not defined are left out of its interval; an interval is NaN when more than half are.

    Source: Efron and Tibshirani 1993, chapter 13.
    """
    if not n or not resamples:
        return [(nan, nan)] * len(statistics)
    rng = np.random.default_rng(seed)
    found = np.full((resamples, len(statistics)), nan)
    for i in range(resamples):
        drawn = rng.integers(0, n, n)
        found[i] = [s(drawn) for s in statistics]
    tail = (1 - level) / 2
    return [_interval(found[:, j], tail) for j in range(len(statistics))]


def _interval(values: Array, tail: float) -> tuple[float, float]:
    kept = values[~np.isnan(values)]
    if 2 * len(kept) <= len(values):
        return nan, nan
    low, high = np.quantile(kept, [tail, 1 - tail])
    return float(low), float(high)


def binomial_p(k: int, n: int) -> float:
    """Return the two-sided p of ``k`` of ``n`` under a fair coin; exact."""
    if not n:
        return 1.0
    tail = range(min(k, n - k) + 1)
    if n <= EXACT_TO:
        return min(1.0, float(2 * sum(comb(n, i) for i in tail) / (1 << n)))
    log_half = n * log(2)
    return min(1.0, 2 * sum(exp(lgamma(n + 1) - lgamma(i + 1) - lgamma(n - i + 1) - log_half) for i in tail))
