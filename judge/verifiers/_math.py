r"""The math verifier: the final answer of a completion against a known one.

The final answer is what stands behind the last marker, see :mod:`._final_answer`; where a data set has another habit than
GSM8K's ``####``, name its markers. What counts as the same is :mod:`._equal`'s: numbers exactly, anything else
symbolically, and nothing that can be read only in part.

Exclamation marks at the end are no part of an answer (``72!!!``), unless the reference has some, or one stands in a box
(``\boxed{5!}``): a factorial.
"""

from collections.abc import Mapping
from typing import Any

from .._verdict import Verdict
from ._equal import is_equal
from ._final_answer import EXTRACTORS, GUESSES, MARKERS, extract_answer, find_marked
from ._text import as_texts
from ._verifier import CannotJudge, Case, verifier

__all__ = ["GUESSES", "MARKERS", "NAME", "VERSION", "extract_answer", "math", "verify_math"]

NAME = "math"
VERSION = 4


def verify_math(completion: str, answer: str, *, markers: tuple[str, ...] = ("####",)) -> Verdict:
    """Judge ``completion`` against the known final ``answer``.

    Args:
        completion: the model's whole text.
        answer: the gold answer alone, without its marker.
        markers: names from :data:`MARKERS` and :data:`GUESSES`, tried in order.

    Raises:
        CannotJudge: the reference cannot be read, or the comparison takes too long.
    """
    return _judge(completion, [answer], markers)


def _judge(completion: str, answers: list[str], markers: tuple[str, ...]) -> Verdict:
    marker, found = find_marked(completion, markers)
    if found is None:
        return Verdict(False, 0.0, "no answer")
    equal = _is_any(found, answers, marker == "boxed")
    return Verdict(equal, float(equal), "correct" if equal else "wrong answer", found)


def _is_any(found: str, answers: list[str], in_latex: bool) -> bool:
    """Say whether one of several references is met; one that cannot be read counts only where no other is met."""
    unread = None
    for answer in answers:
        try:
            if is_equal(found, answer, in_latex=in_latex):
                return True
        except CannotJudge as reason:
            unread = reason
    if unread is not None:
        raise unread
    return False


@verifier(
    NAME, version=VERSION, needs=("expected",), options={"markers": tuple(MARKERS)},
    choices={"markers": [*EXTRACTORS, "auto"]},
)  # fmt: skip
def math(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Compare the final answers of completion and reference: numbers exactly, anything else symbolically.

    ``markers`` are tried in order; ``auto`` is all that mark an answer, then the last number. Of a reference that is a
    whole solution (``… #### 18``) the final answer counts; a list of references is passed by any.
    """
    chosen = [options["markers"]] if isinstance(options["markers"], str) else options["markers"]
    markers = tuple(m for name in chosen for m in ((*MARKERS, "last number") if name == "auto" else (name,)))
    return _judge(case.completion, [_final(text) for text in as_texts(case.expected)], markers)


def _final(reference: str) -> str:
    return extract_answer(reference, tuple(MARKERS)) or reference
