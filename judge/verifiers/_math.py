r"""The math verifier: the final answer of a completion against a known one.

The final answer is what stands behind the last marker: GSM8K's ``####``; where a data set has another habit (``A: 18``
at the end of a line of its own, ``The answer is 18``, ``\boxed{18}``), name its markers. Plain numbers are compared
exactly, as decimals; anything else goes through math-verify (symbolic equality).
"""

import logging
import re
import threading
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from .._verdict import Verdict

NAME = "math"
VERSION = 1

LONGEST_EXPRESSION = 300
TIMEOUT_S = 5

logging.getLogger("math_verify").setLevel(logging.ERROR)

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+")
_TRIM = re.compile(r"^[\s$€£:=]+|[\s.%]+$")


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


def _last_match(pattern: str) -> Callable[[str], str | None]:
    compiled = re.compile(pattern, re.IGNORECASE | re.MULTILINE)

    def extract(text: str) -> str | None:
        found = compiled.findall(text)
        return found[-1].strip() if found else None

    return extract


MARKERS: dict[str, Callable[[str], str | None]] = {
    "####": _after_last("####"),
    "boxed": _boxed,
    "A:": _last_match(r"^\s*A(?:nswer)?:\s*(.+?)\s*$"),
    "the answer is": _last_match(r"the (?:final )?answer is:?\s*(.+?)(?:\.?\s*$|\.\s)"),
}
"""Where a final answer may stand, by name."""


def extract_answer(text: str, markers: tuple[str, ...]) -> str | None:
    """Return the final answer of ``text`` behind the first of ``markers`` that it has; None without one."""
    for name in markers:
        if (answer := MARKERS[name](text)) is not None and answer:
            return answer
    return None


def parse_number(text: str) -> Decimal | None:
    """Read a plain number: thousands commas, currency signs, a percent sign and a final stop are let pass.

    Returns:
        None when ``text`` is anything more than one number.
    """
    bare = _TRIM.sub("", text.replace("$", "")).strip()
    if not _NUMBER.fullmatch(bare):
        return None
    try:
        return Decimal(bare.replace(",", ""))
    except InvalidOperation:
        return None


def verify_math(completion: str, answer: str, *, markers: tuple[str, ...] = ("####",)) -> Verdict:
    """Judge ``completion`` against the known final ``answer``.

    Args:
        completion: the model's whole text.
        answer: the gold answer alone, without its marker.
        markers: names from :data:`MARKERS`, tried in order.
    """
    found = extract_answer(completion, markers)
    if found is None:
        return Verdict(False, 0.0, "no answer")
    equal = is_equal(found, answer)
    return Verdict(equal, float(equal), "correct" if equal else "wrong answer", found)


def is_equal(found: str, answer: str) -> bool:
    """Say whether two final answers are the same quantity."""
    left, right = parse_number(found), parse_number(answer)
    if left is not None and right is not None:
        return left == right
    if found.strip() == answer.strip():
        return True
    return _is_equal_symbolically(found, answer)


def _is_equal_symbolically(found: str, answer: str) -> bool:
    """Ask math-verify. Its time-outs are signals, which only the main thread gets; long inputs are refused."""
    from math_verify import parse, verify

    if max(len(found), len(answer)) > LONGEST_EXPRESSION:
        return False
    timeout_s = TIMEOUT_S if threading.current_thread() is threading.main_thread() else None
    gold = parse(f"${answer}$", parsing_timeout=timeout_s)
    target = parse(f"${found}$", parsing_timeout=timeout_s)
    return bool(verify(gold, target, timeout_seconds=timeout_s))
