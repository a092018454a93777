"""Two checkpoints on the same items by a metric that is not 0 or 1, or with weights, or with items that belong together.

p comes from a sign-flip permutation test: if the challenger were as the champion, each cluster's difference could as well
have the other sign. All signs are tried where there are few clusters, else seeded random ones; the observed one is among
them, so that p is never 0 (Phipson and Smyth 2010). It is exact for differences that are symmetric around the bound, and in
large samples for their mean. The interval is a seeded percentile bootstrap of clusters.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ._paired import COVERAGE, show_amount

EXACT_CLUSTERS = 16
"""Up to so many clusters that differ, all signs are tried."""
FLIPS = 100_000
RESAMPLES = 10_000
_CHUNK = 4_000_000


@dataclass(frozen=True, eq=False)
class Graded:
    """Paired differences, after less before; see :class:`~flywheel.loop._paired.Compared`.

    Args:
        differences: one an item.
        weights: one an item, above 0.
        clusters: number of each item's cluster, from 0.
        seed: of signs and resamples.
        is_share: the metric is between 0 and 1, so that differences are read as points.
        left_out: items that one checkpoint lacks, or whose value is no number.
    """

    differences: np.ndarray
    weights: np.ndarray
    clusters: np.ndarray
    seed: int = 0
    is_share: bool = False
    left_out: int = 0

    effect_kind = "Cohen's d_z"

    @property
    def n(self) -> int:
        """Items that both have."""
        return len(self.differences)

    @property
    def won(self) -> int:
        """Items that got better."""
        return int((self.differences > 0).sum())

    @property
    def lost(self) -> int:
        """Items that got worse."""
        return int((self.differences < 0).sum())

    @property
    def test(self) -> str:
        """Name of the test of a gain."""
        return f"{self._how}, one-sided (gain)"

    @property
    def fall_test(self) -> str:
        """Name of the test of a fall."""
        return f"{self._how}, one-sided (fall)"

    @property
    def margin_test(self) -> str:
        """Name of the test of a loss beyond a tolerance."""
        return f"{self._how} of the difference plus the tolerance, one-sided"

    @property
    def delta(self) -> float:
        """Weighted mean difference."""
        return float(self.differences @ self.weights / self.weights.sum()) if self.n else 0.0

    @cached_property
    def stderr(self) -> float:
        """Standard error of the mean difference if it were 0, over clusters."""
        return float(np.sqrt((self._sums(0.0) ** 2).sum()) / self.weights.sum()) if self.n else 0.0

    @property
    def effect(self) -> float | None:
        """Cohen's d_z: mean difference over its standard deviation."""
        spread = float(self.differences.std(ddof=1)) if self.n > 1 else 0.0
        return float(self.differences.mean()) / spread if spread else None

    @property
    def p_value(self) -> float:
        """See :class:`~flywheel.loop._paired.Compared`."""
        sums = self._sums(0.0)
        return min(1.0, 2 * self._p(sums if sums.sum() > 0 else -sums))

    @cached_property
    def p_gain(self) -> float:
        """See :class:`~flywheel.loop._paired.Compared`."""
        return self._p(self._sums(0.0))

    def p_fall(self, tolerance: float = 0.0) -> float:
        """See :class:`~flywheel.loop._paired.Compared`."""
        return self._p(-self._sums(tolerance))

    def p_hold(self, tolerance: float) -> float:
        """See :class:`~flywheel.loop._paired.Compared`."""
        return self._p(self._sums(tolerance))

    def interval(self) -> tuple[float, float]:
        """Return a seeded percentile bootstrap over clusters."""
        if not self.n:
            return -np.inf, np.inf
        sums, weights = self._sums(0.0), self._add_up(self.weights)
        rng = np.random.default_rng(self.seed)
        means = [
            sums[drawn].sum(1) / weights[drawn].sum(1)
            for size in _chunks(RESAMPLES, len(sums))
            for drawn in [rng.integers(0, len(sums), (size, len(sums)))]
        ]
        low, high = np.quantile(np.concatenate(means), [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
        return float(low), float(high)

    def show(self, value: float, *, sign: bool = True) -> str:
        """See :class:`~flywheel.loop._paired.Compared`."""
        return show_amount(value, is_share=self.is_share, sign=sign)

    @property
    def _how(self) -> str:
        by = "" if self._n_clusters == self.n else f" of {self._n_clusters} clusters"
        differing = int((self._sums(0.0) != 0).sum())
        return f"sign flips{by}, {'all' if differing <= EXACT_CLUSTERS else f'{FLIPS:,} seeded'}"

    @property
    def _n_clusters(self) -> int:
        return int(self.clusters.max()) + 1 if self.n else 0

    def _sums(self, shift: float) -> np.ndarray:
        """Return each cluster's weighted sum of differences, each item's shifted."""
        return self._add_up((self.differences + shift) * self.weights)

    def _add_up(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.clusters, values, minlength=self._n_clusters)

    def _p(self, sums: np.ndarray) -> float:
        """Return how often random signs give a sum as large as the one found."""
        sums = sums[sums != 0]
        if not len(sums):
            return 1.0
        bound = sums.sum() - 1e-12 * np.abs(sums).sum()
        if len(sums) <= EXACT_CLUSTERS:
            bits = (np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1
            return float(((1 - 2 * bits) @ sums >= bound).mean())
        rng = np.random.default_rng(self.seed)
        as_large = 0
        for size in _chunks(FLIPS, len(sums)):
            kept = np.unpackbits(rng.integers(0, 256, (size, (len(sums) + 7) // 8), np.uint8), axis=1, count=len(sums))
            as_large += int((2 * (kept.astype(np.float64) @ sums) - sums.sum() >= bound).sum())
        return (1 + as_large) / (1 + FLIPS)


def _chunks(total: int, width: int) -> Iterator[int]:
    """Cut ``total`` rows into chunks that fit into memory."""
    size = max(1, _CHUNK // max(1, width))
    for start in range(0, total, size):
        yield min(size, total - start)
