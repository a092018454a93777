"""Pairwise: which of two completions is better, asked in both orders."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ._judge import Completed, Judgement, Opinion, Prompt, Reply, Row, abstain, hear, make_judgement, unread
from ._parse import is_cut_at, read_winner
from ._row import choose_mark, question_of, text_of

GIVEN, SWAPPED = "given order", "swapped order"
_WINNERS = {GIVEN: {"A": "first", "B": "second"}, SWAPPED: {"A": "second", "B": "first"}}
POINTS = {"first": 1.0, "tie": 0.5, "second": 0.0}
"""What each outcome is worth to the first."""


@dataclass(frozen=True)
class Pairwise:
    """Compares ``first`` and ``second`` of a row.

    Of the verdict, ``score`` is the first's: 1 it wins, 0 it loses, 0.5 a tie; ``passed`` is None for a tie and for an
    abstention, which has no score. ``reason``: ``first better``, ``second better``, ``tie``, ``orders disagree``, or why
    nothing was read.

    Source: MT-Bench (Zheng et al. 2023, arXiv 2306.05685), section 3.4: swap the two, and call a win only what wins twice.

    Attributes:
        name: what recipes call it.
        criteria: what makes an answer better.
        both_orders: ask with the first first, and again with the second first; else only the former.
        need_both: of two orders that disagree, neither wins; else a winner in one order beats a tie in the other.
            Two different winners are a tie either way.
        ties: whether the judge may call a tie.
        compare: of judged samples that hold no ``first`` and ``second``, most comparisons of one prompt's completions.
        draws: completions in each order; the commonest outcome counts, a tie where two are equally common.
        temperature: 0 = greedy.
        max_tokens: most tokens of one reply.
        template: name of the template file.
    """

    name: str
    criteria: str
    both_orders: bool = True
    need_both: bool = True
    ties: bool = True
    compare: int = 1
    draws: int = 1
    temperature: float = 0.0
    max_tokens: int = 1024
    template: str = "judge-pairwise"

    kind = "pairwise"

    @property
    def templates(self) -> tuple[str, ...]:
        """See :class:`Judge`."""
        return (self.template,)

    def passes(self, score: float) -> bool | None:
        """See :class:`Judge`. Of a tie neither wins."""
        return None if score == POINTS["tie"] else score > POINTS["tie"]

    @property
    def orders(self) -> tuple[str, ...]:
        """Names of the orders that are asked."""
        return (GIVEN, SWAPPED) if self.both_orders else (GIVEN,)

    def requests(self, row: Row) -> list[Prompt]:
        """See :class:`Judge`."""
        if _missing(row):
            return []
        question, first, second = question_of(row), text_of(row["first"]), text_of(row["second"])
        shared = {
            "question": question, "criteria": self.criteria, "form": "ties" if self.ties else "win",
            "mark": choose_mark(question, first, second),
        }  # fmt: skip
        shown = {GIVEN: {"a": first, "b": second}, SWAPPED: {"a": second, "b": first}}
        return [
            Prompt(self.template, {**shared, **shown[order]}, order, self.draws, self.temperature, self.max_tokens)
            for order in self.orders
        ]

    def read(self, row: Row, replies: Sequence[Reply]) -> Judgement:
        """See :class:`Judge`. An order of which nothing can be read makes the whole an abstention."""
        if missing := _missing(row):
            return abstain(self.kind, [], f"no {missing}")
        heard = {
            order: hear(reply, partial(_hear, order), order) for order, reply in zip(self.orders, replies, strict=True)
        }
        opinions = [o for order in self.orders for o in heard[order]]
        outcomes = {order: _commonest(heard[order]) for order in self.orders}
        if None in outcomes.values():
            return abstain(self.kind, opinions, orders=outcomes)
        distinct = set(outcomes.values())
        winner = self._settle(distinct)
        reason = (
            "orders disagree"
            if len(distinct) > 1 and winner == "tie"
            else "tie"
            if winner == "tie"
            else f"{winner} better"
        )
        passed = None if winner == "tie" else winner == "first"
        return make_judgement(
            self.kind, opinions, passed, POINTS[winner], reason, disagreement=len(distinct) > 1, winner=winner, orders=outcomes,
        )  # fmt: skip

    def _settle(self, outcomes: set[str | None]) -> str:
        if len(outcomes) == 1:
            return str(outcomes.pop())
        winners = outcomes - {"tie"}
        return "tie" if self.need_both or len(winners) > 1 else str(winners.pop())


def _hear(order: str, completion: Completed) -> Opinion:
    found = read_winner(completion.text)
    if found is None or is_cut_at(completion.text, completion.finish_reason, found.end):
        return unread(completion, order)
    winner = _WINNERS[order].get(found.value, "tie")
    return Opinion(order, winner, "text", None, completion.request_id, completion.draw)


def _commonest(opinions: Sequence[Opinion]) -> str | None:
    """Return the outcome of an order; None where nothing was read, or less than half of the draws."""
    counted = Counter(o.value for o in opinions if o.value is not None)
    if not counted or 2 * counted.total() < len(opinions):
        return None
    ranked = counted.most_common(2)
    return "tie" if len(ranked) > 1 and ranked[0][1] == ranked[1][1] else str(ranked[0][0])


def _missing(row: Row) -> str | None:
    return next((name for name in ("first", "second") if row.get(name) is None), None)
