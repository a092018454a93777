"""The gate: a challenger becomes champion when a paired test says so, never because its score looks higher.

Rules only: what is compared comes from the store (:mod:`._measured`), what is decided goes there (:mod:`._decide`). The gain
on the primary suite is tested one-sided at the level that the run's budget leaves for this decision (:mod:`._spending`).
Guards veto when they are shown to fall (Holm over all of them), or unless they are shown to hold. Limits compare means.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..config import GateConfig, GuardConfig, LimitConfig
from ._paired import Compared, Paired, detectable


@dataclass(frozen=True)
class GuardTrial:
    """A guard's suite, challenger against somebody.

    Attributes:
        against: ``champion``, or ``first``: the model that the run began with, so that small losses do not add up.
    """

    guard: GuardConfig
    compared: Compared
    against: str = "champion"

    @property
    def name(self) -> str:
        """What the guard is called in a sentence."""
        return f"guard {self.guard.suite}" + (" (against the first model)" if self.against == "first" else "")


@dataclass(frozen=True)
class Increase:
    """What the answers of two checkpoints cost on the same items.

    Attributes:
        n: items with a measurement of both.
        before: mean over them.
        after: mean over them.
        low: lower end of the interval of the relative increase.
        high: upper end.
    """

    n: int
    before: float
    after: float
    low: float
    high: float

    @property
    def relative(self) -> float:
        """Relative increase: 0.2 = 20 % more than before."""
        return self.after / self.before - 1 if self.before else 0.0 if not self.after else float("inf")


@dataclass(frozen=True)
class LimitTrial:
    """A limit, and what was measured."""

    limit: LimitConfig
    increase: Increase

    @property
    def test(self) -> str:
        """What is compared."""
        return f"mean {self.limit.measure}, at most {100 * self.limit.increase:+g} %"


@dataclass(frozen=True)
class Finding:
    """What one comparison says.

    Attributes:
        passed: for the primary suite: a gain is shown; for guards and limits: nothing speaks against the challenger.
        said: in one sentence.
        test: by what.
        p_value: of the test; None for limits.
        level: what p is compared with, corrections included; None for limits.
        detectable: smallest true difference that the test shows in four of five cases.
    """

    passed: bool
    said: str
    test: str
    p_value: float | None = None
    level: float | None = None
    detectable: float | None = None


@dataclass(frozen=True)
class Ruling:
    """What the gate says, and why, in one sentence; with a finding for each comparison, in the order given."""

    promoted: bool
    reason: str
    primary: Finding | None = None
    guards: tuple[Finding, ...] = ()
    limits: tuple[Finding, ...] = ()


def rule(
    gate: GateConfig, primary: Compared, guards: Sequence[GuardTrial] = (), limits: Sequence[LimitTrial] = (), *, level: float
) -> Ruling:  # fmt: skip
    """Decide on a challenger.

    Args:
        level: of this decision; see :func:`~flywheel.loop._spending.level_of`.
    """
    gain, stands = _judge_gain(gate, primary, level)
    guarded, limited = judge_guards(guards), tuple(map(_judge_limit, limits))
    against = [f.said for f in (*guarded, *limited) if not f.passed]
    promoted = stands and not against
    reason = gain.said if promoted or not stands else against[0]
    return Ruling(promoted, reason, gain, guarded, limited)


def pair_items(before: dict[int, float], after: dict[int, float]) -> Paired:
    """Pair two measurements of one suite by the item's place in it; values are 0 or 1."""
    shared = before.keys() & after.keys()
    won = sum(after[i] > before[i] for i in shared)
    lost = sum(after[i] < before[i] for i in shared)
    return Paired(len(shared), won, lost, len(before.keys() ^ after.keys()))


def _judge_gain(gate: GateConfig, compared: Compared, level: float) -> tuple[Finding, bool]:
    """Return the finding on the primary suite, and whether it is enough for a promotion."""
    p = compared.p_gain
    figures = f"{compared.show(compared.delta)}, p = {p:.2g}, n = {compared.n}, level {level:.2g}"
    is_shown = compared.delta > 0 and p <= level and not compared.left_out
    stands = is_shown and compared.delta >= gate.min_effect
    if compared.left_out:
        said = f"not comparable: {compared.left_out} items lack a number ({figures})"
    elif compared.delta <= 0:
        said = f"no gain ({figures})"
    elif not is_shown:
        said = f"no change: the gain may be chance ({figures})"
    elif not stands:
        said = f"gain below min_effect {compared.show(gate.min_effect, sign=False)} ({figures})"
    else:
        said = f"better ({figures})"
    return Finding(is_shown, said, compared.test, p, level, detectable(compared, level)), stands


def judge_guards(trials: Sequence[GuardTrial]) -> tuple[Finding, ...]:
    """Return the finding on each guard; those that look for a fall share their level by Holm's method (Holm 1979)."""
    falls = [t for t in trials if t.guard.rule == "fall"]
    p_values = {id(t): t.compared.p_fall(t.guard.tolerance) for t in falls}
    falls.sort(key=lambda t: p_values[id(t)] / t.guard.level)
    found: dict[int, Finding] = {}
    is_open = True
    for i, trial in enumerate(falls):
        p, level = p_values[id(trial)], trial.guard.level / (len(falls) - i)
        is_open = is_open and p <= level
        found[id(trial)] = _fall_finding(trial, p, level, fell=is_open)
    return tuple(found.get(id(t)) or _hold_finding(t) for t in trials)


def _fall_finding(trial: GuardTrial, p: float, level: float, *, fell: bool) -> Finding:
    compared, tolerance = trial.compared, trial.guard.tolerance
    figures = f"{compared.show(compared.delta)}, p = {p:.2g}, n = {compared.n}, level {level:.2g}"
    beyond = f" by more than {compared.show(tolerance, sign=False)}" if tolerance else ""
    seen = detectable(compared, level)
    test = compared.margin_test if tolerance else compared.fall_test
    passed = not fell and not compared.left_out
    said = f"{trial.name} {'fell' if fell else 'is not shown to have fallen'}{beyond} ({figures})"
    if compared.left_out:
        said = _incomparable(trial)
    elif passed and seen is not None:
        said += f"; the test shows a true loss of {compared.show(seen + tolerance, sign=False)} in four of five cases"
    return Finding(passed, said, test, p, level, None if seen is None else seen + tolerance)


def _hold_finding(trial: GuardTrial) -> Finding:
    compared, guard = trial.compared, trial.guard
    p = compared.p_hold(guard.tolerance)
    passed = p <= guard.level and not compared.left_out
    figures = f"{compared.show(compared.delta)}, p = {p:.2g}, n = {compared.n}, level {guard.level:.2g}"
    within = f"lose less than {compared.show(guard.tolerance, sign=False)}"
    said = f"{trial.name} is {'' if passed else 'not '}shown to {within} ({figures})"
    seen = detectable(compared, guard.level)
    if compared.left_out:
        said = _incomparable(trial)
    elif not passed and seen is not None:
        said += f"; an equally good challenger is shown to hold in four of five cases from a tolerance of {compared.show(seen, sign=False)} on"
    return Finding(passed, said, compared.margin_test, p, guard.level, seen)


def _incomparable(trial: GuardTrial) -> str:
    return f"{trial.name} is not comparable: {trial.compared.left_out} items lack a number"


def _judge_limit(trial: LimitTrial) -> Finding:
    limit, increase = trial.limit, trial.increase
    passed = increase.n > 0 and increase.relative <= limit.increase
    name = f"limit {limit.measure}" + (" (against the first model)" if limit.against == "first" else "")
    if not increase.n:
        return Finding(False, f"{name} was not measured", trial.test)
    means = f"{increase.before:.4g} → {increase.after:.4g} an item, {100 * increase.relative:+.1f} %"
    word = "kept" if passed else "exceeded"
    return Finding(
        passed, f"{name} {word} ({means}, n = {increase.n}, at most {100 * limit.increase:+g} %)", trial.test
    )
