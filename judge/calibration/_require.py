"""What a recipe can demand of a judge before it may label training data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ...errors import RecipeError
from ._figure import Figure, find_figure


@dataclass(frozen=True)
class Minimum:
    """The least agreement with people.

    Attributes:
        figure: name of the figure, as a calibration prints it: ``accuracy``, ``Cohen's kappa of both orders``, ``Spearman``.
        at_least: the value.
        by: ``low`` = the lower end of the interval must reach it, so that luck does not pass; ``value`` = the figure.
        n: fewest rows that the figure must rest on.
        ties: which counting, in a calibration's words; None = the first that is printed.
        abstentions: the same; the default is the stricter one.
    """

    figure: str = "accuracy"
    at_least: float = 0.7
    by: Literal["low", "value"] = "low"
    n: int = 50
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
    found = figure.low if minimum.by == "low" else figure.value
    if figure.n < minimum.n:
        return f"{figure.name} rests on {figure.n} rows"
    if found is None:
        return f"{figure.name} is not defined on these rows"
    if found >= minimum.at_least:
        return None
    interval = (
        "no interval"
        if figure.low is None or figure.high is None
        else f"interval {figure.low:.3f} to {figure.high:.3f}"
    )
    return f"{figure.name} {figure.value or 0.0:.3f} ({interval}, n = {figure.n})"


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
