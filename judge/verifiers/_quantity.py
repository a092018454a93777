r"""Numbers as people write them: thousands commas, currency, percent, fractions, units, LaTeX.

A percent sign is let pass, like a unit: ``12%`` is 12, and never 0.12. Where both sides name a unit, the units must be
the same word (a plural s aside); where only one does, it is let pass.
"""

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import NamedTuple

LONGEST_NUMBER = 100
"""Digits of the longest number that is read with a unit."""
LONGEST_TEXT = 500
"""Characters of the longest answer that may be a number."""

_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?|-?\.\d+")
_TRIM = re.compile(r"^[\s$€£:=]+|[\s.%]+$")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3}")
_VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8"}
_QUANTITY = re.compile(
    r"(?P<sign>-?)\s*[$€£¥]?\s*(?:(?P<whole>\d{1,99})\s+(?=\d+/))?(?P<top>\d[\d,]*(?:\.\d+)?|\.\d+)"
    r"(?:[eE](?P<power>[+-]?\d{1,2})|\s*/\s*(?P<bottom>\d[\d,]*))?(?P<unit>[^\d]*(?:(?<=[a-zA-Z^])[23])?)"
)
_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{\s*(-?\d+)\s*\}|(\d))\s*(?:\{\s*(\d+)\s*\}|(\d))")
_TEXT = re.compile(r"\\(?:text|mathrm|textbf|mathbf|mbox|operatorname)\s*\{([^{}]*)\}")
_SPACING = re.compile(r"\\[,;:! ]|\\q?quad|~|\\left|\\right|\\displaystyle")
_UNIT = re.compile(r"[a-zµ°ω²³^/*()· .'-]*[23]?")
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
_NO_UNITS = frozenset(
    [
        "and",
        "or",
        "half",
        "third",
        "quarter",
        "plus",
        "minus",
        "times",
        "to",
        "than",
        "over",
        "by",
        "pi",
        "e",
        "i",
        "sin",
        "cos",
        "tan",
        "log",
        "ln",
        "sqrt",
        "mod",
        "inf",
        "infinity",
        "choose",
    ]
)
_LETTER_UNITS = frozenset(["m", "g", "s", "h", "l", "n", "j", "w", "v", "a", "k", "c", "f", "t", "°"])


class Quantity(NamedTuple):
    """A number and its unit in small letters, empty without one."""

    value: Fraction
    unit: str


def parse_number(text: str) -> Decimal | None:
    """Read a plain number: thousands commas, currency signs, a percent sign and a final stop are let pass.

    Returns:
        None when ``text`` is anything more than one number.
    """
    if len(text) > LONGEST_TEXT:
        return None
    bare = _TRIM.sub("", text.replace("$", "")).strip()
    if not _NUMBER.fullmatch(bare):
        return None
    try:
        return Decimal(bare.replace(",", ""))
    except InvalidOperation:
        return None


def is_list(text: str) -> bool:
    """Say whether the commas of ``text`` group no thousands (nor lakhs): ``1,2`` as a reference is two numbers."""
    groups = re.fullmatch(r"[^\d]*(\d[\d,]*)(?:\.\d+)?[^\d,]*", text)
    return bool(groups and "," in groups[1] and not _GROUPED.fullmatch(groups[1]))


def parse_quantity(text: str) -> Quantity | None:
    """Read one number with its unit, LaTeX or not; None when ``text`` is anything more."""
    if len(text) > LONGEST_TEXT:
        return None
    found = _QUANTITY.fullmatch(tidy_answer(text))
    if found is None or len(found["top"]) > LONGEST_NUMBER or len(found["bottom"] or "") > LONGEST_NUMBER:
        return None
    unit = _read_unit(found["unit"])
    bottom = int((found["bottom"] or "1").replace(",", ""))
    if unit is None or bottom == 0:
        return None
    value = Fraction(found["top"].replace(",", "")) / bottom * Fraction(10) ** int(found["power"] or 0)
    value = (value + int(found["whole"] or 0)) * (-1 if found["sign"] else 1)
    return Quantity(value * unit[1], unit[0])


def _read_unit(text: str) -> tuple[str, int] | None:
    """Return unit and scale (5 million km: km, 1000000); None for something that is no unit."""
    bare = text.strip().strip("%.,;:!?)").strip().lower()
    if not _UNIT.fullmatch(bare):
        return None
    words = re.findall(r"[a-zµ°ω]+", bare)
    if bool(bare) != bool(words) or any(w in _NO_UNITS or (len(w) == 1 and w not in _LETTER_UNITS) for w in words):
        return None
    scale = 1
    while words and words[0] in _SCALES:
        scale *= _SCALES[words.pop(0)]
        bare = bare.split(None, 1)[1] if words else ""
    return " ".join(w for w in bare.replace("percent", "").split()), scale


def is_same_unit(left: str, right: str) -> bool:
    """Say whether two units are one, or one of them is not named."""
    return not left or not right or [w.rstrip("s") for w in left.split()] == [w.rstrip("s") for w in right.split()]


def tidy_answer(text: str) -> str:
    r"""Return an answer without what only decorates it: Markdown's stars, ``$`` around LaTeX, ``\text``, spacing, ``!!!``."""
    text = (
        text.replace("−", "-").replace("\\$", "$").replace("\\%", "%").replace("^\\circ", "°").replace("^{\\circ}", "°")
    )
    text = _SPACING.sub(" ", _TEXT.sub(r" \1", text.replace("\\!", "")))
    text = _FRACTION.sub(lambda m: f" {m[1] or m[2]}/{m[3] or m[4]} ", text)
    for sign, plain in _VULGAR.items():
        text = text.replace(sign, f" {plain} ")
    return text.strip().strip("*_`").strip().removeprefix("$").removesuffix("$").strip().rstrip("!. ").strip()
