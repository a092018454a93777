"""The study that docs/gate.md quotes, with few runs: the gate keeps its promise where the usual rule does not."""

import importlib.util
import math
import sys

import numpy as np
import pytest
from support import HERE

RUNS = 400


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("gate_study", HERE.parent / "bench" / "gate_study.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["gate_study"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["gate_study"]


def run(study, name, gains, **more):
    rule = next(r for r in study.rules() if name in r.name)
    made = gains(RUNS, np.random.default_rng(1))
    return study.simulate(rule, made, runs=RUNS, **{"items": 200, "share": 0.1, "seed": 0} | more)


def share_at_most(level):
    return level + 3 * math.sqrt(level * (1 - level) / RUNS)


@pytest.mark.parametrize("planned", [0, 4])
def test_with_no_true_gain_twenty_iterations_promote_falsely_in_at_most_the_stated_share_of_runs(study, planned):
    out = run(study, "flywheel", study.no_gain, planned=planned)
    assert np.mean(out.promoted > 0) <= share_at_most(study.LEVEL)
    assert (out.promoted == out.false).all()


def test_the_higher_score_is_promoted_falsely_in_nearly_every_run_and_its_score_is_too_high(study):
    out = run(study, "higher score", study.no_gain)
    assert np.mean(out.promoted > 0) > 0.9
    assert np.mean(out.shown - out.truth) > 0.02


def test_true_gains_are_promoted_and_do_not_cost_the_promise(study):
    out = run(study, "flywheel", study.early_gains, items=400)
    assert np.mean(out.promoted > 0) > 0.9
    assert np.mean(out.false > 0) <= share_at_most(study.LEVEL)


def test_the_world_is_what_it_says(study):
    """Parent and child differ on the stated share of items, and both have the stated score."""
    world = study.World(50, 2000, 0.1, np.random.default_rng(3))
    parent, child = world.right(world.first), world.right(world.child(world.first, 0.0))
    assert (parent != child).mean() == pytest.approx(0.1, abs=0.005)
    assert parent.mean() == pytest.approx(0.6, abs=0.01)
    assert child.mean() == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize(("loss", "rule", "least", "most"), [(0.02, "fall", 0, 0.05), (0.02, "hold", 0.95, 1)])
def test_guards_hold_their_level_at_the_tolerance(study, loss, rule, least, most):
    """A loss of exactly the tolerance is vetoed in 5 % (fall), let through in 5 % (hold)."""
    guard = study.GuardConfig(suite="g", tolerance=loss, rule=rule)
    counts = study.draw_counts(np.random.default_rng(0), 4000, 400, 0.11, -loss)
    error = 3 * math.sqrt(0.05 * 0.95 / 4000)
    assert least - error <= study.vetoes(guard, 400, *counts).mean() <= most + error
