"""How a run's level is spent over its decisions, so that all of them together promote falsely no more often than it says.

The decisions share the level like this (decision 0009):

* Of the run's level four fifths are spread evenly over the planned decisions, and the last fifth over all that may come after
  them, as 1 / (j (j + 1)): a run may go on for ever.
* A decision in which a gain was shown did not use its share up: it goes on to the next decision (the fallback procedure of
  Wiens and Dmitrienko 2005, online as in Tian and Ramdas 2021).

The sum of what true null hypotheses can get is never above the run's level, whatever the dependence between the tests: the
union bound does the rest.
"""

from dataclasses import dataclass

RESERVE = 0.2
"""Share of the level that is kept for decisions beyond the plan."""


@dataclass(frozen=True)
class Spent:
    """What a decision had: its level, and whether a gain was shown at it."""

    level: float
    shown: bool


def share_of_level(k: int, planned: int) -> float:
    """Return the share of a run's level that its ``k``-th decision (from 1) has of its own; the shares of all k sum to 1."""
    if k <= planned:
        return (1 - RESERVE) / planned
    beyond = k - planned
    return (RESERVE if planned else 1.0) / (beyond * (beyond + 1))


def level_of(k: int, planned: int, run_level: float, last: Spent | None) -> float:
    """Return the level of the ``k``-th decision: its own share, and what the one before it passes on."""
    passed_on = last.level if last is not None and last.shown else 0.0
    return run_level * share_of_level(k, planned) + passed_on
