r"""Equality of expressions: by math-verify in a process of its own, once what it would misread is set aside."""

import re
from functools import lru_cache

from ._quantity import parse_quantity
from ._tidy import words
from ._units import NONE, Unit, read_unit
from ._verifier import CannotJudge
from ._worker import Worker

LONGEST_EXPRESSION = 300
TIMEOUT_S = 5
"""Processor time that a comparison of two expressions may take."""

FUNCTIONS = words(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp sqrt pi infty max min gcd lcm mod binom det"
)
_UNIT_BEHIND = re.compile(r"(.*(?:[\d)}]|\\pi))\s+([^\W\d_][^\d\\{}()+=*-]*(?:\^\s*\{?[23]\}?)?)")
_CURRENCY = re.compile(r"^(?:US)?[$€£¥₹]\s*")
_BOMB = re.compile(r"(?:\^|\*\*)[\s{(]*-?\d+[\s})]*(?:\^|\*\*)|(?:\^|\*\*)[\s{(]*-?\d{5,}|\d{4,}\s*!|!\s*!")
"""Powers of powers and factorials that a computer algebra system would work out for hours."""
_MISREAD: tuple[tuple[re.Pattern[str], str], ...] = (
    (_BOMB, "takes for ever"),
    (re.compile(r"\\approx|\\sim|≅"), "is read up to the sign"),
    (re.compile(r":|//"), "is read as a division"),
    (re.compile(r"\d\s*_"), "a base, or another mark, that is read as nothing"),
    (re.compile(r"\d\s+\d"), "is read as a sum"),
    (re.compile(r"\d/\d+/\d|(?<!\d)\d{4}-\d\d-\d\d(?!\d)"), "may be a date"),
    (re.compile(r"(?<!\d)0x[0-9a-fA-F]"), "is read as a product"),
    (re.compile(r"(?<!\\begin\{)(?<!\\end\{)(?<![\\a-zA-Z])(?![a-z]*matrix)[^\W\d_]{4,}"), "words, read as products of letters"),
    (re.compile(r"['\"`?@#$]"), "is read as nothing"),
    (re.compile(r"(?<![a-z])[pb]?mod(?![a-z])"), "is read as nothing"),
    (re.compile(r"\\(?:text|nobreak|ldots|quad)"), "words"),
)  # fmt: skip
"""What math-verify reads as something else than it says."""

_algebra = Worker("_algebra", TIMEOUT_S)


def is_same_expression(found: str, answer: str) -> bool:
    """Say whether two tidy answers are the same expression; a unit that only one names is let pass.

    Raises:
        CannotJudge: the reference cannot be read, or the comparison takes too long.
    """
    right, known = _split_unit(answer, any_word=True)
    left, unit = _split_unit(found, any_word=bool(known.name))
    if unit.name and known.name and unit != known:
        return False
    return _compare(right, left) == "yes"


def is_near(exact: str, rounded: str) -> bool:
    """Say whether ``rounded`` is about the value of ``exact``."""
    return not (_fault(exact) or _fault(rounded)) and _ask("near", _as_latex(exact), _as_latex(rounded)) == "yes"


def _split_unit(text: str, *, any_word: bool) -> tuple[str, Unit]:
    r"""Return an expression and the unit behind it: ``12\pi cm^2``; only words that stand apart are one."""
    if (known := parse_quantity(text, any_word=any_word)) is not None:
        return str(known.value), known.unit
    text = _CURRENCY.sub("", text)
    found = _UNIT_BEHIND.fullmatch(text)
    unit = read_unit(found[2], attached=False, any_word=any_word) if found else None
    return (text, NONE) if found is None or unit is None else (found[1], unit)


def _compare(answer: str, found: str) -> str:
    if fault := _fault(answer):
        raise CannotJudge("unreadable reference", f"{answer!r}: {fault}"[:300])
    if _fault(found):
        return "unread found"
    said = _ask("equal", _as_latex(answer), _as_latex(found))
    if said == "unread answer":
        raise CannotJudge("unreadable reference", answer[:300])
    return said


def _fault(text: str) -> str:
    if len(text) > LONGEST_EXPRESSION or not text:
        return "too long, or empty"
    return next((fault for pattern, fault in _MISREAD if pattern.search(_as_latex(text))), "")


def _as_latex(text: str) -> str:
    names = "|".join(FUNCTIONS)
    text = re.sub(rf"(?<![\\a-zA-Z])({names})(?![a-zA-Z])", r"\\\1 ", text)
    text = re.sub(r"\\sqrt\s+(?=[\w(])", r"\\sqrt", re.sub(r"(?<![a-zA-Z\\])(?:infinity|inf)\b", r"\\infty", text))
    text = re.sub(r"\\sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}", re.sub(r"\\sqrt\s*(\d+)", r"\\sqrt{\1}", text))
    return re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text).replace("%", "").replace("°", "")


@lru_cache(maxsize=4096)
def _ask(relation: str, answer: str, found: str) -> str:
    return str(_algebra.ask(relation, answer, found))
