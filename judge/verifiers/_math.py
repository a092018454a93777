r"""The math verifier: the final answer of a completion against a known one.

The final answer is what stands behind the last marker: GSM8K's ``####``; where a data set has another habit (``A: 18``
at the end of a line of its own, ``The answer is 18``, ``\boxed{18}``), name its markers. Numbers, with units or without,
are compared exactly, see :mod:`._quantity`; anything else goes through math-verify (symbolic equality).

Exclamation marks at the end are no part of an answer (``72!!!``), unless the reference has some: a factorial.
"""

import logging
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from .._verdict import Verdict
from ._quantity import is_list, is_same_unit, parse_number, parse_quantity, tidy_answer
from ._text import as_texts, text_behind
from ._verifier import Case, verifier

NAME = "math"
VERSION = 2

LONGEST_EXPRESSION = 300
TIMEOUT_S = 5

logging.getLogger("math_verify").setLevel(logging.ERROR)

_LAST_NUMBER = re.compile(r"(?:(?<![\w.)])-)?[$€£]?(?:\d[\d,]*(?:\.\d+)?|(?<!\d)\.\d+)(?:/\d+)?%?")
_ANSWER_LINE = re.compile(r"^[^\S\n]*A(?:nswer)?:", re.IGNORECASE | re.MULTILINE)
_ANSWER_IS = re.compile(r"the (?:final |correct )?answer is:?", re.IGNORECASE)
_BOMB = re.compile(r"(?:\^|\*\*)[\s{(]*-?\d+[\s})]*(?:\^|\*\*)|(?:\^|\*\*)[\s{(]*-?\d{4,}|\d{4,}\s*!")
"""Powers of powers and factorials that a computer algebra system would work out for hours."""


def _after_last(mark: str) -> Callable[[str], str | None]:
    def extract(text: str) -> str | None:
        _, found, rest = text.rpartition(mark)
        lines = rest.strip().splitlines()
        return lines[0].strip() if found and lines else None

    return extract


def _boxed(text: str) -> str | None:
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth, begin = 0, start + len("\\boxed")
    for i in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return text[begin + 1 : i].strip()
    return None


def _answer_line(text: str) -> str | None:
    for found in reversed(list(_ANSWER_LINE.finditer(text))):
        lines = text[found.end() :].lstrip().split("\n", 1)
        if said := lines[0].strip():
            return said
    return None


def _last_number(text: str) -> str | None:
    found = None
    for found in _LAST_NUMBER.finditer(text):  # noqa: B007  # the last one is wanted
        pass
    return found[0].rstrip(",") if found else None


MARKERS: dict[str, Callable[[str], str | None]] = {
    "####": _after_last("####"),
    "boxed": _boxed,
    "A:": _answer_line,
    "the answer is": lambda text: text_behind(text, _ANSWER_IS),
}
"""Where a final answer may stand, by name: what a writer marks as the answer."""

GUESSES: dict[str, Callable[[str], str | None]] = {"last number": _last_number, "whole text": lambda text: text.strip()}
"""What may be taken for the answer where nothing marks it."""

_EXTRACTORS = {**MARKERS, **GUESSES}


def extract_answer(text: str, markers: tuple[str, ...]) -> str | None:
    """Return the final answer of ``text`` behind the first of ``markers`` that it has; None without one."""
    for name in markers:
        if (answer := _EXTRACTORS[name](text)) is not None and answer:
            return answer
    return None


def verify_math(completion: str, answer: str, *, markers: tuple[str, ...] = ("####",)) -> Verdict:
    """Judge ``completion`` against the known final ``answer``.

    Args:
        completion: the model's whole text.
        answer: the gold answer alone, without its marker.
        markers: names from :data:`MARKERS` and :data:`GUESSES`, tried in order.
    """
    return _judge(completion, [answer], markers)


def _judge(completion: str, answers: list[str], markers: tuple[str, ...]) -> Verdict:
    found = extract_answer(completion, markers)
    if found is None:
        return Verdict(False, 0.0, "no answer")
    equal = any(is_equal(found, answer) for answer in answers)
    return Verdict(equal, float(equal), "correct" if equal else "wrong answer", found)


@verifier(
    NAME, version=VERSION, needs=("expected",), options={"markers": tuple(MARKERS)},
    choices={"markers": [*_EXTRACTORS, "auto"]},
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


def is_equal(found: str, answer: str) -> bool:
    """Say whether two final answers are the same quantity."""
    left, right = parse_number(found), parse_number(answer)
    if left is not None and right is not None and not is_list(answer):
        return left == right
    if found.strip() == answer.strip():
        return True
    if "!" in answer:
        return _is_equal_symbolically(found, answer)
    found = found.rstrip("! .")
    one, other = (None, None) if is_list(answer) else (parse_quantity(found), parse_quantity(answer))
    if one is not None and other is not None:
        return one.value == other.value and is_same_unit(one.unit, other.unit)
    bare, known = (tidy_answer(text).removesuffix("%").strip() for text in (found, answer))
    if bare and bare == known:
        return True
    return _is_equal_symbolically(*(t.replace("\\%", "").replace("%", "") for t in (found, answer)))


def _is_equal_symbolically(found: str, answer: str) -> bool:
    """Ask math-verify. Its time-outs are signals, which only the main thread gets; inputs that take long are refused."""
    from math_verify import parse, verify

    if max(len(found), len(answer)) > LONGEST_EXPRESSION or _BOMB.search(found) or _BOMB.search(answer):
        return False
    timeout_s = TIMEOUT_S if threading.current_thread() is threading.main_thread() else None
    gold = parse(f"${answer}$", parsing_timeout=timeout_s)
    target = parse(f"${found}$", parsing_timeout=timeout_s)
    return bool(verify(gold, target, timeout_seconds=timeout_s))
