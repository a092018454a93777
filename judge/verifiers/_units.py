"""Units of quantities: other names of one unit, and how many of the first of its kind it is."""

import re
from fractions import Fraction
from typing import NamedTuple

from ._tidy import words

SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
"""Words behind a number that multiply it."""
SHORT_SCALES = {"k": 10**3, "K": 10**3, "M": 10**6, "mn": 10**6, "B": 10**9, "bn": 10**9, "T": 10**12, "tn": 10**12}
"""The same, written on the number itself: 5k."""

_KINDS: dict[str, dict[str, Fraction | int]] = {
    "dollar": {"$ us$ usd dollar buck": 1, "cent": Fraction(1, 100)},
    "euro": {"€ eur euro": 1},
    "pound": {"£ gbp pound lb": 1, "ounce oz": Fraction(1, 16)},
    "yen": {"¥ jpy cny yen yuan": 1},
    "rupee": {"₹ inr rs rupee": 1},
    "second": {"s sec second": 1, "minute min": 60, "hour hr h": 3600, "day": 86400, "week wk": 604800},
    "year": {"year yr": 12, "month": 1},
    "meter": {"meter metre m": 1, "kilometer kilometre km": 1000, "centimeter centimetre cm": Fraction(1, 100),
              "millimeter millimetre mm": Fraction(1, 1000)},
    "inch": {"inch inche in": 1, "foot feet ft": 12, "yard yd": 36, "mile mi": 63360},
    "gram": {"gram gramme g gm": 1, "kilogram kilo kg": 1000, "milligram mg": Fraction(1, 1000)},
    "liter": {"liter litre l L": 1, "milliliter millilitre ml mL": Fraction(1, 1000)},
    "degree": {"° degree deg": 1},
    "celsius": {"°c degree_celsius celsiu C": 1}, "fahrenheit": {"°f degree_fahrenheit fahrenheit F": 1},
    "kelvin": {"kelvin": 1}, "newton": {"newton N": 1}, "joule": {"joule J": 1}, "watt": {"watt W": 1, "kilowatt kw kW": 1000},
    "volt": {"volt V": 1}, "ampere": {"ampere amp A": 1}, "hertz": {"hertz hz Hz": 1}, "am": {"am a.m": 1}, "pm": {"pm p.m": 1},
}  # fmt: skip
UNITS = {
    name: (kind, Fraction(n)) for kind, names in _KINDS.items() for many, n in names.items() for name in many.split()
}
"""Name to (kind, size in the first of the kind); single letters count in the case in which they stand here."""
CURRENCIES = ("US$", "USD", "$", "EUR", "€", "£", "¥", "₹", "Rs.", "Rs")

_NO_UNITS = frozenset(
    words(
        "and or half third quarter plus minus times to than over by pi sin cos tan log ln sqrt mod inf infinity choose not no"
        " less fewer squared cubed factorial below above under divided remainder negative root power halves thirds quarters fourths fifths"
        " point zero one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty ninety"
        " sixths sevenths eighths ninths tenths hundredths thousandths"
    )
)
"""Words that make something else of the number before them."""
_ALIASES = (
    (re.compile(r"\bmph\b"), "mile/hour"), (re.compile(r"\bk(?:mh|ph|mph)\b"), "km/hour"), (re.compile(r"\bdegrees? (?=[cf])", re.I), "degree_"),
    (re.compile(r"° ?(?=[CFcf]\b)"), "°"), (re.compile(r"(?:^| )per (?!cent\b)"), "/"), (re.compile(r"\bsq(?:uare|\.)? (\w+)"), r"\1^2"),
    (re.compile(r"\b(?:cubic|cu\.?) (\w+)"), r"\1^3"), (re.compile(r"\s*(?:\^\s*\{?([23])\}?)"), r"^\1"), (re.compile("%|per ?cent(?:age)?"), " "),
)  # fmt: skip
_WORD = re.compile(r"([^\W\d_](?:[\w.'’-]*[^\W\d_])?|°[CFcf]?|[$€£¥₹])(?:\^([23]))?")
_SHORT_WORDS = frozenset(["of", "in", "at", "on", "a", "an", "is", "it", "he", "we", "us", "per", "all", "the"])


class Unit(NamedTuple):
    """What a quantity is counted in; ``name`` is empty without one, and one of ``name`` is ``size`` of the first of its kind."""

    name: str
    size: Fraction


NONE = Unit("", Fraction(1))


def read_unit(text: str, *, attached: bool) -> Unit | None:
    """Return the unit that ``text`` names; None for something that is no unit: a variable, a second statement.

    Args:
        text: what stands behind the number.
        attached: without a space: only units that are known are taken there, since ``5xy`` is a product.
    """
    bare = text.strip().strip(".,;:)").strip()
    for pattern, plain in _ALIASES:
        bare = pattern.sub(plain, bare)
    bare = bare.strip()
    if not bare:
        return NONE
    name, size = "", Fraction(1)
    for i, part in enumerate(bare.split("/")):
        if (one := _read_part(part.strip(), attached) if part or i else NONE) is None:
            return None
        name += ("/" if i else "") + one.name
        size = size / one.size if i else one.size
    return Unit(name, size)


def _read_part(text: str, attached: bool) -> Unit | None:
    each = text.replace(",", " ").split()
    found = [_WORD.fullmatch(word) for word in each]
    if not each or not all(m is not None and _may_be_unit(m[1], attached) for m in found):
        return None
    known = [_look_up(m[1]) for m in found if m is not None]
    if len(known) == 1 and known[0] is not None:
        power = int(found[0][2] or 1) if found[0] is not None else 1
        return Unit(known[0][0] + (f"^{power}" if power > 1 else ""), known[0][1] ** power)
    return Unit(" ".join(_singular(word.lower()) for word in each), Fraction(1))


def _look_up(word: str) -> tuple[str, Fraction] | None:
    if len(word) <= 2 and word in UNITS:
        return UNITS[word]
    return UNITS.get(_singular(word.lower())) if len(word) > 1 else None


def _singular(word: str) -> str:
    return word.rstrip("s") if len(word) > 2 and word not in UNITS else word


def _may_be_unit(word: str, attached: bool) -> bool:
    if _look_up(word) is not None:
        return True
    small = word.lower()
    if attached or small in _NO_UNITS:
        return False
    return small in _SHORT_WORDS or (len(small) > 2 and (not small.isascii() or any(c in "aeiouy" for c in small)))


def is_same_amount(left: Fraction, left_unit: Unit, right: Fraction, right_unit: Unit) -> bool:
    """Say whether two quantities are the same; a unit that only one names is let pass."""
    if not left_unit.name or not right_unit.name:
        return left == right
    return left_unit.name == right_unit.name and left * left_unit.size == right * right_unit.size
