"""Numbers as a person reads them."""

from ..schema import find_wilson, has_false_bar


def count(n: int, noun: str) -> str:
    """Return ``n`` with its noun: ``1 row``, ``2 rows``."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def percent(score: float, stderr: float | None) -> str:
    """Return a score between 0 and 1 in percent, with its error bar where there is one."""
    return f"{100 * score:.1f}" + (f" ± {100 * stderr:.1f}" if stderr is not None else "")


HUNDREDS = ("bleu", "chrf", "ter")
"""Metrics on a scale from 0 to 100 of their own."""


def is_share(metric: str, *values: float, higher_is_better: bool = True) -> bool:
    """Say whether figures of a metric are shares, which are shown in percent: from 0 to 1 and better when higher.

    Perplexity, bits per byte, a loss and the like are shown as they are, also where they happen to be below 1.
    """
    name = metric.rpartition(",")[0] or metric
    return higher_is_better and name not in HUNDREDS and all(0 <= v <= 1 for v in values)


def show_score(
    metric: str, score: float, stderr: float | None, *, higher_is_better: bool = True, n: int | None = None
) -> str:
    """Return a score with its error bar, where there is one, and its unit: percent of a share, none of anything else.

    An error bar of 0 would say that nothing is uncertain. None or all of ``n`` items right have Wilson's interval instead;
    anything else that does not scatter has no bar.
    """
    is_percent = is_share(metric, score, higher_is_better=higher_is_better)
    if is_percent and n is not None and has_false_bar(metric, score, stderr, n):
        low, high = find_wilson(score, n)
        return f"{percent(score, None)} % (Wilson 95 %: {100 * low:.1f} to {100 * high:.1f})"
    if is_percent:
        return f"{percent(score, stderr or None)} %"
    return f"{score:.6g}" + (f" ± {stderr:.3g}" if stderr else "")


def show_delta(metric: str, delta: float, *scores: float, higher_is_better: bool = True) -> str:
    """Return the difference of two scores, in points where they are shares."""
    if is_share(metric, *scores, higher_is_better=higher_is_better):
        return f"{100 * delta:+.1f}"
    return f"{delta:+.4g}"
