"""The gate: a challenger becomes champion when a paired test says so, never because its score looks higher.

The test is McNemar's, exact: among the items that one model gets right and the other wrong, how surprising is the
split if both were equally good? (McNemar 1947; exact binomial form.) Guards are the same test, one-sided: a guard
suite vetoes when it fell significantly and by more than its tolerance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from ..config import GateConfig, GuardConfig

TEST = "exact McNemar, two-sided"
GUARD_TEST = "exact McNemar, one-sided (fall)"


@dataclass(frozen=True)
class Paired:
    """Two checkpoints on the same items.

    Attributes:
        n: items that both have.
        won: wrong before, right now.
        lost: right before, wrong now.
    """

    n: int
    won: int
    lost: int

    @property
    def delta(self) -> float:
        """Difference of the two scores, 0 to 1."""
        return (self.won - self.lost) / self.n if self.n else 0.0

    @property
    def p_value(self) -> float:
        """Two-sided exact McNemar p."""
        return min(1.0, 2 * _binomial_tail(max(self.won, self.lost), self.won + self.lost))

    @property
    def p_fall(self) -> float:
        """One-sided p of a fall: small when more items were lost than chance would lose."""
        return _binomial_tail(self.lost, self.won + self.lost)


def _binomial_tail(k: int, n: int) -> float:
    """Return P(X >= k) for X ~ Binomial(n, 1/2)."""
    return sum(comb(n, i) for i in range(k, n + 1)) / 2**n if n else 1.0


def pair_items(before: dict[int, float], after: dict[int, float]) -> Paired:
    """Pair two measurements of one suite by the item's place in it; values are 0 or 1."""
    shared = before.keys() & after.keys()
    won = sum(after[i] > before[i] for i in shared)
    lost = sum(after[i] < before[i] for i in shared)
    return Paired(len(shared), won, lost)


@dataclass(frozen=True)
class Ruling:
    """What the gate says, and why, in one sentence."""

    promoted: bool
    reason: str


def rule(gate: GateConfig, primary: Paired, guards: Sequence[tuple[GuardConfig, Paired]]) -> Ruling:
    """Decide on a challenger."""
    gain = f"{100 * primary.delta:+.1f} points, p = {primary.p_value:.2g}, n = {primary.n}"
    if primary.delta <= 0:
        return Ruling(False, f"no gain ({gain})")
    if primary.p_value >= gate.level:
        return Ruling(False, f"no change: the gain may be chance ({gain}, level {gate.level:g})")
    if primary.delta < gate.min_effect:
        return Ruling(False, f"gain below min_effect {100 * gate.min_effect:g} points ({gain})")
    for guard, paired in guards:
        if paired.p_fall < gate.level and -paired.delta > guard.tolerance:
            fall = f"{100 * paired.delta:+.1f} points, one-sided p = {paired.p_fall:.2g}"
            return Ruling(False, f"guard {guard.suite} fell ({fall})")
    return Ruling(True, f"better ({gain})")
