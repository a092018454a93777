"""What a recipe can demand of a judge before it may label training data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...errors import RecipeError
from ._figure import Figure, find_figure

FEWEST_ROWS = 50
"""Labelled rows that a demand needs, unless it says otherwise."""
TAIL = 0.025
"""Of a two-sided interval of 95 %."""


@dataclass(frozen=True)
class Minimum:
    """The least agreement with people.

    Attributes:
        figure: name of the figure, as a calibration prints it: ``accuracy``, ``Cohen's kappa of both orders``, ``Spearman``.
        at_least: the value.
        by: ``low`` = the lower end of the interval must reach it, so that luck does not pass (where all rows agree, the
            exact binomial one); ``value`` = the figure.
        n: fewest rows that the figure must rest on.
        ties: which counting, in a calibration's words; None = the first that is printed.
        abstentions: the same; the default is the stricter one.
    """

    figure: str = "accuracy"
    at_least: float = 0.7
    by: Literal["low", "value"] = "low"
    n: int = FEWEST_ROWS
    ties: str | None = None
    abstentions: str | None = "wrong"


def meets(minimum: Minimum, figures: Sequence[Figure]) -> bool:
    """Say whether a calibration's figures reach ``minimum``; a figure that is missing or not defined does not."""
    return find_shortfall(minimum, figures) is None


def find_shortfall(minimum: Minimum, figures: Sequence[Figure]) -> str | None:
    """Return what falls short of ``minimum``, in words; None where nothing does."""
    figure = find_figure(figures, minimum.figure, ties=minimum.ties, abstentions=minimum.abstentions)
    if figure is None:
        names = ", ".join(dict.fromkeys(f.name for f in figures))
        return f"no figure {minimum.figure!r} under that counting; there are {names}"
    found = lower_end(figure) if minimum.by == "low" else figure.value
    if figure.n < minimum.n:
        value = "" if figure.value is None else f" {figure.value:.3f}"
        return f"{figure.name}{value} rests on {figure.n} row" + ("s" if figure.n != 1 else "")
    if found is None and minimum.by == "low" and figure.value is not None:
        return f"{figure.name} {figure.value:.3f} has no interval"
    if found is None:
        return f"{figure.name} is not defined on these rows"
    if found >= minimum.at_least:
        return None
    low, high = lower_end(figure), figure.high
    interval = "no interval" if low is None or high is None else f"interval {low:.3f} to {high:.3f}"
    return f"{figure.name} {figure.value or 0.0:.3f} ({interval}, n = {figure.n})"


def lower_end(figure: Figure) -> float | None:
    """Return the lower end of the interval; where all rows agree, and resampling them shows no doubt, the exact binomial one of
    ``n`` of ``n`` (Clopper and Pearson 1934): 0.93 at 50 rows, 0.03 at one.
    """
    if figure.low is None or figure.value != 1 or figure.low < 1 or not figure.n:
        return figure.low
    return float(TAIL ** (1 / figure.n))


def require(minimum: Minimum, figures: Sequence[Figure], judge: str) -> None:
    """Refuse a judge that does not agree enough with people.

    Raises:
        RecipeError: with what was demanded, what was found, and what to do.
    """
    if shortfall := find_shortfall(minimum, figures):
        which = "lower end of the interval" if minimum.by == "low" else "value"
        raise RecipeError(
            f"judge {judge}, minimum agreement with people",
            expected=f"{minimum.figure}: {which} of {minimum.at_least:g} or more on {minimum.n} rows or more",
            received=shortfall,
            cure="better criteria, another model or a panel; more labelled rows where the interval is wide; or a lower minimum",
        )
