import random

import pytest
from flywheel.config import GateConfig, GuardConfig
from flywheel.loop import Paired, pair_items, rule


@pytest.mark.parametrize(
    ("won", "lost", "p"),
    [(0, 0, 1.0), (5, 0, 0.0625), (10, 0, 0.001953125), (9, 1, 0.021484375), (1, 9, 0.021484375), (5, 5, 1.0)],
)
def test_the_exact_test_by_hand(won, lost, p):
    """2 * sum of C(n, i) / 2^n over the tail."""
    assert Paired(100, won, lost).p_value == pytest.approx(p)


def test_items_are_paired_by_place_and_only_where_both_exist():
    paired = pair_items({0: 1, 1: 0, 2: 1, 9: 1}, {0: 1, 1: 1, 2: 0, 3: 1})
    assert (paired.n, paired.won, paired.lost) == (3, 1, 1)
    assert paired.delta == 0.0


def test_a_significant_gain_is_promoted_and_says_why():
    ruling = rule(GateConfig(), Paired(400, 60, 20), [])
    assert ruling.promoted
    assert "+10.0 points" in ruling.reason
    assert "n = 400" in ruling.reason


@pytest.mark.parametrize(
    ("gate", "paired", "said"),
    [
        (GateConfig(), Paired(400, 30, 24), "no change"),
        (GateConfig(), Paired(400, 20, 60), "no gain"),
        (GateConfig(), Paired(400, 0, 0), "no gain"),
        (GateConfig(min_effect=0.2), Paired(400, 60, 20), "below min_effect"),
        (GateConfig(level=1e-9), Paired(400, 60, 20), "no change"),
    ],
)
def test_everything_else_keeps_the_champion(gate, paired, said):
    ruling = rule(gate, paired, [])
    assert not ruling.promoted
    assert said in ruling.reason


def test_a_guard_that_falls_vetoes_unless_tolerated():
    better, fallen, shaky = Paired(400, 60, 20), Paired(400, 5, 40), Paired(400, 9, 12)
    guard = GuardConfig(suite="general")
    assert "guard general fell" in rule(GateConfig(), better, [(guard, fallen)]).reason
    assert rule(GateConfig(), better, [(guard, shaky)]).promoted
    assert rule(GateConfig(), better, [(GuardConfig(suite="general", tolerance=0.1), fallen)]).promoted


def test_noise_is_promoted_no_more_often_than_the_level_says():
    """2,000 seeded pairs of equally good models, n = 300: at most 2.5 % (the upper half of a two-sided 5 % test)."""
    rng = random.Random(0)
    promoted = 0
    for _ in range(2000):
        flips = [rng.random() < 0.5 for _ in range(60)]
        promoted += rule(GateConfig(), Paired(300, sum(flips), 60 - sum(flips)), []).promoted
    assert promoted / 2000 <= 0.025 + 3 * (0.025 * 0.975 / 2000) ** 0.5
