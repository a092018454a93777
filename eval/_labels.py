"""Figures of a classification from its (gold, predicted) pairs, each with its standard error.

F1 of a label is 0 where it is neither predicted right nor wrong; macro-F1 is the mean over the labels that occur, as
scikit-learn's ``average="macro"``. A completion that gives no label (predicted None) is wrong for its gold label and counts
for no other.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

Pair = tuple[str, str | None]
"""(gold, predicted)."""
DRAWS = 1000


def find_labels(pairs: Sequence[Pair]) -> list[str]:
    """Return the labels that occur, gold or predicted, in alphabetical order."""
    return sorted({label for pair in pairs for label in pair if label is not None})


def f1_of(pairs: Sequence[Pair], label: str) -> float:
    """Return the F1 of one label."""
    return _f1(Counter(map(tuple, pairs)), label)


def macro_f1(pairs: Sequence[Pair]) -> float:
    """Return the mean F1 of the labels that occur."""
    return _macro(Counter(map(tuple, pairs)))


def bootstrap_stderr(pairs: Sequence[Pair], statistic: Callable[[Any], float], draws: int = DRAWS) -> float | None:
    """Return the standard deviation of a statistic over resampled pairs (seed 0).

    A resample in which the statistic is not defined, as the F1 of a label that it lacks, says nothing and is left out.

    Only the counts of equal pairs matter, so each resample is one multinomial draw, whatever the number of pairs.

    Args:
        pairs: (gold, predicted).
        statistic: of counts by pair.
        draws: resamples.
    """
    import numpy as np

    counts = Counter(map(tuple, pairs))
    cells, n = list(counts), len(pairs)
    drawn = np.random.default_rng(0).multinomial(n, [counts[c] / n for c in cells], size=draws)
    values = np.array([statistic(dict(zip(cells, row, strict=True))) for row in drawn.tolist()], dtype=float)
    values = values[np.isfinite(values)]
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def statistic_of(metric: str) -> Callable[[Any], float]:
    """Return the statistic, over counts by pair, of a metric called ``macro_f1`` or ``f1[LABEL]``."""
    if metric == "macro_f1":
        return _macro
    label = metric.removeprefix("f1[").removesuffix("]")
    return lambda counts: _f1(counts, label, lacking=float("nan"))


def _f1(counts: Any, label: str, *, lacking: float = 0.0) -> float:
    """Return the F1 of a label; ``lacking`` where no pair has it."""
    hit = counts.get((label, label), 0)
    total = sum(n * ((g == label) + (p == label)) for (g, p), n in counts.items())
    return 2 * hit / total if total else lacking


def _macro(counts: Any) -> float:
    labels = {label for pair, n in counts.items() if n for label in pair if label is not None}
    return sum(_f1(counts, label) for label in sorted(labels)) / len(labels) if labels else 0.0
