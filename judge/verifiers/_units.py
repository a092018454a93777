"""Units of quantities: other names of one unit, and how many of the first of its kind it is."""

import re
from fractions import Fraction
from math import prod
from typing import NamedTuple

from ._tidy import words

SCALES = {
    "hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "quadrillion": 10**15, "dozen": 12,
    "lakh": 10**5, "lac": 10**5, "crore": 10**7, "grand": 10**3, "gross": 144, "score": 20, "mio": 10**6, "mrd": 10**9,
}  # fmt: skip
"""Words behind a number that multiply it; :func:`scale_of` reads their plurals too."""
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

TURNS = frozenset(
    words(
        "not no never neither nor n't without than least most less fewer under over above below between half halves third quarter minus plus"
        " negative times twice double triple squared cubed root power factorial except unless if or versus vs unknown wrong incorrect cannot"
        " can't don't doesn't isn't hundred thousand million billion trillion dozen remainder divided multiplied first second maybe perhaps"
        " one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty ninety zero"
        " false untrue mistaken impossible exceed exceeds exceeded exceeding almost nearly barely hardly unlike doubles doubled triples"
        " tripled quadrupled halved reciprocal inverse modulo mod instead rather unlikely doubt divides squares cubes approaches lack lacks miss misses fail fails failed beyond short too"
    )
)
"""Words after which a number need not be what its sentence says."""
NO_UNITS = (TURNS - {"second"}) | frozenset(
    words(
        "and or half third quarter plus minus times to than over by pi sin cos tan log ln sqrt mod inf infinity choose not no"
        " less fewer squared cubed factorial below above under divided remainder negative root power halves thirds quarters fourths fifths"
        " point zero one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty ninety"
        " sixths sevenths eighths ninths tenths hundredths thousandths is was isn't wasn't has does equals fails seems becomes few many much"
        " base octal binary hex hexadecimal shy unsure guess something fold upwards onwards afterwards kilo tens myriads mille basis milliers centaines dizaines douzaines docenas"
        " decenas cientos millares dezenas centenas"
    )
)
"""Words that make something else of the number before them."""
_NUMERAL = re.compile(
    r"\w*(?:illion|illiard|illón|illones|ilhão|ilhões|ilioni)(?!aire)\w*|\w*(?:third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|teenth"
    r"|tieth|dredth|sandth|lionth)s?|\w+teen|(?:тысяч|миллион|миллиард|сотен|сотн|дюжин|десятк)\w*|.*[万億亿萬千百兆仟佰].*|[만억천백조]|लाख|करोड़|हज़ार|हजार|ألف|آلاف|مليون|مليار|hundert\w*|tausend\w*"
)
"""Numbers of other sizes and languages: a closed class, as nouns are not."""
_BESIDE = frozenset(
    words(
        "left more total each altogether remaining apiece extra overall combined together all daily weekly monthly yearly annually old tall long"
        " wide high deep noon midnight now today only exactly leftover away"
    )
)
"""What may stand behind a number without a noun."""
_PLURALS = re.compile(
    r"\w*(?:people|children|men|fruit|feet|teeth|geese|mice|fish|craft|sheep|deer|dice|oxen|cattle|offspring|salmon|shrimp|squid|data|series|species|means|pennies"
    r"|bacteria|media|criteria|vertices|indices|matrices|cacti|fungi|loaves)"
)
_ALIASES = (
    (re.compile(r"\bmph\b"), "mile/hour"), (re.compile(r"\bk(?:mh|ph|mph)\b"), "km/hour"), (re.compile(r"\bdegrees? (?=[cf])", re.I), "degree_"),
    (re.compile(r"° ?(?=[CFcf]\b)"), "°"), (re.compile(r"(?:^| )per (?!cent\b)"), "/"), (re.compile(r"\bsq(?:uare|\.)? (\w+)"), r"\1^2"),
    (re.compile(r"\b(?:cubic|cu\.?) (\w+)"), r"\1^3"), (re.compile(r"\s*(?:\^\s*\{?([23])\}?)"), r"^\1"), (re.compile("%|per ?cent(?:age)?"), " "),
)  # fmt: skip
_WORD = re.compile(r"([^\W\d_](?:[\w.'’-]*[^\W\d_])?|°[CFcf]?|[$€£¥₹])(?:\^([23]))?")
_SHORT_WORDS = frozenset(["of", "in", "at", "on", "a", "an", "is", "it", "he", "we", "us", "per", "all", "the"])
MONEY = ("dollar", "euro", "pound", "yen", "rupee")


class Unit(NamedTuple):
    """What a quantity is counted in; ``name`` is empty without one, and one of ``name`` is ``size`` of the first of its kind.

    Of money by time or piece ``per`` is the other unit (``$5 per day``), its size in ``per_size``; which may be left unsaid.
    """

    name: str
    size: Fraction
    per: str = ""
    per_size: Fraction = Fraction(1)


NONE = Unit("", Fraction(1))


def scale_of(word: str) -> int | None:
    """Return what a word behind a number multiplies it by; None for other words. "Scores" are points of a test."""
    small = word.lower()
    return SCALES.get(small) or (SCALES.get(small[:-1]) if small.endswith("s") and small != "scores" else None)


def read_unit(text: str, *, attached: bool, any_word: bool = False) -> Unit | None:
    """Return the unit that ``text`` names; None for something that is no unit: a variable, a second statement.

    Known units count, and phrases with a noun in the plural, as behind a number (``12 red apples``); most other words say
    something of the number (``12 doubled``).

    Args:
        text: what stands behind the number.
        attached: without a space: only units that are known are taken there, since ``5xy`` is a product.
        any_word: any word that does not turn the number may be one: of references, and behind 1, a fraction, a currency's sign.
    """
    bare = text.strip().strip(".,;:)").strip()
    for pattern, plain in _ALIASES:
        bare = pattern.sub(plain, bare)
    bare = bare.strip()
    if not bare:
        return NONE
    parts = []
    for i, part in enumerate(bare.split("/")):
        if (one := _read_part(part.strip(), attached, any_word or i > 0) if part or i else NONE) is None:
            return None
        parts.append(one)
    first, *others = parts
    under = "/".join(one.name for one in others)
    size = prod((one.size for one in others), start=Fraction(1))
    if first.name in MONEY:
        return Unit(first.name, first.size, under, size)
    return Unit(f"{first.name}/{under}" if others else first.name, first.size / size)


def _read_part(text: str, attached: bool, any_word: bool) -> Unit | None:
    each = text.replace(",", " ").split()
    found = [_WORD.fullmatch(word) for word in each]
    if not each or not all(m is not None and _may_be_unit(m[1], attached) for m in found):
        return None
    known = [_look_up(m[1]) for m in found if m is not None]
    if len(known) == 1 and known[0] is not None:
        power = int(found[0][2] or 1) if found[0] is not None else 1
        return Unit(known[0][0] + (f"^{power}" if power > 1 else ""), known[0][1] ** power)
    if not (any_word or any(is_counted(word.lower()) for word in each) or {word.lower() for word in each} & _BESIDE):
        return None
    return Unit(" ".join(_singular(word.lower()) for word in each), Fraction(1))


def _look_up(word: str) -> tuple[str, Fraction] | None:
    if len(word) <= 2 and word in UNITS:
        return UNITS[word]
    return UNITS.get(_singular(word.lower())) if len(word) > 1 else None


def _singular(word: str) -> str:
    return word.rstrip("s") if len(word) > 2 and word not in UNITS else word


def is_numeral(word: str) -> bool:
    """Say whether a word is a number of another size or language, a scale or a fraction."""
    return bool(_NUMERAL.fullmatch(word)) or scale_of(word) is not None


def is_counted(word: str) -> bool:
    """Say whether a word is what a number counts: a known unit, a noun in the plural, a word of another script."""
    if not word.isascii() or _PLURALS.fullmatch(word):
        return True
    plural = len(word) > 2 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return plural or (word not in _SHORT_WORDS and _look_up(word) is not None)


def _may_be_unit(word: str, attached: bool) -> bool:
    if _look_up(word) is not None:
        return True
    small = word.lower()
    if attached or small in NO_UNITS or is_numeral(small):
        return False
    return small in _SHORT_WORDS or (len(small) > 2 and (not small.isascii() or any(c in "aeiouy" for c in small)))


def is_same_amount(left: Fraction, left_unit: Unit, right: Fraction, right_unit: Unit) -> bool:
    """Say whether two quantities are the same; a unit that only one names is let pass."""
    if not left_unit.name or not right_unit.name:
        return left == right
    left, right = left * left_unit.size, right * right_unit.size
    if left_unit.per and right_unit.per:
        left, right = left / left_unit.per_size, right / right_unit.per_size
        return (left_unit.name, left_unit.per, left) == (right_unit.name, right_unit.per, right)
    return left_unit.name == right_unit.name and left == right
