"""Figures of a classification: accuracy, precision, recall and F1 of each label, macro-F1, the confusion matrix."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

Labelled = tuple[str | None, str]
"""(predicted, gold); None = the completion gave no label."""


@dataclass(frozen=True)
class LabelFigures:
    """Of one label: precision, recall and F1 (0 where nothing was predicted or nothing is there), and how often it is gold."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Classification:
    """How often each gold label was predicted as each label.

    Attributes:
        confusion: counts by (predicted, gold); predicted None = no label, which is wrong for each gold label.
    """

    confusion: Counter[Labelled]

    @property
    def n(self) -> int:
        """How many were classified."""
        return self.confusion.total()

    @property
    def labels(self) -> list[str]:
        """The labels that occur, predicted or gold, in alphabetical order."""
        return sorted({label for pair in self.confusion for label in pair if label is not None})

    @property
    def accuracy(self) -> float:
        """Share of right predictions; 0 of none."""
        return (
            sum(c for (predicted, gold), c in self.confusion.items() if predicted == gold) / self.n if self.n else 0.0
        )

    @property
    def macro_f1(self) -> float:
        """Mean of the labels' F1, each label weighing the same, as scikit-learn's ``average="macro"``."""
        figures = self.by_label()
        return sum(f.f1 for f in figures) / len(figures) if figures else 0.0

    def by_label(self) -> list[LabelFigures]:
        """Return the figures of each of :attr:`labels`."""
        return [self._figures(label) for label in self.labels]

    def _figures(self, label: str) -> LabelFigures:
        hit = self.confusion[label, label]
        predicted = sum(c for (p, _), c in self.confusion.items() if p == label)
        gold = sum(c for (_, g), c in self.confusion.items() if g == label)
        precision, recall = (hit / total if total else 0.0 for total in (predicted, gold))
        return LabelFigures(label, precision, recall, 2 * hit / (predicted + gold) if predicted + gold else 0.0, gold)


def classify(pairs: Iterable[Labelled]) -> Classification:
    """Count (predicted, gold) pairs."""
    return Classification(Counter(pairs))
