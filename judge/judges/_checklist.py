"""Checklist: several yes/no questions; the score is the share of yes."""

from collections.abc import Sequence
from dataclasses import dataclass

from ._judge import Completed, Judgement, Opinion, Prompt, Reply, Row, abstain, hear, make_judgement, unread
from ._parse import read_checks
from ._row import choose_mark, find_missing, question_of, reference_of, text_of

EPSILON = 1e-9
"""What rounding may take from a share that just passes."""


@dataclass(frozen=True)
class Checklist:
    """Asks all points in one prompt.

    The score is the share of yes among the points that were answered. A point that was not answered is neither a yes nor a
    no: the verdict passes or fails only where no answer to it could change that, and abstains otherwise (``points
    unanswered``, with the score of the others on record).

    Source: TICK (Cook et al. 2024, arXiv 2410.03608).

    Attributes:
        name: what recipes call it.
        checks: the points, as questions to which yes is good.
        passes_at: least share of yes that passes.
        draws: completions; of each point the commoner answer counts, none where both are as common.
        temperature: 0 = greedy.
        max_tokens: most tokens of one reply.
        with_reference: show the row's known answer too.
        template: name of the template file.
    """

    name: str
    checks: tuple[str, ...]
    passes_at: float = 1.0
    draws: int = 1
    temperature: float = 0.0
    max_tokens: int = 1024
    with_reference: bool = False
    template: str = "judge-checklist"

    kind = "checklist"

    @property
    def templates(self) -> tuple[str, ...]:
        """See :class:`Judge`."""
        return (self.template,)

    def passes(self, score: float) -> bool:
        """See :class:`Judge`."""
        return score >= self.passes_at - EPSILON

    def requests(self, row: Row) -> list[Prompt]:
        """See :class:`Judge`."""
        if find_missing(row, with_reference=self.with_reference):
            return []
        question, completion = question_of(row), text_of(row["completion"])
        reference = reference_of(row) if self.with_reference else ""
        values = {
            "question": question, "completion": completion, "checks": list(self.checks), "reference": reference,
            "mark": choose_mark(question, completion, reference),
        }  # fmt: skip
        return [Prompt(self.template, values, "", self.draws, self.temperature, self.max_tokens)]

    def read(self, row: Row, replies: Sequence[Reply]) -> Judgement:
        """See :class:`Judge`."""
        if missing := find_missing(row, with_reference=self.with_reference):
            return abstain(self.kind, [], f"no {missing}")
        (reply,) = replies
        opinions = hear(reply, self._hear)
        points = [self._point(number, opinions) for number in range(1, len(self.checks) + 1)]
        yes, n_open, n = points.count(True), points.count(None), len(points)
        if n_open == n:
            return abstain(self.kind, opinions, points=points)
        score = yes / (n - n_open)
        if yes / n >= self.passes_at:
            passed, reason = True, "all points" if yes == n else "enough points"
        elif (yes + n_open) / n < self.passes_at:
            passed, reason = False, "points missed"
        else:
            return abstain(self.kind, opinions, "points unanswered", points=points, share=score)
        return make_judgement(self.kind, opinions, passed, score, reason, points=points)

    def _hear(self, completion: Completed) -> Opinion:
        found = read_checks(completion.text, len(self.checks))
        if not found:
            return unread(completion)
        value = {str(number): said for number, said in sorted(found.items())}
        return Opinion("", value, "text", None, completion.request_id, completion.draw)

    def _point(self, number: int, opinions: Sequence[Opinion]) -> bool | None:
        said = [o.value[str(number)] for o in opinions if o.value is not None and str(number) in o.value]
        n_yes = sum(said)
        return None if 2 * n_yes == len(said) else 2 * n_yes > len(said)
