"""Two checkpoints on the same items, each right or wrong: what changed, and how surprising that is.

Gains and falls of more than nothing are tested by McNemar's test in its exact binomial form (McNemar 1947): among the items
that one checkpoint gets right and the other wrong, how surprising is the split if both were equally good? Losses beyond a
tolerance, for which there is no exact conditional test, and intervals come from the score test of a difference of paired
proportions (Tango 1998, Statistics in Medicine 17:891). docs/gate.md states how well they hold their level.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import copysign, inf, sqrt
from statistics import NormalDist
from typing import Protocol

NORMAL = NormalDist()
COVERAGE = 0.95
POWER = 0.8
"""A difference counts as detectable when it is shown this often."""

_STEPS = 60


class Compared(Protocol):
    """A paired comparison of two measurements, before and after, of one metric on one split."""

    @property
    def n(self) -> int:
        """Items that both have."""

    @property
    def left_out(self) -> int:
        """Items that one of them lacks, or whose value is no number."""

    @property
    def won(self) -> int:
        """Items that got better."""

    @property
    def lost(self) -> int:
        """Items that got worse."""

    @property
    def test(self) -> str:
        """Name of the test of a gain of more than nothing."""

    @property
    def fall_test(self) -> str:
        """Name of the test of a fall of more than nothing."""

    @property
    def margin_test(self) -> str:
        """Name of the test of a loss of more, or less, than a tolerance."""

    @property
    def effect_kind(self) -> str:
        """Name of :attr:`effect`."""

    @property
    def delta(self) -> float:
        """Difference of the scores; above 0 is better."""

    @property
    def stderr(self) -> float:
        """Standard error of the difference."""

    @property
    def effect(self) -> float | None:
        """Standardised effect; None where there is none."""

    @property
    def p_value(self) -> float:
        """Two-sided p of any difference."""

    @property
    def p_gain(self) -> float:
        """One-sided p of a gain: small when more was won than chance would win."""

    def p_fall(self, tolerance: float = 0.0) -> float:
        """One-sided p of a loss of more than ``tolerance``."""

    def p_hold(self, tolerance: float) -> float:
        """One-sided p of a loss of less than ``tolerance``, or a gain (non-inferiority)."""

    def interval(self) -> tuple[float, float]:
        """Return the two-sided interval of the difference with coverage :data:`COVERAGE`, not adjusted for anything."""

    def show(self, value: float, *, sign: bool = True) -> str:
        """Return a difference with its unit."""


def detectable(compared: Compared, level: float) -> float | None:
    """Return the smallest true difference that a test at ``level`` shows with probability :data:`POWER` (normal approximation).

    None where no item differs: then there is no scatter to reckon with.
    """
    if not compared.stderr or not 0 < level < 1:
        return None
    return (NORMAL.inv_cdf(1 - level) + NORMAL.inv_cdf(POWER)) * compared.stderr


@dataclass(frozen=True)
class Paired:
    """Two checkpoints on the same items, each 0 or 1; see :class:`Compared`."""

    n: int
    won: int
    lost: int
    left_out: int = 0

    test = "exact McNemar, one-sided (gain)"
    fall_test = "exact McNemar, one-sided (fall)"
    margin_test = "score test of a paired difference (Tango), one-sided"
    effect_kind = "Cohen's g"

    @property
    def delta(self) -> float:
        """Difference of the two scores, 0 to 1."""
        return (self.won - self.lost) / self.n if self.n else 0.0

    @property
    def stderr(self) -> float:
        """Standard error of the difference if both were equally good."""
        return sqrt(self.won + self.lost) / self.n if self.n else 0.0

    @property
    def effect(self) -> float | None:
        """Cohen's g: share of won among the items that differ, less one half."""
        differ = self.won + self.lost
        return self.won / differ - 0.5 if differ else None

    @property
    def p_value(self) -> float:
        """Two-sided exact McNemar p."""
        return min(1.0, 2 * binomial_tail(max(self.won, self.lost), self.won + self.lost))

    @property
    def p_gain(self) -> float:
        """See :class:`Compared`."""
        return binomial_tail(self.won, self.won + self.lost)

    def p_fall(self, tolerance: float = 0.0) -> float:
        """See :class:`Compared`."""
        if tolerance == 0:
            return binomial_tail(self.lost, self.won + self.lost)
        return NORMAL.cdf(self._score(-tolerance)) if self.n else 1.0

    def p_hold(self, tolerance: float) -> float:
        """See :class:`Compared`."""
        return NORMAL.cdf(-self._score(-tolerance)) if self.n else 1.0

    def interval(self) -> tuple[float, float]:
        """Return Tango's score interval."""
        if not self.n:
            return -1.0, 1.0
        z = NORMAL.inv_cdf((1 + COVERAGE) / 2)
        return _bisect(lambda d: self._score(d) > z), _bisect(lambda d: self._score(d) > -z)

    def show(self, value: float, *, sign: bool = True) -> str:
        """See :class:`Compared`."""
        return show_amount(value, is_share=True, sign=sign)

    def _score(self, delta: float) -> float:
        """Return Tango's statistic: how far, in standard errors, the counts lie above a true difference of ``delta``."""
        n, b, c = self.n, self.won, self.lost
        excess = b - c - n * delta
        linear = (2 * n - b + c) * delta - b - c
        root = sqrt(max(0.0, linear**2 + 8 * n * c * delta * (1 - delta)))
        variance = n * (2 * (root - linear) / (4 * n) + delta * (1 - delta))
        if variance <= 1e-12:
            return 0.0 if abs(excess) < 1e-9 else copysign(inf, excess)
        return excess / sqrt(variance)


def show_amount(value: float, *, is_share: bool, sign: bool = True) -> str:
    """Return a difference with its unit: percentage points for scores between 0 and 1."""
    plus = "+" if sign else ""
    return f"{100 * value:{plus}.1f} points" if is_share else f"{value:{plus}.4g}"


def name_two_sided(compared: Compared) -> str:
    """Return the name of the test behind :attr:`Compared.p_value`."""
    return compared.test.replace("one-sided (gain)", "two-sided")


def binomial_tail(k: int, n: int) -> float:
    """Return P(X >= k) for X ~ Binomial(n, 1/2), exactly."""
    if not n or k <= 0:
        return 1.0
    term = total = 1  # from the top down: C(n, n), C(n, n - 1), ...
    for i in range(n, k, -1):
        term = term * i // (n - i + 1)
        total += term
    return total / (1 << n)


def _bisect(is_above: Callable[[float], bool]) -> float:
    """Return where, between -1 and 1, a statistic that falls stops being above its bound."""
    low, high = -1.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_above(middle) else (low, middle)
    return (low + high) / 2
