"""The ``anls`` verifier: how near the letters of an answer are to the reference's, as reading of documents is scored."""

from collections.abc import Mapping
from typing import Any

from rapidfuzz.distance import Levenshtein

from .._verdict import Verdict
from ._text import as_texts, find_answer
from ._verifier import Case, verifier


def similarity(answer: str, reference: str, threshold: float = 0.5) -> float:
    """Return 1 less the normalised Levenshtein distance of two texts, 0 from a distance of ``threshold`` on.

    Case, and how much space stands between words, do not count; the distance is divided by the length of the longer text.
    The mean over items is ANLS. Source: ST-VQA (Biten et al. 2019, arXiv 1905.13648, equation 1), as in DocVQA (Mathew et al.
    2021, arXiv 2007.00398) and InfographicVQA. The challenge's own script still scores a distance of exactly ``threshold``.
    """
    left, right = (" ".join(text.lower().split()) for text in (answer, reference))
    distance = Levenshtein.normalized_distance(left, right)
    return 1 - distance if distance < threshold else 0.0


@verifier("anls", needs=("expected",), options={"threshold": 0.5, "after": ""})
def anls(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Score the letters by ANLS (average normalised Levenshtein similarity), best over the references; passed above 0: less than ``threshold`` (0.5) of them are other ones.

    ``after`` is a phrase (``the answer is``) behind which the answer stands; "" = the whole completion is the answer.
    """
    references = as_texts(case.expected)
    found = find_answer(case.completion, options["after"])
    if found is None or not found.strip():
        return Verdict(False, 0.0, "no answer")
    score = max(similarity(found, reference, options["threshold"]) for reference in references)
    reason = "correct" if score == 1 else "close enough" if score else "too far"
    return Verdict(score > 0, score, reason, found.strip())
