r"""Numbers as people write them: thousands commas, currency, percent, fractions, powers of ten, number words, units.

A percent sign is let pass, like a unit: ``12%`` is 12, and never 0.12. Where both sides name a unit, the units must be
of one kind, and are converted (``50 cents`` is ``$0.50``); where only one does, it is let pass.
"""

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import NamedTuple

from ._tidy import LONGEST_TEXT, plain_fractions, words
from ._units import CURRENCIES, MONEY, NONE, SHORT_SCALES, Unit, is_same_amount, read_unit, scale_of

LONGEST_NUMBER = 100
"""Digits of the longest number that is read with a unit."""

_GROUPED = r"(?:\d{1,3}(?:,\d{3})+|\d{1,2}(?:,\d{2})+,\d{3})"
_DIGITS = rf"(?:{_GROUPED}(?![\d,])|\d+)"
_NUMBER = re.compile(rf"-?{_DIGITS}(?:\.\d+)?|-?\.\d+")
_TRIM = re.compile(r"^[\s$€£:=]+|[\s.%]+$")
_CURRENCY = "|".join(re.escape(sign) for sign in CURRENCIES)
_QUANTITY = re.compile(
    rf"(?P<sign>[-+]?)\s*(?P<currency>{_CURRENCY})?\s*(?P<minus>-?)(?:(?P<whole>\d{{1,99}})\s+(?=\d+\s*/))?"
    rf"(?P<top>{_DIGITS}(?:\.\d+)?|\.\d+)\.?"
    r"(?:[eE](?P<power>[+-]?\d{1,2})(?![\w.])|\s*(?:\\times|\\cdot|[x*])\s*10\s*\^\s*(?:\{\s*(?P<braced>[+-]?\d{1,2})\s*\}|(?P<tens>[+-]?\d{1,2})(?!\d))"
    rf"|\s*/\s*(?P<bottom>{_DIGITS}))?(?P<space>\s*)(?P<unit>[^\d]*(?:\^\s*\{{?[23]\}}?)?)"
)
_HEDGE = re.compile(
    r"(?:(?:therefore|thus|hence|simply|clearly|equal to|approximately|about|around|roughly|exactly|only|just|a total of|\\approx|=|:)\s*)+",
    re.IGNORECASE,
)
_ONES = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
)
_TENS = {w: 10 * n for n, w in enumerate(words("twenty thirty forty fifty sixty seventy eighty ninety"), 2)}
_WORDS = {w: n for n, w in enumerate(_ONES)} | _TENS
_WORD_NUMBER = re.compile(rf"({'|'.join(_TENS)})[- ]({'|'.join(_ONES[1:10])})\b|({'|'.join(sorted(_WORDS, key=len, reverse=True))})\b", re.IGNORECASE)  # fmt: skip


_DENOMINATORS = {w: n for n, w in enumerate(words("half third quarter fifth sixth seventh eighth ninth tenth"), 2)} | {
    "fourth": 4
}
_PARTS = re.compile(rf"^(\d{{1,3}})[- ]({'|'.join(_DENOMINATORS)}|halve)(s?)\b", re.IGNORECASE)
_MINUS = re.compile(r"(?:minus|negative)\s+(?!-)", re.IGNORECASE)
_A_HUNDRED = re.compile(r"^a (?=(?:hundred|thousand|million|billion|dozen)\b)", re.IGNORECASE)


class Quantity(NamedTuple):
    """A number and its unit."""

    value: Fraction
    unit: Unit


def parse_number(text: str) -> Decimal | None:
    """Read a plain number: thousands commas, currency signs, a percent sign and a final stop are let pass.

    Returns:
        None when ``text`` is anything more than one number; commas that group no thousands (nor lakhs) separate several.
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


def parse_quantity(text: str, *, any_word: bool = False) -> Quantity | None:
    """Read one number with its unit from a tidy answer; None when ``text`` is anything more; see :func:`read_unit`."""
    if len(text) > LONGEST_TEXT:
        return None
    found = _QUANTITY.fullmatch(_spell_out(text))
    if found is None or len(found["top"]) > LONGEST_NUMBER or len(found["bottom"] or "") > LONGEST_NUMBER:
        return None
    bottom = int((found["bottom"] or "1").replace(",", ""))
    scaled = _read_scale(found["unit"], attached=not found["space"])
    is_one = scaled[0] == 1 and (bottom > 1 or found["top"] == "1" or found["top"].lstrip("0").startswith("."))
    unit = read_unit(scaled[1], attached=scaled[2], any_word=any_word or is_one or bool(found["currency"]))
    if unit is None or bottom == 0 or (found["currency"] and unit.name):
        unit = _named_twice(found["currency"], unit) if unit is not None and bottom else None
    if unit is None:
        return None
    if found["currency"] and not unit.name:
        unit = _read_currency(found["currency"])
    power = found["power"] or found["braced"] or found["tens"] or 0
    value = Fraction(found["top"].replace(",", "")) / bottom * Fraction(10) ** int(power)
    value = (value + int(found["whole"] or 0)) * (-1 if "-" in (found["sign"], found["minus"]) else 1)
    return Quantity(value * scaled[0], unit)


def _read_currency(sign: str) -> Unit:
    return read_unit(sign.lower().rstrip("."), attached=False) or NONE


def _named_twice(currency: str, unit: Unit) -> Unit | None:
    """Return the unit of ``$5 dollars`` and of ``$5 per day``; None where the words name another currency."""
    money = _read_currency(currency)
    if unit.name.startswith("/"):
        return Unit(money.name, money.size, unit.name[1:], 1 / unit.size)
    if unit.name == money.name and unit.size == money.size:
        return unit
    return None if unit.name in MONEY else money


def _spell_out(text: str) -> str:
    """Return a text with digits and signs for the words at its beginning, and without hedges: ``about minus one third``."""
    text = plain_fractions(text)
    hedge = _HEDGE.match(text)
    text = text[hedge.end() :] if hedge else text
    minus = _MINUS.match(text)
    rest = _with_digits(text[minus.end() :] if minus else text)
    return f"-{rest}" if minus else rest


def _with_digits(text: str) -> str:
    """Put digits for a number word at the beginning: ``twenty-one apples`` is ``21 apples``."""
    text = _A_HUNDRED.sub("1 ", text)
    found = _WORD_NUMBER.match(text)
    if found is None:
        return _PARTS.sub(_as_fraction, text, count=1)
    value = _WORDS[found[1].lower()] + _WORDS[found[2].lower()] if found[1] else _WORDS[found[3].lower()]
    return _PARTS.sub(_as_fraction, f"{value}{text[found.end() :]}", count=1)


def _as_fraction(found: re.Match[str]) -> str:
    """Put 2/3 for "2 thirds" and 1/3 for "1 third"; "20 third" is an ordinal."""
    singular, plural = found[2].lower(), found[3]
    if (found[1] == "1") == bool(plural):
        return found[0]
    return f"{found[1]}/{_DENOMINATORS[singular if singular in _DENOMINATORS else 'half']}"


def _read_scale(text: str, *, attached: bool) -> tuple[int, str, bool]:
    """Return the factor of words such as million, or of ``k``, with the rest of the text and whether it is still attached."""
    head, _, rest = text.strip().partition(" ")
    if attached and head in SHORT_SCALES:
        return SHORT_SCALES[head], rest, False
    scale = 1
    while (factor := scale_of(head)) is not None:
        scale, text, attached = scale * factor, rest.strip().removeprefix("of "), False
        head, _, rest = text.partition(" ")
    return scale, text, attached


def is_same_quantity(left: Quantity, right: Quantity) -> bool:
    """Say whether two quantities are the same; a unit that only one of them names is let pass."""
    return is_same_amount(left.value, left.unit, right.value, right.unit)
