"""Figures of a judge of single completions: labels, pass or fail, scores."""

from collections.abc import Iterator, Sequence

import numpy as np

from ._examples import Example
from ._figure import NO_ABSTENTIONS, NO_TIE, Plan
from ._pairs import accuracy_plans, kappa_plans
from ._statistics import Array, difference, kappa, pearson, share, spearman
from ._values import FAIL, PASS

MOST_LEVELS = 20
"""Distinct scores up to which kappa is taken over them."""


def label_plans(rows: Sequence[Example], *, is_binary: bool) -> Iterator[Plan]:
    """Yield agreement of labels; of pass or fail also how often each is missed."""
    names = [FAIL, PASS] if is_binary else sorted({str(v) for r in rows for v in (r.human, *r.judge) if v is not None})
    code = {name: i for i, name in enumerate(names)} | {None: -1}
    human = np.array([code[r.human] for r in rows], dtype=int)
    judge = np.array([code[r.judge[0]] for r in rows], dtype=int)
    plans = [*accuracy_plans("accuracy", human, judge, tie=None), *kappa_plans("Cohen's kappa", human, judge, tie=None)]
    yield from (_without_ties(p) for p in plans)
    if is_binary:
        yield from _miss_plans(human, judge)
        yield from _length_plans(
            rows, judge.astype(float), human.astype(float), judge >= 0, human >= 0, "point-biserial"
        )


def _miss_plans(human: Array, judge: Array) -> Iterator[Plan]:
    is_open = "left out" if (judge < 0).any() else NO_ABSTENTIONS
    for name, said, meant in (("passed, of what people fail", 1, 0), ("failed, of what people pass", 0, 1)):
        counted = (human == meant) & (judge >= 0)
        yield Plan(name, share((judge == said).astype(float), counted), counted, NO_TIE, is_open)


def score_plans(rows: Sequence[Example]) -> Iterator[Plan]:
    """Yield agreement of scores. An abstention has no score and is left out, but from exact agreement, which has both."""
    nothing = float("nan")
    human = np.array([nothing if r.human is None else r.human for r in rows], dtype=float)
    judge = np.array([nothing if r.judge[0] is None else r.judge[0] for r in rows], dtype=float)
    labelled, seen = ~np.isnan(human), ~np.isnan(judge)
    counted = labelled & seen
    is_open = "left out" if (labelled & ~seen).any() else NO_ABSTENTIONS
    rest = (NO_TIE, is_open)
    yield Plan("Spearman", spearman(human, judge, counted), counted, *rest, "equal scores share their mean rank")
    levels = np.unique(np.concatenate([human[counted], judge[counted]]))
    codes = [np.where(counted, np.searchsorted(levels, np.nan_to_num(v)), -1) for v in (human, judge)]
    ours, theirs = np.where(seen, codes[1], -1), np.where(labelled, np.maximum(codes[0], 0), -1)
    for plan in accuracy_plans("accuracy", theirs, ours, "the same score", tie=None):
        yield _without_ties(plan)
    if 1 < len(levels) <= MOST_LEVELS:
        a, b = (np.maximum(c, 0) for c in codes)
        yield Plan("Cohen's kappa", kappa(a, b, len(levels), counted), counted, *rest)
        if np.array_equal(levels, levels.round()):
            low = int(levels[0])
            a, b = (np.where(counted, np.nan_to_num(v).astype(int) - low, 0) for v in (human, judge))
            weighted = kappa(a, b, int(levels[-1]) - low + 1, counted, weighted=True)
            yield Plan("Cohen's kappa, quadratic weights", weighted, counted, *rest)
    yield Plan("mean score, judge minus people", share(judge - human, counted), counted, *rest, "on the scale itself")
    yield from _length_plans(rows, judge, human, seen, labelled, "Spearman")


def _length_plans(
    rows: Sequence[Example], judge: Array, human: Array, seen: Array, labelled: Array, how: str
) -> Iterator[Plan]:
    if not any(r.lengths for r in rows):
        return
    length = np.array([np.log(r.lengths[0] or 1) if r.lengths else 0.0 for r in rows])
    counted = seen & (labelled if labelled.any() else True) & np.array([bool(r.lengths) for r in rows])
    measure = spearman if how == "Spearman" else pearson
    rest = (NO_TIE, "left out", f"{how}: correlation of ln(length in characters) with the verdict, on the same rows")
    ours = measure(length, judge, counted)
    yield Plan("correlation with length, judge", ours, counted, *rest)
    if labelled.any():
        theirs = measure(length, human, counted)
        yield Plan("correlation with length, people", theirs, counted, *rest)
        yield Plan("length bias: correlation, judge minus people", difference(ours, theirs), counted, *rest)


def _without_ties(plan: Plan) -> Plan:
    return Plan(plan.name, plan.statistic, plan.counted, NO_TIE, plan.abstentions, plan.how)
