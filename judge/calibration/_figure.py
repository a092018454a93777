"""One figure of a calibration: what it is, how sure it is, and how ties and abstentions count in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any

import numpy as np

from ._statistics import Array, Statistic, bootstrap

NO_TIES, NO_ABSTENTIONS, NO_TIE = "none occur", "none occur", "there are none"
TIES = {
    "verdict": "a verdict of their own", "half": "half right against a winner", "left out": "left out",
}  # fmt: skip
ABSTENTIONS = {"wrong": "wrong", "left out": "left out"}


@dataclass(frozen=True)
class Figure:
    """A measured figure.

    Attributes:
        name: what is measured.
        value: None = not defined on these rows.
        low: lower end of the bootstrap interval; None as ``value``.
        high: upper end.
        n: rows that it rests on.
        ties: how they count.
        abstentions: how they count.
        how: the definition.
        p_value: of the test that ``how`` names; None = no test.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    ties: str
    abstentions: str
    how: str = ""
    p_value: float | None = None


@dataclass(frozen=True)
class Plan:
    """A figure to be computed: its statistic, and the rows that it counts, of shape (n,)."""

    name: str
    statistic: Statistic
    counted: Array
    ties: str
    abstentions: str
    how: str = ""
    p_value: float | None = None


def measure(plans: Sequence[Plan], n: int, *, resamples: int, seed: int, level: float) -> tuple[Figure, ...]:
    """Return the planned figures over ``n`` rows; all rest on the same bootstrap draws."""
    everything = np.arange(n)
    intervals = bootstrap([p.statistic for p in plans], n, resamples=resamples, seed=seed, level=level)
    return tuple(
        Figure(
            p.name, _known(p.statistic(everything)), _known(low), _known(high), int(p.counted.sum()), p.ties, p.abstentions,
            p.how, p.p_value,
        )
        for p, (low, high) in zip(plans, intervals, strict=True)
    )  # fmt: skip


def _known(value: float) -> float | None:
    return None if isnan(value) else value


def find_figure(figures: Sequence[Figure], name: str, **counting: Any) -> Figure | None:
    """Return the first figure of that name, and of that counting of ``ties`` and ``abstentions`` where it is given.

    A counting that makes no difference, because none occur, fits any.
    """
    moot = (NO_TIES, NO_ABSTENTIONS, NO_TIE)
    for figure in figures:
        wanted = [(getattr(figure, key), said) for key, said in counting.items() if said is not None]
        if figure.name == name and all(is_ in (value, *moot) for is_, value in wanted):
            return figure
    return None
