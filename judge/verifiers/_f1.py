"""The ``f1`` verifier: how many words of the answer are the reference's, as SQuAD counts them."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from .._verdict import Verdict
from ._text import as_texts, find_answer, normalize_text
from ._verifier import Case, verifier


def token_f1(answer: str, reference: str) -> float:
    """Return the F1 of the words of two texts, 0 to 1; texts without words (``the``, ``!!!``) only equal themselves.

    Source: SQuAD's evaluate-v2.0.py (Rajpurkar et al. 2018, arXiv 1806.03822).
    """
    left, right = (_words(text) for text in (answer, reference))
    if not left or not right:
        return float(answer.strip().casefold() == reference.strip().casefold())
    shared = sum((Counter(left) & Counter(right)).values())
    return 2 * shared / (len(left) + len(right))


def _words(text: str) -> list[str]:
    return normalize_text(text, case=False, punctuation=False, articles=False, whitespace=False).split()


@verifier("f1", version=2, needs=("expected",), options={"threshold": 0.5, "after": ""})
def f1(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Score the best F1 over the references; passed from ``threshold`` (0 to 1) on."""
    references = as_texts(case.expected)
    found = find_answer(case.completion, options["after"])
    if found is None:
        return Verdict(False, 0.0, "no answer")
    score = max(token_f1(found, reference) for reference in references)
    passed = score >= options["threshold"]
    return Verdict(passed, score, "close enough" if passed else "too far", found)
