r"""Whether two final answers are the same: rules in order, the first that applies decides.

An answer is read whole or not at all. What no rule reads is a wrong answer; a reference that no rule reads is an
abstention, for then nobody knows what was asked.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from ._expression import FUNCTIONS, is_near, is_same_expression
from ._quantity import is_same_quantity, parse_quantity
from ._tidy import plain_fractions, tidy_answer
from ._units import NO_UNITS, TURNS, is_counted, is_numeral

_WORDS = re.compile(r"[^\W\d_]+(?:[ .'’/-]+[^\W\d_]+)*")
_BASE = re.compile(r"([0-9A-Fa-f]+)\s*_\s*(?:\{\s*)?(\d{1,2})\s*\}?")
_TERMS = re.compile(r"\d+(?:\s*([:/])\s*\d+)(?:\s*\1\s*\d+)*(?:\s*[ap]\.?m\.?)?", re.IGNORECASE)
_GREEK = "alpha|beta|gamma|delta|epsilon|theta|lambda|mu|phi|rho|sigma|tau|omega|angle|triangle|overline|vec"
_NAME = re.compile(
    rf"(?:\\(?:{_GREEK})\s*)?\{{?(?:[^\W\d_]|[A-Z]{{2,4}}|[^\W\d_]{{3,}}(?: [^\W\d_]{{2,}}){{0,6}})?\}}?'?"
    r"(?:_\s*\{?\w+\}?)?(?:\^\{?-1\}?)?(?:\s*\([^()]*\))?|\(\s*[a-z](?:\s*,\s*[a-z])+\s*\)"
)
"""What may stand left of ``=``: a letter, a segment, a word, a function of something; ``xy`` and ``2x`` are products."""
_EQUALS = re.compile(r"(?<![<>!=:\\])=(?!=)|\\in(?![a-zA-Z])")
_ONE_NUMBER = re.compile(
    r"(?<![\w.,/^_\\+*(\[{-])-?[$€£¥₹]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\w^*/+(\[{=<>:!-]|[.,]\d| ?/| ?[-+*=<>^] ?)"
)
_VERBS = (
    "is|are|was|were|be|been|has|have|had|get|got|will|can|could|would|should|must|need|make|made|take|took|pay|paid|cost|sell|sold|buy|bought|eat|ate|spend"
    "|spent|earn|save|win|won|lose|lost|leave|left|run|ran|walk|drive|drove|give|gave|find|found|see|saw|read|write|wrote|do|did|cut|grow|grew|keep|kept|hold"
    "|held|send|sent|build|built|drink|drank|use|want|receive|collect|own|weigh|travel|contain|require|put|set|come|came|become|became|go|went|total|equal"
    "|remain|charge|score|finish|sum|loss|profit|gain"
)
_STATES = re.compile(
    rf"(?:^|.*[\s,:])(?:{_VERBS}|[^\W\d_]{{2,}}(?:s|ed))"
    r"(?:\s+(?:him|her|them|us|me|it|you|to|be|of|only|exactly|just|about|approximately|roughly|a|an|another|all|also|still|now|then|in|for|at|by|with|out|equal|total|sum))*\s*",
    re.IGNORECASE | re.DOTALL,
)
"""What stands before a number that a sentence states: a verb, or one with a short object; "almost", "the square of" are none."""
_NO_STATEMENT = re.compile(
    r"(?<!total )(?<!sum )(?<!loss )(?<!profit )(?<!gain )(?<!cost )\bof\s*$|\bin the\b\s*$", re.IGNORECASE
)


def is_equal(found: str, answer: str, *, in_latex: bool = False) -> bool:
    r"""Say whether two final answers are the same quantity.

    Args:
        found: the completion's.
        answer: the reference.
        in_latex: ``found`` stood in ``\boxed{}``, see :func:`~._tidy.tidy_answer`.

    Raises:
        CannotJudge: the reference cannot be read, or the comparison takes too long.
    """
    keeps_mark = "!" in answer
    return _same(tidy_answer(found, in_latex=in_latex or keeps_mark), tidy_answer(answer, in_latex=True))


def _same(found: str, answer: str) -> bool:
    for rule in RULES:
        if (same := rule(found, answer)) is not None:
            return same
    return False


def _same_text(found: str, answer: str) -> bool | None:
    if not found or not answer:
        return found == answer
    joined = (re.sub(r"(?<=\d) (?=[^\W\d_]{1,2}\b)", "", text) for text in (found, answer))  # 300 K is 300K
    return True if found == answer or next(joined) == next(joined) else None


def _same_base(found: str, answer: str) -> bool | None:
    left, right = _BASE.fullmatch(found), _BASE.fullmatch(answer)
    if left is None and right is None:
        return None
    if left is None:  # asked for in that base, and written without its mark
        return found.replace(",", "").lower() == right[1].lower() if right else False
    value = _value_of_base(left[1], int(left[2]))
    if right is None:
        known = parse_quantity(answer)
        return value is not None and known is not None and known.value == value
    return left[2] == right[2] and value is not None and value == _value_of_base(right[1], int(right[2]))


def _value_of_base(digits: str, base: int) -> int | None:
    try:
        return int(digits, base) if base > 1 else None
    except ValueError:
        return None


def _same_quantity(found: str, answer: str) -> bool | None:
    right = parse_quantity(answer, any_word=True)
    if right is None:
        return None
    left = parse_quantity(found, any_word=bool(right.unit.name))
    if left is None and re.fullmatch(r"-?\d+,\d+", found) and "," not in answer:  # 3,14 is how many write 3.14
        left = parse_quantity(found.replace(",", ".")) if "." in answer else None
    return None if left is None else is_same_quantity(left, right)


def _same_terms(found: str, answer: str) -> bool | None:
    """Ratios, times and dates: term by term, since ``6:2`` is no 3 and ``6:20`` no ``3:10``; ``2:3`` is the fraction 2/3."""
    found, answer = plain_fractions(found), plain_fractions(answer)
    marks = [(m := _TERMS.fullmatch(text)) and (m[1], text.count(m[1])) for text in (found, answer)]
    if not any(m and (m[0] == ":" or m[1] > 1) for m in marks):
        return None
    left, right = ([int(n) for n in re.findall(r"\d+", text)] for text in (found, answer))
    ends = [re.sub(r"[\d\s:/.]", "", text).lower() for text in (found, answer)]
    return all(marks) and left == right and ends[0] == ends[1]


def _same_words(found: str, answer: str) -> bool | None:
    """A name or a word: letter by letter, since algebra would take ``tea`` and ``eat`` for one product."""
    choice = re.fullmatch(r"\(?([A-Za-z])\)|([A-Z])", answer)
    if choice and (choice[1] or re.match(r"\(?[A-Z]\)|[A-Z][.:] ", found)):
        return re.split(r"[).:]", found.lstrip("( "), maxsplit=1)[0] == (choice[1] or choice[2])
    if not (_is_words(found) or _is_words(answer)):
        return None
    left, right = (" ".join(re.findall(r"[^\W_]+", text.casefold())) for text in (found, answer))
    return left == right if _is_words(answer) or not _has_number(found) else None


def _is_words(text: str) -> bool:
    if not _WORDS.fullmatch(text):
        return False
    each = re.findall(r"[^\W\d_]+", text.lower())
    return not any(w in FUNCTIONS for w in each) and any(
        len(w) > 2 or not w.isascii() or (len(w) == 2 and any(c in "eiou" for c in w)) for w in each
    )


def _has_number(text: str) -> bool:
    return any(c.isdigit() for c in text)


def _same_equation(found: str, answer: str) -> bool | None:
    r"""``x = 3``, ``1 + 2 = 3``, ``√10 ≈ 3.16``: the right side counts, where the left one is a name or as much."""
    if r"\approx" in found and r"\approx" not in answer:
        return _same_approximation(found, answer)
    left, right = _EQUALS.split(found), _EQUALS.split(answer)
    if len(right) > 2 or (len(right) == 2 and not _is_name(right[0].strip())):
        return None
    if len(right) == 2:
        if len(left) > 1 and not _is_same_name(left[0], right[0]):
            return False if _is_name(left[0].strip()) else None
        return _same(found, right[1].strip()) if len(left) == 1 else _same_equation(found, right[1].strip())
    if len(left) == 1 or len(_split(found).items) > 1:
        return None
    *before, last = (side.strip() for side in left)
    return _same(last, answer) and all(_is_name(side) or _is_prose(side) or _same(side, answer) for side in before)


def _is_same_name(left: str, right: str) -> bool:
    return re.sub(r"\s", "", left) == re.sub(r"\s", "", right)


def _is_name(text: str) -> bool:
    return bool(text and _NAME.fullmatch(text)) and not _turns(text)


def _is_prose(text: str) -> bool:
    """Say whether there are words beside what may be a formula: ``48/2 clips``."""
    return bool(re.search(r"(?<!\\)[^\W\d_]{4,}", text)) and not _turns(text)


def _turns(text: str) -> bool:
    each = set(re.findall(r"[^\W\d_]+", text.lower()))
    return bool(each & (TURNS | set(FUNCTIONS)))


def _turns_word(word: str) -> bool:
    return word in TURNS or (is_numeral(word) and word not in ("score", "grand", "gross"))


def _same_approximation(found: str, answer: str) -> bool:
    exact, *others = (side.strip() for side in found.split(r"\approx"))
    if len(others) != 1 or not others[0]:
        return False
    if not exact or _is_name(exact):
        return _same(others[0], answer)
    exact = _EQUALS.split(exact)[-1].strip()
    return (_same(exact, answer) or _same(others[0], answer)) and is_near(exact, others[0])


def _same_number_of_sentence(found: str, answer: str) -> bool | None:
    """``She sold 72 clips in April and May``: the only number of a sentence without a word that turns it."""
    right = parse_quantity(answer, any_word=True)
    each = re.findall(r"[^\W\d_]+(?:['’]t)?", found.lower().replace("’", "'"))
    if (
        right is None
        or re.search(r"[\\<>=^_*+/|]", found)
        or sum(len(w) > 2 for w in each) < 2
        or any(map(_turns_word, each))
    ):
        return None
    numbers = list(_ONE_NUMBER.finditer(found))
    if len(numbers) != 1 or len(re.findall(r"\d[\d.,]*", found)) != 1:
        return None
    before = found[: numbers[0].start()]
    if not _is_stated(before, found[numbers[0].start() :]):
        return None
    left = parse_quantity(numbers[0][0])
    behind = parse_quantity(found[numbers[0].start() :].split(" ", 1)[0])
    if left is None or behind is None:  # 5k: the number alone is not what is said
        return None
    unit = parse_quantity(" ".join(found[numbers[0].start() :].split(" ")[:2]))
    return is_same_quantity(unit or left, right)


def _is_stated(before: str, behind: str) -> bool:
    """Say whether a sentence states its number: behind a verb, or, where it begins with it, before what it counts (``4 pans to bake``)."""
    if before.strip():
        return bool(_STATES.fullmatch(before)) and not _NO_STATEMENT.search(before)
    number, *nouns = behind.lower().split()[:3]
    return number[0] in "$€£¥₹" or (any(map(is_counted, nouns)) and nouns[0] not in NO_UNITS)


class _List(NamedTuple):
    kind: str
    """The brackets around it; empty without any; ``U`` for a union."""
    items: list[str]


def _same_list(found: str, answer: str) -> bool | None:
    """Lists, sets, pairs and intervals, item by item; in their order where brackets say that it counts."""
    left, right = _split(found), _split(answer)
    if len(left.items) < 2 and len(right.items) < 2 and not ({left.kind, right.kind} & {"{", "U"}):
        return None
    if len(left.items) != len(right.items) or not _may_be_compared(left.kind, right.kind):
        return False
    if {left.kind, right.kind} <= {"", "{", "U"}:
        return _same_in_any_order(left.items, right.items)
    return all(_same(a, b) for a, b in zip(left.items, right.items, strict=True))


def _may_be_compared(left: str, right: str) -> bool:
    """``1, 2`` may stand for a set or a pair; ``(1, 2)``, ``[1, 2)`` and ``{1, 2}`` for nothing else."""
    return left == right or "" in (left, right)


def _same_in_any_order(left: list[str], right: list[str]) -> bool:
    rest = list(left)
    for item in right:
        if (same := next((one for one in rest if _same(one, item)), None)) is None:
            return False
        rest.remove(same)
    return True


def _split(text: str) -> _List:
    text = (
        text.strip().replace(r"\{", "{").replace(r"\}", "}")
        if re.fullmatch(r"\s*\\\{.*\\\}\s*", text)
        else text.strip()
    )
    if r"\cup" in text:
        return _List("U", [part.strip() for part in text.split(r"\cup")])
    kind = ""
    if len(text) > 1 and text[0] in "([{" and text[-1] in ")]}" and _closes_at(text) == len(text) - 1:
        kind = "{" if text[0] == "{" else text[0] + text[-1]
        inner = _items(text[1:-1])
        return _List(kind, inner) if len(inner) > 1 or kind == "{" else _List("", [text])
    return _List("", _items(re.sub(r"^(?:either|both) ", "", text)))


def _closes_at(text: str) -> int:
    depth = 0
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        if depth == 0:
            return i
    return -1


def _items(text: str) -> list[str]:
    """Split at commas, semicolons, "and" and "or" outside brackets; thousands commas aside; ``±`` is two."""
    items, depth, begun = [], 0, 0
    for found in re.finditer(r"[(\[{]|[)\]}]|,(?!\d{3}(?!\d))|(?<!\d),|[;]|\b(?:and|or)\b", text):
        if found[0] in ")]}":
            depth -= 1
        elif found[0] in "([{":
            depth += 1
        elif depth == 0:
            items.append(text[begun : found.start()])
            begun = found.end()
    parts = [part.strip() for part in (*items, text[begun:]) if part.strip()]
    if len(parts) == 1 and parts[0].count(r"\pm") == 1:
        return [parts[0].replace(r"\pm", sign) for sign in "+-"]
    return parts


Rule = Callable[[str, str], bool | None]
RULES: tuple[Rule, ...] = (
    _same_text,
    _same_base,
    _same_quantity,
    _same_terms,
    _same_words,
    _same_number_of_sentence,
    _same_equation,
    _same_list,
    is_same_expression,
)
"""In order; each says yes, no, or None where it does not apply. Each is described in docs/verifiers.md."""
