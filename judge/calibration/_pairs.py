"""Figures of a judge of pairs: agreement, the two orders, position, length, and its own kind."""

from collections.abc import Iterator, Sequence
from math import log

import numpy as np

from ._examples import Example
from ._figure import ABSTENTIONS, NO_ABSTENTIONS, NO_TIES, TIES, Plan
from ._statistics import Array, binomial_p, difference, kappa, pearson, share
from ._values import FIRST, SECOND, TIE

CODES = {FIRST: 0, SECOND: 1, TIE: 2, None: -1}
ABSTAINED = -1
GIVEN, SWAPPED, COMBINED = "in the given order", "in the swapped order", "of both orders"
COMBINED_HOW = "a winner only where both orders agree, else a tie; an abstention where either order has one"


class PairSheet:
    """Codes of the rows: 0 first, 1 second, 2 tie, -1 none. All arrays have shape (n,)."""

    def __init__(self, rows: Sequence[Example]) -> None:
        self.rows = rows
        self.human = _codes([r.human for r in rows])
        self.orders = [_codes([r.judge[i] for r in rows]) for i in range(len(rows[0].judge))]
        self.has_labels = bool((self.human >= 0).any())

    @property
    def verdict(self) -> Array:
        """The judge's verdict: of two orders, the combined one."""
        if len(self.orders) == 1:
            return self.orders[0]
        a, b = self.orders
        both = np.where(a == b, a, CODES[TIE])
        return np.where((a < 0) | (b < 0), ABSTAINED, both)

    def plans(self) -> Iterator[Plan]:
        """Yield all figures that the rows allow."""
        named = [("", self.orders[0], "")]
        if len(self.orders) == 2:
            named = [
                (f" {GIVEN}", self.orders[0], ""), (f" {SWAPPED}", self.orders[1], ""), (f" {COMBINED}", self.verdict, COMBINED_HOW),
            ]  # fmt: skip
        if self.has_labels:
            for name, judge, how in named:
                yield from accuracy_plans(f"accuracy{name}", self.human, judge, how)
            if len(self.orders) == 2:
                yield from mean_plans(self.human, *self.orders)
            for name, judge, how in named:
                yield from kappa_plans(f"Cohen's kappa{name}", self.human, judge, how)
        if len(self.orders) == 2:
            yield from order_plans(*self.orders)
        yield from self._win_rates()
        yield from self._lengths()
        yield from self._own_kind()

    def _win_rates(self) -> Iterator[Plan]:
        for who, codes in (("judge", self.verdict), ("people", self.human)):
            if not (codes >= 0).any():
                continue
            name = f"win rate of the second, {who}{self._model(1)}"
            points = np.select([codes == 1, codes == 2], [1.0, 0.5], 0.0)
            has_ties, is_open = bool((codes == 2).any()), "left out" if (codes < 0).any() else NO_ABSTENTIONS
            yield Plan(name, share(points, codes >= 0), codes >= 0, "half a win" if has_ties else NO_TIES, is_open)
            if has_ties:
                won = (codes == 0) | (codes == 1)
                yield Plan(name, share(points, won), won, "left out", is_open)

    def _model(self, place: int) -> str:
        names = {r.models[place] for r in self.rows if r.models}
        return f" ({names.pop()})" if len(names) == 1 else ""

    def _lengths(self) -> Iterator[Plan]:
        if not any(r.lengths for r in self.rows):
            return
        ratio = np.array([log((r.lengths[0] or 1) / (r.lengths[1] or 1)) if r.lengths else 0.0 for r in self.rows])
        judge, human = self.verdict, self.human
        decided = (judge >= 0) & (judge < 2) & (ratio != 0)
        if self.has_labels:
            decided &= (human >= 0) & (human < 2)
        longer = (ratio < 0).astype(int)  # code of the longer one
        rest = ("left out", "left out", "only rows where the two differ in length (characters) and " + (
            "judge and people both name a winner" if self.has_labels else "the judge names a winner"))  # fmt: skip
        by_judge = share((judge == longer).astype(float), decided)
        yield Plan("longer one wins, judge", by_judge, decided, *rest)
        how = (
            *rest[:2],
            "point-biserial: correlation of ln(length of first / length of second) with the first winning; same rows",
        )
        bias = pearson(ratio, (judge == 0).astype(float), decided)
        if self.has_labels:
            by_human = share((human == longer).astype(float), decided)
            yield Plan("longer one wins, people", by_human, decided, *rest)
            yield Plan(
                "length bias: longer one wins, judge minus people", difference(by_judge, by_human), decided, *rest
            )
        yield Plan("correlation of length and winning, judge", bias, decided, *how)
        if self.has_labels:
            theirs = pearson(ratio, (human == 0).astype(float), decided)
            yield Plan("correlation of length and winning, people", theirs, decided, *how)
            yield Plan("length bias: correlation, judge minus people", difference(bias, theirs), decided, *how)

    def _own_kind(self) -> Iterator[Plan]:
        own = _codes_of_own(self.rows)
        if not (own >= 0).any():
            return
        judge, human = self.verdict, self.human
        counted = (own >= 0) & (judge >= 0)
        if self.has_labels:
            counted &= human >= 0
        rest = ("half a win", "left out", "rows where one of the two was written by the judge's own model, and only one"
            + (", with a label" if self.has_labels else ""))  # fmt: skip
        by_judge = share(_points(judge, own), counted)
        yield Plan("own model's win rate, judge", by_judge, counted, *rest)
        if self.has_labels:
            by_human = share(_points(human, own), counted)
            yield Plan("own model's win rate, people", by_human, counted, *rest)
            yield Plan(
                "self-preference: own model's win rate, judge minus people",
                difference(by_judge, by_human),
                counted,
                *rest,
            )


def accuracy_plans(name: str, human: Array, judge: Array, how: str = "", tie: int | None = 2) -> Iterator[Plan]:
    """Yield the share of verdicts that are the label, under each counting that makes a difference.

    Args:
        name: of the figures.
        human: codes of shape (n,); -1 = no label, the row is not counted.
        judge: codes of shape (n,); -1 = an abstention.
        how: more on what ``judge`` is.
        tie: code of a tie; None = the task has none.
    """
    labelled = human >= 0
    right = human == judge
    is_tie = np.zeros(len(human), bool) if tie is None else (human == tie) | (judge == tie)
    half = np.where(right, 1.0, np.where(is_tie & (judge >= 0), 0.5, 0.0))
    for abstentions, seen in _countings(labelled & (judge < 0), judge):
        counted = labelled & seen
        ties = TIES if (is_tie & counted).any() else {}
        for key, ties_said in (ties or {"verdict": NO_TIES}).items():
            credit = half if key == "half" else right.astype(float)
            of = counted & ~is_tie if key == "left out" else counted
            yield Plan(name, share(credit, of), of, ties_said, abstentions, how)


def mean_plans(human: Array, given: Array, swapped: Array) -> Iterator[Plan]:
    """Yield the mean of the accuracies of both orders; codes of shape (n,) as in :func:`accuracy_plans`."""
    labelled, is_open = human >= 0, (given < 0) | (swapped < 0)
    credit = ((human == given).astype(float) + (human == swapped)) / 2
    for abstentions, seen in _countings(labelled & is_open, np.where(is_open, -1, 0)):
        counted = labelled & seen
        has_ties = bool((((human == 2) | (given == 2) | (swapped == 2)) & counted).any())
        ties = TIES["verdict"] if has_ties else NO_TIES
        yield Plan("accuracy, mean of the two orders", share(credit, counted), counted, ties, abstentions)


def kappa_plans(name: str, human: Array, judge: Array, how: str = "", tie: int | None = 2) -> Iterator[Plan]:
    """Yield Cohen's kappa under each counting that makes a difference; an abstention that counts as wrong is a verdict that
    no person gives.
    """
    labelled = human >= 0
    k = int(max(human.max(), judge.max())) + 1
    coded = np.where(judge < 0, k, judge)
    is_tie = np.zeros(len(human), bool) if tie is None else (human == tie) | (judge == tie)
    for abstentions, seen in _countings(labelled & (judge < 0), judge):
        counted = labelled & seen
        has_ties = bool((is_tie & counted).any())
        yield Plan(
            name, kappa(np.maximum(human, 0), coded, k + 1, counted), counted, TIES["verdict"] if has_ties else NO_TIES,
            abstentions, how,
        )  # fmt: skip
        if has_ties:
            of = counted & ~is_tie
            yield Plan(name, kappa(np.maximum(human, 0), coded, k + 1, of), of, TIES["left out"], abstentions, how)


def order_plans(given: Array, swapped: Array) -> Iterator[Plan]:
    """Yield what the two orders say of each other; no labels are needed."""
    same = (given == swapped) & (given >= 0)
    is_open = (given < 0) | (swapped < 0)
    ties = TIES["verdict"] if ((given == 2) | (swapped == 2)).any() else NO_TIES
    for abstentions, seen in _countings(is_open, np.where(is_open, -1, 0)):
        said = "not the same" if abstentions == ABSTENTIONS["wrong"] else abstentions
        yield Plan("same verdict in both orders", share(same.astype(float), seen), seen, ties, said)
        yield Plan(
            "Cohen's kappa of the two orders", kappa(given, np.where(is_open, 3, swapped), 4, seen & (given >= 0)), seen & (given >= 0),
            ties, abstentions,
        )  # fmt: skip
    won = (given >= 0) & (given < 2) & (swapped >= 0) & (swapped < 2)
    parted = won & (given != swapped)
    stood_first = (given == 0).astype(float)
    k, n = int(stood_first[parted].sum()), int(parted.sum())
    yield Plan(
        "position bias: the one shown first wins, of the pairs whose winner the order decides", share(stood_first, parted), parted,
        "left out", "left out", "0.5 = no bias; p: exact two-sided binomial test against 0.5", binomial_p(k, n),
    )  # fmt: skip
    rate = ((given == 0).astype(float) + (swapped == 1)) / 2
    yield Plan(
        "the one shown first wins, of the pairs with a winner in both orders", share(rate, won), won, "left out", "left out",
        "0.5 = no bias; each pair is shown both ways",
    )  # fmt: skip


def _countings(opened: Array, judge: Array) -> list[tuple[str, Array]]:
    """Return (how abstentions count, rows that take part)."""
    everything = np.ones(len(judge), bool)
    if not opened.any():
        return [(NO_ABSTENTIONS, everything)]
    return [(ABSTENTIONS["wrong"], everything), (ABSTENTIONS["left out"], judge >= 0)]


def _codes(values: Sequence[str | None]) -> Array:
    return np.array([CODES[v] for v in values], dtype=int)


def _codes_of_own(rows: Sequence[Example]) -> Array:
    """Return which of the two the judge's own model wrote; -1 for neither, both, or not known."""
    own = [[m.casefold() == (r.judge_model or "").casefold() for m in r.models] for r in rows]
    return np.array([o.index(True) if sum(o) == 1 else -1 for o in own], dtype=int)


def _points(codes: Array, place: Array) -> Array:
    return np.select([codes == 2, codes == place], [0.5, 1.0], 0.0)
