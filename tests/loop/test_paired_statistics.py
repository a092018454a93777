"""The gate's statistics against scipy, and against trying everything."""

import itertools
import math

import numpy as np
import pytest
from flywheel.loop import Graded, Paired, detectable

TABLES = [
    (50, 1, 7),
    (400, 60, 20),
    (400, 30, 24),
    (100, 0, 5),
    (100, 5, 0),
    (1319, 210, 160),
    (20, 0, 0),
    (30, 15, 15),
]


def graded(differences, weights=None, clusters=None, **more):
    n = len(differences)
    return Graded(
        np.asarray(differences, float), np.ones(n) if weights is None else np.asarray(weights, float),
        np.arange(n) if clusters is None else np.asarray(clusters), **more,
    )  # fmt: skip


@pytest.mark.parametrize(("n", "won", "lost"), [*TABLES, (20_000, 1400, 1300)])
def test_exact_mcnemar_is_scipys_binomial_test(n, won, lost):
    stats = pytest.importorskip("scipy.stats")
    paired = Paired(n, won, lost)
    for p, k, side in [
        (paired.p_gain, won, "greater"),
        (paired.p_fall(), lost, "greater"),
        (paired.p_value, won, "two-sided"),
    ]:
        expected = stats.binomtest(k, won + lost, 0.5, alternative=side).pvalue if won + lost else 1.0
        assert p == pytest.approx(expected, rel=1e-9)


def score_statistic(n, won, lost, delta):
    """Tango's statistic with the nuisance parameter found by search instead of by his formula."""
    optimize = pytest.importorskip("scipy.optimize")

    def minus_likelihood(q):  # q: chance of a lost item; of a won one: q + delta
        parts = [(won, q + delta), (lost, q), (n - won - lost, 1 - 2 * q - delta)]
        return -sum(k * math.log(max(p, 1e-300)) for k, p in parts if k)

    low, high = max(0.0, -delta), (1 - delta) / 2
    q = optimize.minimize_scalar(minus_likelihood, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (won - lost - n * delta) / math.sqrt(n * (2 * q + delta - delta**2))


@pytest.mark.parametrize(("n", "won", "lost"), [t for t in TABLES if t[1] and t[2]])
def test_interval_and_margin_tests_are_the_score_test(n, won, lost):
    stats = pytest.importorskip("scipy.stats")
    paired = Paired(n, won, lost)
    low, high = paired.interval()
    assert score_statistic(n, won, lost, low) == pytest.approx(1.959964, abs=1e-3)
    assert score_statistic(n, won, lost, high) == pytest.approx(-1.959964, abs=1e-3)
    z = score_statistic(n, won, lost, -0.02)
    assert paired.p_hold(0.02) == pytest.approx(stats.norm.sf(z), abs=1e-6)
    assert paired.p_fall(0.02) == pytest.approx(stats.norm.cdf(z), abs=1e-6)


def test_the_interval_of_no_difference_at_all_is_that_of_the_formula():
    """z^2 / (n + z^2) on both sides: with nothing seen in 20 items, 16 points may be missed."""
    z2 = 1.959964**2
    assert Paired(20, 0, 0).interval() == pytest.approx((-z2 / (20 + z2), z2 / (20 + z2)), abs=1e-6)
    assert Paired(0, 0, 0).interval() == (-1.0, 1.0)


@pytest.mark.parametrize("pair", [Paired(0, 0, 0), graded([])])
def test_nothing_measured_shows_nothing(pair):
    assert (pair.n, pair.delta, pair.p_gain, pair.p_fall(), pair.p_hold(0.02)) == (0, 0.0, 1.0, 1.0, 1.0)
    assert pair.effect is None
    assert detectable(pair, 0.05) is None


@pytest.mark.parametrize("pair", [Paired(50, 0, 0), graded([0.0] * 50)])
def test_all_ties_are_no_gain_and_no_fall(pair):
    assert (pair.delta, pair.p_gain, pair.p_fall()) == (0.0, 1.0, 1.0)
    assert detectable(pair, 0.05) is None


def all_signs(sums):
    flips = [np.dot(signs, sums) for signs in itertools.product([1, -1], repeat=len(sums))]
    return np.mean([f >= sum(sums) - 1e-9 for f in flips])


@pytest.mark.parametrize("n", [3, 9, 14])
def test_sign_flips_of_few_items_are_all_signs(n):
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    assert graded(differences).p_gain == pytest.approx(all_signs(differences))
    assert graded(differences).p_fall(0.1) == pytest.approx(all_signs(-(differences + 0.1)))
    assert graded(differences).p_hold(0.1) == pytest.approx(all_signs(differences + 0.1))


def test_weights_and_clusters_make_the_sums_that_are_flipped():
    differences, weights, clusters = [1, 0.5, -0.25, 1, 0], [2, 1, 4, 1, 1], [0, 0, 1, 2, 2]
    pair = graded(differences, weights, clusters)
    assert pair.p_gain == pytest.approx(all_signs([2.5, -1.0, 1.0]))
    assert pair.delta == pytest.approx(2.5 / 9)
    assert pair.test == "sign flips of 3 clusters, all, one-sided (gain)"


def test_seeded_sign_flips_agree_with_scipys_permutation_test_and_with_themselves():
    stats = pytest.importorskip("scipy.stats")
    differences = np.round(np.random.default_rng(5).normal(0.1, 1, 200), 2)
    p = graded(differences, seed=1).p_gain
    assert p == graded(differences, seed=1).p_gain
    expected = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", alternative="greater", n_resamples=20_000,
        rng=np.random.default_rng(0),
    ).pvalue  # fmt: skip
    assert p == pytest.approx(expected, abs=4 * math.sqrt(expected / 20_000))


def test_right_and_wrong_items_by_sign_flips_give_mcnemars_p():
    exact, flipped = Paired(400, 30, 20), graded([1] * 30 + [-1] * 20 + [0] * 350, seed=2)
    assert flipped.p_gain == pytest.approx(exact.p_gain, abs=0.004)
    assert flipped.stderr == pytest.approx(exact.stderr)
    assert flipped.interval() == pytest.approx(exact.interval(), abs=0.01)


def test_items_that_belong_together_count_as_one():
    """Forty documents of ten questions each that change as one: forty observations, not four hundred."""
    signs = np.repeat([1.0] * 24 + [-1.0] * 16, 10)
    alone, together = graded(signs), graded(signs, clusters=np.repeat(np.arange(40), 10))
    assert alone.p_gain < 1e-4
    assert together.p_gain == pytest.approx(Paired(40, 24, 16).p_gain, abs=0.005)
    assert together.interval()[0] < 0 < alone.interval()[0]
