"""Pointwise: a score on a scale, by written criteria."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from ._judge import Completed, Judgement, Opinion, Prompt, Reply, Row, abstain, hear, make_judgement, unread
from ._parse import is_cut_at, read_score
from ._row import choose_mark, find_missing, question_of, reference_of, text_of
from ._tokens import expect_score

ALONE_TOKENS = 16
"""Most tokens of a reply that is asked to be a score alone."""
TOP_LOGPROBS = 20
EPSILON = 1e-9
"""What rounding may take from a score that just passes."""


@dataclass(frozen=True)
class Rubric:
    """Scores a completion from ``low`` to ``high``; the verdict's score is that mapped to 0..1.

    Attributes:
        name: what recipes call it.
        criteria: what makes an answer good.
        low: the worst score, 0 or more.
        high: the best.
        levels: what a score means, by score; may be left out, or be given for some.
        passes_at: lowest score, on the scale, that passes; None = the middle of the scale.
        by_tokens: ask for the score alone and take the expectation over its tokens where the endpoint gives their
            probabilities; else the judge reasons first, and the score that it writes is taken.
        draws: completions; their mean is the score (self-consistency, arXiv 2203.11171; temperature above 0 then).
        temperature: 0 = greedy.
        max_tokens: of a reply that reasons first.
        with_reference: show the row's known answer too.
        template: name of the template file.
    """

    name: str
    criteria: str
    low: int = 1
    high: int = 5
    levels: Mapping[int, str] = field(default_factory=dict)
    passes_at: float | None = None
    by_tokens: bool = True
    draws: int = 1
    temperature: float = 0.0
    max_tokens: int = 1024
    with_reference: bool = False
    template: str = "judge-rubric"

    kind = "rubric"

    @property
    def templates(self) -> tuple[str, ...]:
        """See :class:`Judge`."""
        return (self.template,)

    def passes(self, score: float) -> bool:
        """See :class:`Judge`."""
        least = (self.low + self.high) / 2 if self.passes_at is None else self.passes_at
        return self.low + score * (self.high - self.low) >= least - EPSILON

    def requests(self, row: Row) -> list[Prompt]:
        """See :class:`Judge`."""
        if find_missing(row, with_reference=self.with_reference):
            return []
        question, completion = question_of(row), text_of(row["completion"])
        reference = reference_of(row) if self.with_reference else ""
        values = {
            "question": question, "completion": completion, "criteria": self.criteria, "low": self.low, "high": self.high,
            "reference": reference, "levels": [f"{n}: {text}" for n, text in sorted(self.levels.items())],
            "form": "alone" if self.by_tokens else "reasoned", "mark": choose_mark(question, completion, reference),
        }  # fmt: skip
        tokens = (ALONE_TOKENS, TOP_LOGPROBS) if self.by_tokens else (self.max_tokens, 0)
        return [Prompt(self.template, values, "", self.draws, self.temperature, *tokens)]

    def read(self, row: Row, replies: Sequence[Reply]) -> Judgement:
        """See :class:`Judge`. A verdict needs half of the draws or more to be read."""
        if missing := find_missing(row, with_reference=self.with_reference):
            return abstain(self.kind, [], f"no {missing}")
        (reply,) = replies
        opinions = hear(reply, self._hear)
        scores = [o.value for o in opinions if o.value is not None]
        if not scores or 2 * len(scores) < len(opinions):
            return abstain(self.kind, opinions)
        mean = fmean(scores)
        score = (mean - self.low) / (self.high - self.low)
        passed = self.passes(score)
        return make_judgement(
            self.kind, opinions, passed, score, "good" if passed else "not good",
            disagreement=max(scores) - min(scores) > 1, rating=mean, scale=[self.low, self.high],
        )  # fmt: skip

    def _hear(self, completion: Completed) -> Opinion:
        found = read_score(completion.text, self.low, self.high)
        if found is None:
            return unread(completion)
        scores = range(self.low, self.high + 1)
        expected = expect_score(completion.tokens, completion.text, found.start, scores)
        where = {"request_id": completion.request_id, "draw": completion.draw}
        if expected is not None:
            return Opinion("", expected.score, "tokens", chances=expected.chances, **where)  # type: ignore[arg-type]
        if is_cut_at(completion.text, completion.finish_reason, found.end):
            return unread(completion, is_cut=True)
        return Opinion("", float(found.value), "text", **where)  # type: ignore[arg-type]
