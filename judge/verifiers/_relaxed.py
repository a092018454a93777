"""The ``relaxed`` verifier: numbers read off a chart may be a little off, words may not."""

import math
import re
from collections.abc import Mapping
from typing import Any

from .._verdict import Verdict
from ._text import as_texts, find_answer, normalize_text
from ._verifier import Case, verifier

_NUMBER = re.compile(r"([-+−]?)\s*[$€£¥]?\s*([-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(%?)\.?")
_YEAR = re.compile(r"1[89]\d\d|20\d\d")


def read_number(text: str) -> tuple[float, bool] | None:
    """Return the number that a text is, and whether a percent sign stands behind it; None of any other text.

    A currency sign and commas between thousands are no part of it.
    """
    found = _NUMBER.fullmatch(text.strip())
    if found is None or not any(c.isdigit() for c in found[2]):
        return None
    try:
        value = float((found[1] + found[2]).replace(",", "").replace("−", "-"))
    except ValueError:  # two signs
        return None
    return (value, bool(found[3])) if math.isfinite(value) else None


def is_near(answer: str, reference: str, tolerance: float = 0.05, *, exact_years: bool = False) -> bool | None:
    """Say whether a number is at most ``tolerance`` of the reference's away; None where either text is no number.

    A percent sign that only one of them has is a unit (``36%`` for ``36``) or a hundredth (``36%`` for ``0.36``).
    """
    left, right = read_number(answer), read_number(reference)
    if left is None or right is None:
        return None
    if exact_years and _YEAR.fullmatch(reference.strip()):
        return left[0] == right[0]
    (said, in_percent), (wanted, wanted_in_percent) = left, right
    readings = [said]
    if in_percent != wanted_in_percent:
        readings.append(said / 100 if in_percent else said * 100)
    return any(abs(value - wanted) <= tolerance * abs(wanted) + 1e-9 * abs(wanted) for value in readings)


@verifier("relaxed", needs=("expected",), options={"tolerance": 0.05, "exact_years": False, "after": ""})
def relaxed(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Compare as ChartQA's relaxed accuracy: a number may be ``tolerance`` (5 %) of the reference away, other texts are the same.

    With ``exact_years`` a reference from 1800 to 2099 is met exactly: 5 % of a year is a century. Of texts case, spacing and a full stop at the
    end do not count. Of several references any will do; ``after`` as in ``exact``. Source: ChartQA (Masry et al. 2022, arXiv 2203.10244).
    """
    references = as_texts(case.expected)
    found = find_answer(case.completion, options["after"])
    if found is None or not found.strip():
        return Verdict(False, 0.0, "no answer")
    near = [
        near
        for r in references
        if (near := is_near(found, r, options["tolerance"], exact_years=options["exact_years"])) is not None
    ]
    same = _plain(found) in map(_plain, references)
    reason = "correct" if same else "near enough" if any(near) else "too far" if near else "wrong answer"
    return Verdict(same or any(near), float(same or any(near)), reason, found.strip())


def _plain(text: str) -> str:
    normal = normalize_text(text, case=False, punctuation=True, articles=True, whitespace=False)
    return normal.removesuffix(".") if len(normal) > 1 else normal
