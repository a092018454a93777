"""The gate's rules: what is promoted, what is kept out and why; and the level that decisions share."""

import random

import pytest
from flywheel.config import GateConfig, GuardConfig, LimitConfig
from flywheel.loop import (
    GuardTrial,
    Increase,
    LimitTrial,
    Paired,
    Spent,
    compare_items,
    level_of,
    pair_items,
    rule,
    share_of_level,
)

BETTER = Paired(400, 60, 20)


@pytest.mark.parametrize(
    ("won", "lost", "p"),
    [(0, 0, 1.0), (5, 0, 0.0625), (10, 0, 0.001953125), (9, 1, 0.021484375), (1, 9, 0.021484375), (5, 5, 1.0)],
)
def test_the_exact_test_by_hand(won, lost, p):
    """2 * sum of C(n, i) / 2^n over the tail."""
    assert Paired(100, won, lost).p_value == pytest.approx(p)


def test_items_are_paired_by_place_and_only_where_both_exist():
    paired = pair_items({0: 1, 1: 0, 2: 1, 9: 1}, {0: 1, 1: 1, 2: 0, 3: 1})
    assert (paired.n, paired.won, paired.lost, paired.left_out) == (3, 1, 1, 2)
    assert paired.delta == 0.0


def test_a_significant_gain_is_promoted_and_says_why():
    ruling = rule(GateConfig(), BETTER, level=0.01)
    assert ruling.promoted
    assert ruling.reason == "better (+10.0 points, p = 4.3e-06, n = 400, level 0.01)"


@pytest.mark.parametrize(
    ("gate", "paired", "level", "said"),
    [
        (GateConfig(), Paired(400, 30, 24), 0.05, "no change: the gain may be chance"),
        (GateConfig(), Paired(400, 20, 60), 0.05, "no gain"),
        (GateConfig(), Paired(400, 0, 0), 0.05, "no gain"),
        (GateConfig(), Paired(0, 0, 0), 0.05, "no gain"),
        (GateConfig(min_effect=0.2), BETTER, 0.05, "gain below min_effect 20.0 points"),
        (GateConfig(), BETTER, 4e-6, "no change"),
        (GateConfig(), Paired(399, 60, 20, left_out=1), 0.05, "not comparable: 1 items lack a number"),
    ],
)
def test_everything_else_keeps_the_champion(gate, paired, level, said):
    ruling = rule(gate, paired, level=level)
    assert not ruling.promoted
    assert ruling.reason.startswith(said)


# --- guards --------------------------------------------------------------------------------------------------------


def judge(*trials, primary=BETTER):
    return rule(GateConfig(), primary, trials, level=0.05)


def test_a_guard_that_falls_vetoes_unless_tolerated():
    fallen, shaky = Paired(400, 5, 40), Paired(400, 9, 12)
    assert "guard general fell" in judge(GuardTrial(GuardConfig(suite="general"), fallen)).reason
    assert judge(GuardTrial(GuardConfig(suite="general"), shaky)).promoted
    assert judge(GuardTrial(GuardConfig(suite="general", tolerance=0.1), fallen)).promoted
    assert not judge(GuardTrial(GuardConfig(suite="general", tolerance=0.05), fallen)).promoted


def test_a_guard_that_must_hold_vetoes_what_is_too_small_to_show_it():
    """No difference in 40 items says less than no difference in 4,000."""
    guard = GuardConfig(suite="general", tolerance=0.02, rule="hold")
    few, many = Paired(40, 2, 2), Paired(4000, 200, 200)
    assert "is not shown to lose less than 2.0 points" in judge(GuardTrial(guard, few)).reason
    assert judge(GuardTrial(guard, many)).promoted
    assert judge(GuardTrial(GuardConfig(suite="general"), few)).promoted, "a fall is not shown either"


def test_guards_share_their_level_by_holm():
    """p = 0.03 alone is a fall; beside another guard, whose p is larger, it has to be under 0.025."""
    fall, other = Paired(100, 4, 12), Paired(100, 5, 5)
    assert 0.025 < fall.p_fall() < 0.05
    alone = judge(GuardTrial(GuardConfig(suite="a"), fall))
    together = judge(GuardTrial(GuardConfig(suite="a"), fall), GuardTrial(GuardConfig(suite="b"), other))
    assert (alone.promoted, together.promoted) == (False, True)
    assert [f.level for f in together.guards] == [0.025, 0.05]
    worse = Paired(100, 0, 12)
    both = judge(GuardTrial(GuardConfig(suite="a"), fall), GuardTrial(GuardConfig(suite="b"), worse))
    assert [f.passed for f in both.guards] == [False, False], "once the worst has fallen the next has the whole level"


def test_a_guard_against_the_first_model_is_named_in_the_reason():
    trial = GuardTrial(GuardConfig(suite="general"), Paired(400, 5, 40), "first")
    assert "guard general (against the first model) fell" in judge(trial).reason


def test_a_guard_with_missing_items_vetoes():
    assert not judge(GuardTrial(GuardConfig(suite="general"), Paired(399, 9, 9, left_out=1))).promoted


# --- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("increase", "promoted"),
    [
        (Increase(400, 100.0, 119.0, 0.1, 0.3), True),
        (Increase(400, 100.0, 121.0, 0.1, 0.3), False),
        (Increase(400, 0.0, 0.0, 0.0, 0.0), True),
        (Increase(400, 0.0, 1.0, 0.0, 0.0), False),
        (Increase(0, 0.0, 0.0, 0.0, 0.0), False),
    ],
)
def test_a_limit_is_on_the_mean(increase, promoted):
    trial = LimitTrial(LimitConfig(measure="completion_tokens", increase=0.2), increase)
    ruling = rule(GateConfig(), BETTER, limits=[trial], level=0.05)
    assert ruling.promoted is promoted
    assert promoted or ruling.reason.startswith("limit completion_tokens")


# --- items ---------------------------------------------------------------------------------------------------------


def test_right_and_wrong_items_go_to_mcnemar_and_all_others_to_sign_flips():
    assert isinstance(compare_items({0: 0.0, 1: 1.0}, {0: 1.0, 1: 1.0}), Paired)
    graded = compare_items({0: 0.25, 1: 1.0}, {0: 1.0, 1: 1.0})
    assert graded.test == "sign flips, all, one-sided (gain)"
    assert (graded.delta, graded.won, graded.lost, graded.n) == (0.375, 1, 0, 2)


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_value_that_is_no_number_is_left_out_and_keeps_the_champion(scale):
    """A challenger must not win by failing on the hard items."""
    before = dict.fromkeys(range(100), 0.0)
    after = dict.fromkeys(range(99), scale) | {99: float("nan")}
    compared = compare_items(before, after)
    assert (compared.n, compared.left_out) == (99, 1)
    assert not rule(GateConfig(), compared, level=0.05).promoted


# --- the level -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("planned", [0, 1, 4, 40])
def test_all_shares_together_are_never_above_the_level(planned):
    shares = [share_of_level(k, planned) for k in range(1, 5000)]
    assert 0.999 < sum(shares) <= 1
    assert min(shares) > 0


def test_a_shown_gain_passes_its_level_on_and_a_kept_out_one_does_not():
    first = level_of(1, 4, 0.05, None)
    assert first == pytest.approx(0.01)
    assert level_of(2, 4, 0.05, Spent(first, True)) == pytest.approx(0.02)
    assert level_of(2, 4, 0.05, Spent(first, False)) == pytest.approx(0.01)
    assert level_of(5, 4, 0.05, None) == pytest.approx(0.005), "beyond the plan: a fifth of the level, halved first"


def test_whatever_was_shown_before_true_nulls_never_get_more_than_the_level():
    """Any order of true gains (always shown) and of none: what the latter get until the first false one adds up to 0.05."""
    rng = random.Random(0)
    for _ in range(300):
        spent, last = 0.0, None
        for k in range(1, 60):
            level = level_of(k, 20, 0.05, last)
            is_null = rng.random() < 0.5
            spent += level if is_null else 0
            last = Spent(level, not is_null)
        assert spent <= 0.05 + 1e-12
