"""The expected score over the tokens in a score's place.

Source: G-Eval (Liu et al. 2023, arXiv 2303.16634), section 2: the sum over the scores of probability times score. Since an
endpoint names only the likeliest tokens, the probabilities are divided by their sum.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...llm import TokenChances

LEAST_MASS = 0.5
"""Probability that the scores must have together; below it the place is not that of a score."""


@dataclass(frozen=True)
class Expected:
    """An expected score, and the probability of each score as the endpoint gave it."""

    score: float
    chances: Mapping[str, float]


def expect_score(tokens: Sequence[TokenChances], text: str, start: int, scores: Sequence[int]) -> Expected | None:
    """Return the expectation over the tokens that stand where ``text`` has its score, at character ``start``.

    None where there are no tokens, where they do not spell the text, where the scores are unlikely there, or where a score
    begins another (1 and 10) and the tokens do not tell the two apart.
    """
    place = _place_of(tokens, text, start)
    if place is None:
        return None
    labels = {str(s) for s in scores}
    chances: dict[str, float] = {}
    for token, logprob in place:
        if token.strip() in labels:
            chances[token.strip()] = chances.get(token.strip(), 0.0) + math.exp(logprob)
    mass = sum(chances.values())
    if mass < LEAST_MASS or _is_ambiguous(chances, labels):
        return None
    return Expected(sum(int(s) * p for s, p in chances.items()) / mass, chances)


def _place_of(tokens: Sequence[TokenChances], text: str, start: int) -> Sequence[tuple[str, float]] | None:
    """Return what was likely in the place of the token that the character belongs to."""
    spelled = "".join(token for token, _ in tokens)
    shift = spelled.find(text)
    if not tokens or shift < 0:
        return None
    at = 0
    for token, likely in tokens:
        at += len(token)
        if at > start + shift:
            return likely
    return None


def _is_ambiguous(chances: Mapping[str, float], labels: set[str]) -> bool:
    """Say whether a score may be the beginning of another: 1 of 10, unless 10 is seen as a token of its own."""
    return any(
        longer != short and longer.startswith(short) and longer not in chances for short in chances for longer in labels
    )
