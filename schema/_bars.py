"""Error bars of scores: what an interval is where the standard error says nothing."""

from math import sqrt

Z = 1.959963984540054
"""Standard errors to each side of a 95 % interval."""
NO_PROPORTIONS = ("mcc", "f1", "macro_f1", "weighted_pass")
"""Metrics between 0 and 1 that are no share of their items: Wilson's interval does not hold for them."""


def find_interval(metric: str, score: float, stderr: float | None, n: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a score: 1.96 standard errors to both sides, Wilson's where none or all items are right;
    None without any scatter to make one of.
    """
    if has_false_bar(metric, score, stderr, n):
        return find_wilson(score, n)
    return (score - Z * stderr, score + Z * stderr) if stderr else None


def has_false_bar(metric: str, score: float, stderr: float | None, n: int) -> bool:
    """Say whether none or all of ``n`` items are right, so that their scatter, 0 or (of one) unknown, says nothing."""
    name = metric.rpartition(",")[0] or metric
    no_share = name in NO_PROPORTIONS or name.startswith("f1[")
    return score in (0, 1) and n > 0 and not no_share and (stderr == 0 or (stderr is None and n == 1))


def find_wilson(share: float, n: int, z: float = Z) -> tuple[float, float]:
    """Return Wilson's score interval of a share of ``n`` (Wilson 1927, JASA 22:209), which is never of no width.

    Args:
        share: 0 to 1.
        n: how many it is a share of.
        z: half its width in standard errors, of a normal distribution; default: 95 % coverage.
    """
    middle, half = share + z * z / (2 * n), z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
    return min(max(0.0, low), share), max(
        min(1.0, high), share
    )  # of none or all of them the last bit may be beyond the share
