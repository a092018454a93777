"""Simulated studies of the gate, by its own code: ``python bench/gate_study.py [--sims N] [--seed S] [--only a,b]``.

Prints the tables of docs/gate.md: how often whole runs promote falsely (a), the power of one decision (b, c), guards (d), what
selection on one split does to its score (e), and drift along a chain of promotions (f). One core, a few minutes.

The world: each item has a difficulty, half of what decides whether a model gets it right; the other half is the model's own
and is inherited in part by the checkpoints trained from it, as much as makes parent and child differ on a stated share of
items. A checkpoint's true score is its share of right answers over all items there could be; a challenger that is no better
than the champion in this sense is promoted falsely.
"""

import argparse
import functools
import math
import time
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from flywheel.config import GuardConfig
from flywheel.loop import GuardTrial, Paired, Spent, judge_guards, level_of
from flywheel.schema import find_wilson

NORMAL = NormalDist()
DIFFICULTY = 0.5
"""Share of the variance that is the item's, and the same for all checkpoints."""
LEVEL = 0.05
ITERATIONS, STAGES = 20, 2


# --- the world -----------------------------------------------------------------------------------------------------


def differing(correlation, score):
    """Return the share of items on which two checkpoints of one true score differ, given their correlation."""
    t = NORMAL.inv_cdf(1 - score)
    r = np.linspace(0, correlation, 4001)
    density = np.exp(-(t**2) / (1 + r)) / (2 * np.pi * np.sqrt(1 - r**2))
    return 2 * (score - score**2 - np.trapezoid(density, r))


@functools.cache
def inheritance(share, score):
    """Return how strongly a child's own part correlates with its parent's when they differ on ``share`` of the items."""
    low, high = 0.0, 1.0 - 1e-9
    for _ in range(60):
        middle = (low + high) / 2
        is_too_different = differing(DIFFICULTY + (1 - DIFFICULTY) * middle, score) > share
        low, high = (middle, high) if is_too_different else (low, middle)
    return low


@dataclass
class Checkpoint:
    """One checkpoint in every simulated run.

    Attributes:
        own: its own part, of shape (runs, items).
        truth: its true score, of shape (runs,).
    """

    own: np.ndarray
    truth: np.ndarray


class World:
    """The items of one split, in every simulated run."""

    def __init__(self, runs, items, share, rng, score=0.6):
        self.rng, self.runs, self.items = rng, runs, items
        self.keeps = np.float32(inheritance(share, score))
        self.difficulty = self._normal()
        self.first = Checkpoint(self._normal(), np.full(runs, score))

    def child(self, parent, gain):
        """Return what training makes of ``parent``: its true score changes by ``gain``."""
        own = self.keeps * parent.own + np.float32(math.sqrt(1 - self.keeps**2)) * self._normal()
        return Checkpoint(own, np.clip(parent.truth + gain, 0.001, 0.999))

    def right(self, checkpoint):
        """Return which items a checkpoint gets right."""
        at = np.array([NORMAL.inv_cdf(t) for t in checkpoint.truth], np.float32)[:, None]
        half = np.float32(math.sqrt(DIFFICULTY))
        return half * self.difficulty + np.float32(math.sqrt(1 - DIFFICULTY)) * checkpoint.own + at > 0

    def _normal(self):
        return self.rng.standard_normal((self.runs, self.items), np.float32)


# --- rules ---------------------------------------------------------------------------------------------------------


@functools.cache
def p_gain(won, lost):
    """Return the gate's one-sided p."""
    return Paired(won + lost, won, lost).p_gain


@dataclass
class Rule:
    """When a challenger is promoted.

    Attributes:
        level: (number of the decision, planned decisions, level and outcome of the one before) to the level; None: the
            higher score wins.
    """

    name: str
    level: object
    last: dict = field(default_factory=dict)

    def promotes(self, k, planned, won, lost):
        """Return in which runs the challenger of decision ``k`` is promoted."""
        if self.level is None:
            return won > lost
        shown = np.zeros(len(won), bool)
        for i, pair in enumerate(zip(won.tolist(), lost.tolist(), strict=True)):
            level = self.level(k, planned, self.last.get(i))
            shown[i] = pair[0] > pair[1] and p_gain(*pair) <= level
            self.last[i] = Spent(level, bool(shown[i]))
        return shown


def rules():
    """Return the rules compared, each without memory."""
    return [
        Rule("higher score wins", None),
        Rule("0.05 each (`per: decision`)", lambda k, planned, last: LEVEL),
        Rule("two-sided p < 0.05 each", lambda k, planned, last: LEVEL / 2),
        Rule("**flywheel: 0.05 a run**", lambda k, planned, last: level_of(k, planned, LEVEL, last)),
        Rule("Bonferroni over the plan", lambda k, planned, last: LEVEL / planned),
        Rule("0.05 / (k (k + 1))", lambda k, planned, last: LEVEL / (k * (k + 1))),
    ]


# --- whole runs ----------------------------------------------------------------------------------------------------


@dataclass
class Outcome:
    """What a rule did in each run."""

    promoted: np.ndarray
    false: np.ndarray
    truth: np.ndarray
    shown: np.ndarray


def simulate(rule, gains, *, runs, items, share, seed, planned=0):
    """Turn the wheel in ``runs`` runs: in each iteration a child of the champion, then a child of that child; each is tried
    against the champion of the moment.

    Args:
        gains: true gain of each challenger over its parent, one a decision, or of shape (decisions, runs).
        planned: decisions that the recipe plans; 0 = as many as are made.
    """
    world = World(runs, items, share, np.random.default_rng(seed))
    champion, right = world.first, world.right(world.first)
    promoted, false = np.zeros(runs, int), np.zeros(runs, int)
    parent = champion
    for k, gain in enumerate(gains, 1):
        challenger = world.child(champion if k % STAGES == 1 else parent, gain)
        now = world.right(challenger)
        won, lost = (now & ~right).sum(1), (right & ~now).sum(1)
        wins = rule.promotes(k, planned or len(gains), won, lost)
        false += wins & (challenger.truth <= champion.truth + 1e-12)
        promoted += wins
        right = np.where(wins[:, None], now, right)
        champion = Checkpoint(
            np.where(wins[:, None], challenger.own, champion.own), np.where(wins, challenger.truth, champion.truth)
        )
        parent = challenger
    return Outcome(promoted, false, champion.truth, right.mean(1))


def no_gain(runs, rng):
    """No challenger is better or worse than its parent."""
    return np.zeros(ITERATIONS * STAGES)


def early_gains(runs, rng):
    """Three challengers gain 8, 4 and 3 points; nothing after them does."""
    return np.array([0.08, 0.04, 0.03, *[0.0] * (ITERATIONS * STAGES - 3)])


def mixed_gains(runs, rng):
    """Each challenger loses 2 points, is as its parent, or gains 2, with equal chances."""
    return rng.choice([-0.02, 0.0, 0.02], (ITERATIONS * STAGES, runs))


def two_iterations(runs, rng):
    """As many decisions as the demo has, none of a challenger that is better."""
    return np.zeros(2 * STAGES)


@dataclass
class Setting:
    """A world to turn the wheel in."""

    name: str
    gains: object
    items: int
    share: float
    planned: int = 0


SETTINGS = [
    *(Setting("no true gain", no_gain, 400, share) for share in (0.05, 0.10, 0.20)),
    Setting("no true gain", no_gain, 800, 0.10),
    Setting("no true gain, 2 iterations", two_iterations, 800, 0.10),
    Setting("no true gain, 2 iterations planned", no_gain, 400, 0.10, planned=4),
    Setting("8, 4, 3 points, then none", early_gains, 400, 0.10),
    Setting("-2, 0 or +2 points each", mixed_gains, 400, 0.10),
    Setting("-2, 0 or +2 points each", mixed_gains, 1600, 0.10),
]


def study_runs(sims, seed):
    """(a) and (e): false promotions, what was truly gained, and the score shown at the end."""
    lines = {"false": [], "gain": [], "shown": []}
    for x in SETTINGS:
        made = [simulate_setting(rule, x, sims, seed) for rule in rules()]
        head = [x.name, x.items, f"{100 * x.share:.0f} %"]
        lines["false"].append([*head, *(interval_of(out.false > 0) for out in made)])
        if any((out.truth != 0.6).any() for out in made):
            lines["gain"].append([*head, *(gained(out) for out in made)])
        lines["shown"].append([*head, *(mean_of(100 * (out.shown - out.truth)) for out in made)])
    columns = ["world", "items", "items that differ", *(rule.name for rule in rules())]
    told = f"{sims:,} runs of {ITERATIONS} iterations with {STAGES} challengers each"
    return "\n".join([
        table(f"(a) Runs with a false promotion, % (95 % interval); {told}", columns, lines["false"]),
        table("(a) True gain of the last champion over the first model, points (true promotions a run)", columns, lines["gain"]),
        table("(e) By how much the last champion's gate score is too high, points", columns, lines["shown"]),
    ])  # fmt: skip


def simulate_setting(rule, x, sims, seed):
    """Return what a rule does in a setting; the same runs for every rule."""
    gains = x.gains(sims, np.random.default_rng(seed + 1))
    return simulate(rule, gains, runs=sims, items=x.items, share=x.share, seed=seed, planned=x.planned)


def gained(out):
    """Return what was truly gained."""
    return f"{mean_of(100 * (out.truth - 0.6))} ({(out.promoted - out.false).mean():.2f})"


# --- one decision --------------------------------------------------------------------------------------------------


def draw_counts(rng, sims, n, share, gain):
    """Return won and lost items of ``sims`` comparisons on ``n`` items of which ``share`` differ, with a true ``gain``."""
    counts = rng.multinomial(n, [(share + gain) / 2, (share - gain) / 2, 1 - share], sims)
    return counts[:, 0], counts[:, 1]


def power(rng, sims, n, share, gain, level):
    """Return in which comparisons a gain is shown; for level None in which the score is higher."""
    won, lost = draw_counts(rng, sims, n, share, gain)
    if level is None:
        return won > lost
    return np.array([a > b and p_gain(a, b) <= level for a, b in zip(won.tolist(), lost.tolist(), strict=True)])


LEVELS = {
    "higher score wins": None, "0.05 each (`per: decision`)": LEVEL, "first of 4 planned": level_of(1, 4, LEVEL, None),
    "first of 40 planned": level_of(1, 40, LEVEL, None), "tenth of 40": level_of(10, 40, LEVEL, None),
    "fortieth of 40": level_of(40, 40, LEVEL, None),
}  # fmt: skip
"""Levels of single decisions; the later ones when the decision before them showed no gain."""


def study_power(sims, seed):
    """(b) A true gain of 5 points with 400 items."""
    rng = np.random.default_rng(seed)
    lines = [
        [
            name if level in (None, LEVEL) else f"{name}: {level:.2g}",
            *(
                share_of(power(rng, sims, 400, share, gain, level))
                for gain in (0.05, 0.0)
                for share in (0.1, 0.15, 0.2)
            ),
        ]
        for name, level in LEVELS.items()
    ]
    shares = ["10 % differ", "15 % differ", "20 % differ"]
    columns = ["level of the decision", *(f"5 points, {s}" for s in shares), *(f"no gain, {s}" for s in shares)]
    return table(f"(b) Promoted, %, of one challenger on 400 items, {sims:,} comparisons", columns, lines)


def study_curve(sims, seed):
    """(c) Power by number of items and gain."""
    rng = np.random.default_rng(seed)
    gains = [0.01, 0.02, 0.03, 0.05, 0.08]
    lines = [
        [f"{level:g}", n, *(share_of(power(rng, sims, n, 0.1 + gain / 2, gain, level)) for gain in gains)]
        for level in (0.01, 0.001)
        for n in (100, 200, 400, 800, 1600, 3200)
    ]
    columns = ["level", "items", *(f"{100 * g:.0f} points" for g in gains)]
    return table(
        f"(c) Power, %, 10 % of items differing besides half of the gain, {sims:,} comparisons", columns, lines
    )


# --- guards --------------------------------------------------------------------------------------------------------

GUARDS = [
    ("fall, tolerance 0", GuardConfig(suite="g")), ("fall, tolerance 2 points", GuardConfig(suite="g", tolerance=0.02)),
    ("hold, tolerance 2 points", GuardConfig(suite="g", tolerance=0.02, rule="hold")),
    ("hold, tolerance 5 points", GuardConfig(suite="g", tolerance=0.05, rule="hold")),
]  # fmt: skip


def vetoes(guard, n, won, lost):
    """Return in which comparisons a guard vetoes."""
    known = {}
    for pair in set(zip(won.tolist(), lost.tolist(), strict=True)):
        known[pair] = not judge_guards([GuardTrial(guard, Paired(n, *pair))])[0].passed
    return np.array([known[pair] for pair in zip(won.tolist(), lost.tolist(), strict=True)])


def study_guards(sims, seed):
    """(d) How often a guard vetoes, by what is truly lost."""
    rng = np.random.default_rng(seed)
    losses = [0.0, 0.01, 0.02, 0.03, 0.05, 0.10]
    lines = []
    for n in (100, 400, 1000):
        drawn = [draw_counts(rng, sims, n, 0.1 + loss / 2, -loss) for loss in losses]
        lines += [[name, n, *(share_of(vetoes(guard, n, *counts)) for counts in drawn)] for name, guard in GUARDS]
    columns = ["guard", "items", *(f"{100 * x:.0f} points lost" for x in losses)]
    return table(
        f"(d) Vetoes, %, 10 % of items differing besides half of the loss, {sims:,} comparisons", columns, lines
    )


def study_drift(sims, seed):
    """(f) Ten challengers, each losing a point of what is guarded; with and without the first model as an anchor."""
    lines = []
    for n in (400, 1000):
        for name, anchored in (("against the champion only", False), ("and against the first model", True)):
            lost, promoted = drift(n, sims, seed, anchored=anchored)
            lines.append(
                [n, name, mean_of(100 * lost), f"{100 * np.quantile(lost, 0.95):.0f}", f"{promoted.mean():.1f}"]
            )
    columns = [
        "items",
        "guard (fall, tolerance 0)",
        "points lost in the end, mean",
        "95th percentile",
        "promoted of 10",
    ]
    return table(f"(f) Ten challengers that each lose 1 point of the guard, 10 % of items differing, {sims:,} runs", columns, lines)  # fmt: skip


def drift(n, sims, seed, *, anchored, steps=10, loss=0.01):
    """Return points lost and challengers promoted when only a guard decides."""
    world = World(sims, n, 0.1, np.random.default_rng(seed), score=0.8)
    champion, right = world.first, world.right(world.first)
    first, promoted = right, np.zeros(sims, int)
    for _ in range(steps):
        challenger = world.child(champion, -loss)
        now = world.right(challenger)
        others = [right, first] if anchored else [right]
        counts = np.array([[(now & ~o).sum(1), (o & ~now).sum(1)] for o in others]).transpose(2, 0, 1)
        passes = np.array([held(n, tuple(map(tuple, run))) for run in counts.tolist()])
        right = np.where(passes[:, None], now, right)
        own, truth = (
            np.where(passes[:, None], challenger.own, champion.own),
            np.where(passes, challenger.truth, champion.truth),
        )
        champion, promoted = Checkpoint(own, truth), promoted + passes
    return world.first.truth - champion.truth, promoted


@functools.cache
def held(n, counts):
    """Return whether the guard lets a challenger with these (won, lost) pass."""
    guard = GuardConfig(suite="g")
    trials = [
        GuardTrial(guard, Paired(n, *pair), who) for pair, who in zip(counts, ("champion", "first"), strict=False)
    ]
    return all(f.passed for f in judge_guards(trials))


# --- tables --------------------------------------------------------------------------------------------------------


def share_of(hits):
    """Return a share in percent with its Monte Carlo standard error."""
    p = float(np.mean(hits))
    return f"{100 * p:.1f} ± {100 * math.sqrt(p * (1 - p) / len(hits)):.1f}"


def interval_of(hits):
    """Return a share in percent with its 95 % interval (Wilson)."""
    p = float(np.mean(hits))
    low, high = find_wilson(p, len(hits))
    return f"{100 * p:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def mean_of(values):
    """Return a mean with its Monte Carlo standard error."""
    return f"{np.mean(values):+.2f} ± {np.std(values) / math.sqrt(len(values)):.2f}"


def table(title, columns, lines):
    """Return a Markdown table."""
    rows = ["| " + " | ".join(map(str, cells)) + " |" for cells in [columns, ["---"] * len(columns), *lines]]
    return "\n".join([f"**{title}**", "", *rows, ""])


STUDIES = {
    "a": (study_runs, 1), "b": (study_power, 2), "c": (study_curve, 2), "d": (study_guards, 2), "f": (study_drift, 0.4),
}  # fmt: skip
"""Study, and how many simulations it makes for each of ``--sims``."""


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sims", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default=",".join(STUDIES))
    args = parser.parse_args()
    for name in args.only.split(","):
        study, times = STUDIES[name]
        started = time.perf_counter()
        print(study(int(args.sims * times), args.seed), flush=True)
        print(f"({time.perf_counter() - started:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
