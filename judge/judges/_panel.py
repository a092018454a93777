"""A panel: several models judge alike, and their verdicts are put together."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, Literal

from .._verdict import Verdict
from ._judge import Judge, Judgement, Opinion, Prompt, Reply, Row, abstain, make_judgement
from ._pairwise import POINTS

_NOT_IN_NAMES = re.compile(r"[^a-z0-9_.-]+")
FEWEST = 0.5
"""Share of the members that must have a verdict, the boundary included; fewer, and the panel abstains."""
TOO_FEW = "too few members"


@dataclass(frozen=True)
class Panel:
    """Lets each model in ``models`` judge as ``judge`` does.

    By ``majority`` the outcome that most members have counts, each with one voice; where two are equally common the panel of
    a pair calls a tie and any other abstains (``no majority``). By ``mean`` the scores are averaged, and the mean passes where such a
    score of one judge would (a rubric's ``passes_at``, a checklist's; a half is a tie of a pair). Members that abstain have no voice.

    Source: PoLL (Verga et al. 2024, arXiv 2404.18796): max voting for choices, average pooling for scores.

    Attributes:
        name: what recipes call it.
        judge: how each member judges.
        models: names of the members.
        vote: ``majority`` or ``mean``.
    """

    name: str
    judge: Judge
    models: tuple[str, ...]
    vote: Literal["majority", "mean"] = "majority"

    kind = "panel"

    @property
    def templates(self) -> tuple[str, ...]:
        """See :class:`Judge`."""
        return self.judge.templates

    def passes(self, score: float) -> bool | None:
        """See :class:`Judge`."""
        return self.judge.passes(score)

    def member(self, model: str) -> Judge:
        """Return the judge that one model is: named ``panel/model``, so that its verdicts are not taken for the panel's."""
        changed: Judge = replace(self.judge, name=f"{self.name}/{_NOT_IN_NAMES.sub('-', model.lower())}")  # type: ignore[type-var]
        return changed

    def requests(self, row: Row) -> list[Prompt]:
        """See :class:`Judge`. Each prompt names its member in ``model``."""
        return [replace(prompt, model=model) for model in self.models for prompt in self.judge.requests(row)]

    def read(self, row: Row, replies: Sequence[Reply]) -> Judgement:
        """See :class:`Judge`."""
        n = len(self.judge.requests(row))
        parts = [replies[i * n : (i + 1) * n] for i in range(len(self.models))]
        found = {m: self.judge.read(row, part) for m, part in zip(self.models, parts, strict=True)}
        opinions = [replace(o, model=m) for m, j in found.items() for o in j.record.opinions]
        return self.combine({m: j.verdict for m, j in found.items()}, opinions)

    def combine(
        self, verdicts: Mapping[str, Verdict], opinions: Sequence[Opinion] = (), more: Mapping[str, Any] | None = None
    ) -> Judgement:
        """Return the panel's verdict from those of its members, as the store has them.

        Args:
            verdicts: by model.
            opinions: what the members said, for the record.
            more: what else the record holds.
        """
        details = dict(more or {})
        details["members"] = {m: v.reason if v.score is None else v.score for m, v in verdicts.items()}
        voices = [v for v in verdicts.values() if v.score is not None]
        is_split = len({_outcome(v) for v in voices}) > 1
        if not voices or len(voices) < FEWEST * len(self.models):
            reason = TOO_FEW if voices else _commonest_reason(verdicts)
            return abstain(self.kind, opinions, reason, disagreement=is_split, **details)
        winner = self._elect(voices)
        if winner is None:
            return abstain(self.kind, opinions, "no majority", disagreement=is_split, **details)
        score, passed, reason = winner
        return make_judgement(self.kind, opinions, passed, score, reason, disagreement=is_split, **details)

    def _elect(self, voices: Sequence[Verdict]) -> tuple[float, bool | None, str] | None:
        mean = fmean(v.score for v in voices if v.score is not None)
        is_pair = self.judge.kind == "pairwise"
        if self.vote == "mean":
            passed = self.judge.passes(mean)
            if is_pair:
                return mean, passed, _name("tie" if passed is None else "first" if passed else "second")
            return None if passed is None else (mean, passed, "passed by mean" if passed else "failed by mean")
        ranked = Counter(_outcome(v) for v in voices).most_common(2)
        is_even = len(ranked) > 1 and ranked[0][1] == ranked[1][1]
        if is_pair:
            winner = "tie" if is_even or ranked[0][0] is None else "first" if ranked[0][0] else "second"
            return POINTS[winner], None if winner == "tie" else winner == "first", _name(winner)
        if is_even or ranked[0][0] is None:
            return None
        return mean, ranked[0][0], "passed by majority" if ranked[0][0] else "failed by majority"


def _name(winner: str) -> str:
    return "tie" if winner == "tie" else f"{winner} better"


def _outcome(verdict: Verdict) -> bool | None:
    return verdict.passed


def _commonest_reason(verdicts: Mapping[str, Verdict]) -> str:
    reasons = Counter(v.reason for v in verdicts.values() if v.score is None)
    return reasons.most_common(1)[0][0] if reasons else "nobody was asked"
