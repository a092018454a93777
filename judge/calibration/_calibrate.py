"""How far a judge can be trusted: its verdicts against people's labels."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ._examples import MOST_SHOWN, Example, Examples
from ._figure import NO_TIE, TIES, Figure, Plan, measure
from ._pairs import PairSheet
from ._single import label_plans, score_plans
from ._statistics import share

RESAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Calibration:
    """What a calibration found.

    Attributes:
        judge: what was calibrated, for people.
        kind: ``pairwise``, ``binary``, ``score`` or ``label``.
        n: rows.
        n_orders: 1, or 2 where each pair was judged in both orders.
        verdicts: how often the judge said what, each order counted; ``abstained`` among them.
        labels: how often people said what.
        left_out: rows that take part in no comparison with people, by reason.
        abstentions: (line, text) of the first :data:`MOST_SHOWN`.
        figures: all, under each counting that makes a difference.
        table: counts by (label, verdict), as in the figures on accuracy; empty for scores.
        resamples: bootstrap resamples.
        seed: of these.
        level: of the intervals.
    """

    judge: str
    kind: str
    n: int
    n_orders: int
    verdicts: Mapping[str, int]
    labels: Mapping[str, int]
    left_out: Mapping[str, int]
    abstentions: tuple[tuple[int, str], ...]
    figures: tuple[Figure, ...]
    table: Mapping[tuple[str, str], int]
    resamples: int
    seed: int
    level: float

    @property
    def n_abstained(self) -> int:
        """Verdicts that could not be read, each order counted."""
        return self.verdicts.get(ABSTAINED, 0)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        found = asdict(self)
        found["table"] = [{"label": a, "verdict": b, "n": n} for (a, b), n in self.table.items()]
        found["abstentions"] = [{"line": line, "text": text} for line, text in self.abstentions]
        return {**found, "n_abstained": self.n_abstained}


ABSTAINED = "abstained"


def calibrate(
    examples: Examples, judge: str = "judge", *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> Calibration:
    """Measure a judge.

    Args:
        examples: from :func:`read_examples`; one row or more.
        judge: its name, for people.
        resamples: of the bootstrap; 0 = no intervals.
        seed: of the bootstrap: equal rows and seed give equal intervals.
        level: of the intervals, 0 to 1.
    """
    rows = examples.rows
    figures = measure(list(_plans(examples)), len(rows), resamples=resamples, seed=seed, level=level)
    verdicts = Counter(ABSTAINED if v is None else _show(v) for e in rows for v in e.judge)
    labels = Counter(_show(e.human) for e in rows if e.human is not None)
    unread = [(e.line, text) for e in rows for text in e.raw][:MOST_SHOWN]
    return Calibration(
        judge, examples.kind, len(rows), examples.n_orders, _sorted(verdicts), _sorted(labels), dict(examples.left_out),
        tuple(unread), figures, {} if examples.kind == "score" else _cross(rows), resamples, seed, level,
    )  # fmt: skip


def _plans(examples: Examples) -> Iterator[Plan]:
    rows = examples.rows
    if examples.kind == "pairwise":
        yield from PairSheet(rows).plans()
    elif examples.kind == "score":
        yield from score_plans(rows)
    else:
        yield from label_plans(rows, is_binary=examples.kind == "binary")
    if any(sum(a is not None for a in r.annotators) > 1 for r in rows):
        yield _annotator_plan(examples)


def _annotator_plan(examples: Examples) -> Plan:
    """Return how far people agree with each other: what can be asked of a judge."""
    shares = []
    for row in examples.rows:
        pairs = list(combinations([a for a in row.annotators if a is not None], 2))
        shares.append(sum(a == b for a, b in pairs) / len(pairs) if pairs else np.nan)
    agreement = np.array(shares)
    counted = ~np.isnan(agreement)
    ties = TIES["verdict"] if examples.kind == "pairwise" else NO_TIE
    how = "mean over rows of the share of pairs of annotators who say the same"
    return Plan("agreement of two people", share(agreement, counted), counted, ties, "no judge takes part", how)


def _cross(rows: tuple[Example, ...]) -> dict[tuple[str, str], int]:
    found = Counter(
        (_show(e.human), ABSTAINED if v is None else _show(v)) for e in rows if e.human is not None for v in e.judge
    )
    return dict(sorted(found.items()))


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
