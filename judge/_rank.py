"""Which two of a prompt's completions make a pair, those that teach most first, and why some make none.

Memory: completions of one prompt at a time.
"""

import itertools
import random
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rapidfuzz.distance import Indel

from ..config import VERDICT_KINDS, PairKind
from ._decontaminate import split_words
from .curate import find_opposed, short_key

BOTH_WAYS = "judged both ways"
EMPTY = "empty chosen"


@dataclass(frozen=True)
class Judged:
    """A judged completion.

    Attributes:
        passed: a person's word where there is one; else the judge's.
        key: of its prompt: the problem's id, or a hash of the prompt.
        person: who accepted or rejected it on the page; None where nobody did.
        iteration: that made it.
        objection: why a judge that has to pass what is chosen did not, and what it said; None where all passed it, or a person did.
    """

    sample_id: str
    problem_id: str | None
    completion: str
    passed: bool | None
    reason: str
    score: float | None = None
    verdict_id: str | None = None
    judge: str | None = None
    key: str = ""
    prompt_id: str = ""
    person: str | None = None
    iteration: int = 0
    objection: tuple[str, str] | None = None

    @property
    def may_win(self) -> bool:
        """Whether it may be chosen: no person rejected it."""
        return self.person is None or self.passed is not False

    @property
    def may_lose(self) -> bool:
        """Whether it may be rejected: no person accepted it."""
        return self.person is None or self.passed is not True


@dataclass(frozen=True)
class Compared:
    """Two completions of one prompt that a judge compared; ``passed`` None: neither won.

    Their scores are those of the comparison: 1 and 0 where one wins, 0.5 each in a tie.
    """

    first: Judged
    second: Judged
    passed: bool | None


def spread_word(judged: Sequence[Judged]) -> list[Judged]:
    """Let a person's word on a text of a prompt count for the same text drawn again: the last one, if there are several."""
    said = {j.completion: j for j in judged if j.person is not None}
    return [
        replace(j, passed=w.passed, reason=w.reason, person=w.person, verdict_id=w.verdict_id)
        if j.person is None and (w := said.get(j.completion))
        else j
        for j in judged
    ]


def rank_pairs(judged: Sequence[Judged], kind: PairKind, rng: random.Random) -> Iterable[tuple[Judged, Judged]]:
    """Return the pairs that one prompt's completions can make, those that teach most first: what people said before the rest."""
    if kind.kind != "higher/lower":
        return pair_up(judged, rng)
    people = pair_up([j for j in judged if j.person is not None], rng)
    return itertools.chain(people, rank_by_score(judged, kind.margin))


def pair_up(judged: Sequence[Judged], rng: random.Random) -> Iterator[tuple[Judged, Judged]]:
    """Yield (passed, failed) pairs, no text used twice on its side until all are; a text that is judged both ways is in none.

    Those that a person decided on come first. Of the other failed ones, those that reach an answer come first: they teach more
    than ones that stop half-way. Passed ones that something else speaks against come last, each once.
    """
    both = _judged_both_ways(judged)
    right = _distinct([j for j in judged if j.passed and j.completion not in both], rng)
    wrong = _distinct([j for j in judged if j.passed is False and j.completion not in both], rng)
    right.sort(key=lambda j: j.person is None)
    wrong.sort(key=lambda j: (j.person is None, j.reason != "wrong answer"))
    fit, unfit = _part(right)
    n = max(len(fit), len(wrong)) if fit and wrong else 0
    yield from itertools.islice(zip(itertools.cycle(fit), itertools.cycle(wrong), strict=False), n)
    yield from zip(unfit, itertools.cycle(wrong), strict=False)


def _part(judged: Iterable[Judged]) -> tuple[list[Judged], list[Judged]]:
    """Return the completions that may be chosen, and those that something speaks against."""
    parts: tuple[list[Judged], list[Judged]] = ([], [])
    for one in judged:
        parts[one.objection is not None].append(one)
    return parts


def _judged_both_ways(judged: Sequence[Judged]) -> set[str]:
    return {j.completion for j in judged if j.passed} & {j.completion for j in judged if j.passed is False}


def rank_by_score(judged: Sequence[Judged], margin: float) -> list[tuple[Judged, Judged]]:
    """Return (higher, lower) pairs whose scores differ by ``margin`` or more, the largest difference first, no text twice on
    a side. Of a text with several scores the one that speaks against the pair counts; where they differ by ``margin``
    themselves it is in none. What a person rejected is never chosen, what a person accepted never rejected.
    """
    least = max(margin, 1e-9) - 1e-12
    scored = [(low, high) for low, high in _score_ranges(judged) if margin_of(high, low) < least]
    best = sorted((low for low, _ in scored if low.may_win), key=lambda j: (-(j.score or 0.0), j.sample_id))
    worst = sorted((high for _, high in scored if high.may_lose), key=lambda j: (j.score or 0.0, j.sample_id))
    found: list[tuple[Judged, Judged]] = []
    for some in _part(best):  # the nth best over the nth worst: no two others differ more that are left
        found += itertools.takewhile(lambda p: margin_of(*p) >= least, zip(some, worst, strict=False))
    return found


def _score_ranges(judged: Sequence[Judged]) -> list[tuple[Judged, Judged]]:
    """Return of each text its lowest and its highest scored sample."""
    found: dict[str, tuple[Judged, Judged]] = {}
    for one in sorted((j for j in judged if j.score is not None), key=lambda j: (j.score or 0.0, j.sample_id)):
        low, _ = found.get(one.completion, (one, one))
        found[one.completion] = (low, one)
    return list(found.values())


def rank_compared(rows: Sequence[Compared], margin: float) -> list[tuple[Judged, Judged]]:
    """Return (winner, loser) of the comparisons that a judge decided by ``margin`` or more, the clearest first, each two once;
    of two texts that won over each other none, nor where a person says otherwise.
    """
    won = [(c.first, c.second) if c.passed else (c.second, c.first) for c in rows if c.passed is not None]
    won = [(a, b) for a, b in won if a.may_win and b.may_lose]
    won = [p for p in won if margin_of(*p) >= max(margin, 1e-9) - 1e-12]
    opposed = find_opposed_pairs(("", a.completion, b.completion) for a, b in won)
    won = [p for i, p in enumerate(won) if i not in opposed]
    return sorted(won, key=lambda p: (p[0].objection is not None, -margin_of(*p), p[0].sample_id, p[1].sample_id))


def explain_no_winner(rows: Sequence[Compared], margin: float) -> str:
    """Return why a prompt's comparisons make no pair: what most of them say."""
    reasons = Counter(c.first.reason for c in rows if c.passed is None)
    if reasons:
        return reasons.most_common(1)[0][0]
    is_clear = any(abs(margin_of(c.first, c.second)) >= max(margin, 1e-9) - 1e-12 for c in rows)
    return BOTH_WAYS if is_clear else f"no margin of {margin:g}"


def margin_of(a: Judged, b: Judged) -> float:
    return (a.score or 0.0) - (b.score or 0.0)


def explain_none(judged: Sequence[Judged], kind: PairKind) -> str:
    """Return why a prompt's completions make no pair."""
    good, _ = VERDICT_KINDS[kind.kind]
    if kind.kind == "higher/lower":
        ranges = _score_ranges(judged)
        n = len(ranges)
        if n > 1 and sum(margin_of(high, low) < max(kind.margin, 1e-9) - 1e-12 for low, high in ranges) < 2:
            return BOTH_WAYS
        return f"no margin of {kind.margin:g}" if n > 1 else "one scored completion" if n else "no score"
    said = {j.passed for j in judged}
    if {True, False} <= said:
        return BOTH_WAYS
    return "no verdict" if said == {None} else f"none {good}" if True not in said else f"all {good}"


def find_fault(better: str, worse: str, near: float) -> tuple[str, str] | None:
    """Return why two texts make no pair, and what shows it: the chosen one says nothing, or they are near-identical."""
    if not better.strip():
        return EMPTY, "the chosen one says nothing"
    share = find_alike(better, worse, near)
    return ("near-identical", f"{share:.2f} of the words alike") if share else None


def find_alike(better: str, worse: str, near: float) -> float | None:
    """Return the share of words that two texts have alike in their order if it is ``near`` or more and their numbers are the
    same; None else. Texts whose numbers differ are not alike: often that is what makes one wrong.
    """
    if not near:
        return None
    a, b = split_words(better), split_words(worse)
    if [w for w in a if w[0].isdigit()] != [w for w in b if w[0].isdigit()]:
        return None
    share = Indel.normalized_similarity(a, b) if a or b else float(better.strip() == worse.strip())
    return share if share >= near else None


def find_opposed_pairs(rows: Iterable[tuple[str, str, str]]) -> set[int]:
    """Return the places of (key, chosen, rejected) that another one contradicts: of each all go, as before training."""
    keys = array("Q")
    for row in rows:
        keys.extend(map(short_key, row))
    table = np.frombuffer(keys, np.uint64).reshape(-1, 3)
    return set(find_opposed(table[:, 0], table[:, 1], table[:, 2]).tolist()) if len(table) else set()


def _distinct(judged: Sequence[Judged], rng: random.Random) -> list[Judged]:
    unique = list({j.completion: j for j in sorted(judged, key=lambda j: j.sample_id)}.values())
    rng.shuffle(unique)
    return unique
