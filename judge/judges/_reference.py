"""Reference-based: does a completion say what the known answer says?"""

from collections.abc import Sequence
from dataclasses import dataclass

from ._judge import Completed, Judgement, Opinion, Prompt, Reply, Row, abstain, hear, make_judgement, unread
from ._parse import read_right
from ._row import choose_mark, find_missing, question_of, reference_of, text_of


@dataclass(frozen=True)
class Reference:
    """Compares a completion with the row's ``reference`` (or ``answer``).

    The score is the share of the read draws that say correct; it passes with more than half, and two halves are an
    abstention (``draws disagree``).

    Attributes:
        name: what recipes call it.
        criteria: what else counts, added to the question; may be empty.
        draws: completions (self-consistency, arXiv 2203.11171; temperature above 0 then).
        temperature: 0 = greedy.
        max_tokens: most tokens of one reply.
        template: name of the template file.
    """

    name: str
    criteria: str = ""
    draws: int = 1
    temperature: float = 0.0
    max_tokens: int = 1024
    template: str = "judge-reference"

    kind = "reference"

    @property
    def templates(self) -> tuple[str, ...]:
        """See :class:`Judge`."""
        return (self.template,)

    def passes(self, score: float) -> bool | None:
        """See :class:`Judge`."""
        return None if score == 0.5 else score > 0.5

    def requests(self, row: Row) -> list[Prompt]:
        """See :class:`Judge`."""
        if find_missing(row, with_reference=True):
            return []
        question, completion, reference = question_of(row), text_of(row["completion"]), reference_of(row)
        values = {
            "question": question, "completion": completion, "reference": reference,
            "criteria": self.criteria and f" {self.criteria}", "mark": choose_mark(question, completion, reference),
        }  # fmt: skip
        return [Prompt(self.template, values, "", self.draws, self.temperature, self.max_tokens)]

    def read(self, row: Row, replies: Sequence[Reply]) -> Judgement:
        """See :class:`Judge`. A verdict needs half of the draws or more to be read."""
        if missing := find_missing(row, with_reference=True):
            return abstain(self.kind, [], f"no {missing}")
        (reply,) = replies
        opinions = hear(reply, _hear)
        said = [o.value == "correct" for o in opinions if o.value is not None]
        if not said or 2 * len(said) < len(opinions):
            return abstain(self.kind, opinions)
        share = sum(said) / len(said)
        if share == 0.5:
            return abstain(self.kind, opinions, "draws disagree", share=share)
        reason = "correct" if share > 0.5 else "incorrect"
        return make_judgement(self.kind, opinions, share > 0.5, share, reason, disagreement=0 < share < 1)


def _hear(completion: Completed) -> Opinion:
    found = read_right(completion.text)
    if found is None:
        return unread(completion)
    return Opinion("", found.value, "text", None, completion.request_id, completion.draw)
