"""Our measures against those of scikit-learn and SciPy, and against known values."""

import numpy as np
import pytest
from flywheel.judge.calibration._statistics import binomial_p, bootstrap, kappa, pearson, rank, share, spearman

RNG = np.random.default_rng(5)
N = 200
HUMAN = RNG.integers(0, 5, N)
JUDGE = np.where(RNG.random(N) < 0.6, HUMAN, RNG.integers(0, 5, N))
ALL = np.ones(N, bool)
SOME = RNG.random(N) < 0.7


@pytest.mark.parametrize("counted", [ALL, SOME])
@pytest.mark.parametrize("weights", [None, "quadratic"])
def test_kappa(counted, weights):
    metrics = pytest.importorskip("sklearn.metrics")
    expected = metrics.cohen_kappa_score(HUMAN[counted], JUDGE[counted], weights=weights)
    assert kappa(HUMAN, JUDGE, 5, counted, weighted=weights is not None)(np.arange(N)) == pytest.approx(expected)


def test_kappa_by_hand():
    human, judge = np.repeat([0, 0, 1, 1], [20, 5, 10, 15]), np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    assert kappa(human, judge, 2, np.ones(50, bool))(np.arange(50)) == pytest.approx(
        0.4
    )  # Cohen's own example on Wikipedia


def test_kappa_of_one_category_is_not_defined():
    assert np.isnan(kappa(np.zeros(5, int), np.zeros(5, int), 2, np.ones(5, bool))(np.arange(5)))


@pytest.mark.parametrize("counted", [ALL, SOME])
def test_spearman_with_equal_values(counted):
    stats = pytest.importorskip("scipy.stats")
    x, y = HUMAN.astype(float), JUDGE + RNG.normal(size=N).round(1)
    assert spearman(x, y, counted)(np.arange(N)) == pytest.approx(stats.spearmanr(x[counted], y[counted]).statistic)


def test_point_biserial():
    stats = pytest.importorskip("scipy.stats")
    x, y = RNG.normal(size=N), (HUMAN > 2).astype(float)
    assert pearson(x, y, ALL)(np.arange(N)) == pytest.approx(stats.pointbiserialr(y, x).statistic)


def test_ranks_share_their_mean():
    assert rank(np.array([10.0, 5, 10, 7])).tolist() == [3.5, 1, 3.5, 2]


@pytest.mark.parametrize(("k", "n"), [(0, 0), (5, 10), (9, 10), (34, 35), (480, 1000), (560, 1200), (5200, 10_000)])
def test_binomial(k, n):
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(k, n).pvalue if n else 1.0
    assert binomial_p(k, n) == pytest.approx(expected, rel=1e-6)


def test_intervals_are_seeded_and_near_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    right = (HUMAN == JUDGE) + RNG.normal(scale=0.1, size=N)
    (mine,) = bootstrap([share(right, ALL)], N, resamples=2000, seed=1)
    assert bootstrap([share(right, ALL)], N, resamples=2000, seed=1) == [mine]
    assert bootstrap([share(right, ALL)], N, resamples=2000, seed=2) != [mine]
    theirs = stats.bootstrap((right,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(3))
    assert mine == pytest.approx((theirs.confidence_interval.low, theirs.confidence_interval.high), abs=0.01)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        sample = (rng.random(80) < 0.7).astype(float)
        ((low, high),) = bootstrap([share(sample, np.ones(80, bool))], 80, resamples=200, seed=0)
        hits += low <= 0.7 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_all_statistics_see_the_same_draws():
    a = (HUMAN == JUDGE).astype(float)
    one, two = bootstrap([share(a, ALL), share(1 - a, ALL)], N, resamples=300, seed=4)
    assert one == pytest.approx((1 - two[1], 1 - two[0]))


def test_nothing_drawn_has_no_interval():
    assert np.isnan(bootstrap([share(np.zeros(3), np.zeros(3, bool))], 3, resamples=10, seed=0)).all()
