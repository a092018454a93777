"""Final answers: where they stand in a completion, and when two are the same."""

import re
from collections import Counter
from decimal import Decimal, InvalidOperation

from ._text import words_of

_MARKED = re.compile(
    r"(?:^|\n)\s*(?:\*\*)?(?:final answer|answer|a)(?:\*\*)?\s*:\s*(?:\*\*)?\s*(?P<a>[^\n]+)|"
    r"\b(?:the )?(?:final |correct )?answer(?: to the question)? is:?\s*(?P<b>[^\n]+)|####[ \t]*(?P<c>[^\n]+)",
    re.IGNORECASE,
)
_BOXED = "\\boxed{"
_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?(?:\s*/\s*\d+)?|[-−]?\.\d+")
_ARTICLES = frozenset(("a", "an", "the"))
_WORDS_OF_ANSWER = 6
_NEGATIONS = frozenset(("not", "never", "neither", "nor", "without", "isn", "wasn", "aren", "weren"))
_NAMES = {"yes": "true", "correct": "true", "no": "false", "incorrect": "false"}


def final_answer(text: str) -> str | None:
    r"""Return the final answer that a completion names: behind the last ``####``, ``answer is``, ``Answer:`` or in the
    last ``\boxed{}``; None without one.
    """
    marks = [(m.start(), next(g for g in m.groups() if g is not None)) for m in _MARKED.finditer(text)]
    if (boxed := _last_boxed(text)) is not None:
        marks.append(boxed)
    return _tidy(max(marks)[1]) if marks else None


def _last_boxed(text: str) -> tuple[int, str] | None:
    start = text.rfind(_BOXED)
    if start < 0:
        return None
    depth = 0
    for end in range(start + len(_BOXED) - 1, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return start, text[start + len(_BOXED) : end]
    return None


def _tidy(answer: str) -> str:
    return answer.strip().strip("*$` ").removesuffix(".").strip("*$` ")


def same_answer(found: str, known: str, *, overlap: float = 0.6) -> bool:
    """Say whether two answers agree: as numbers, else as words without case, articles and punctuation.

    A known answer in sentences that end with a marked one (``The answer is 12.``) is that one. Any other long known answer
    is free text: there, enough shared words count.

    Args:
        found: the answer that was given.
        known: the answer that is right.
        overlap: the F-measure of shared words from which free text agrees, 0 to 1; 0 = disabled.
    """
    known = final_answer(known) or known
    left, right = read_number(found), read_number(known)
    if right is not None:
        return left == right
    a, b = _bare(found), _bare(known)
    if not b or not a:
        return found.strip() == known.strip() != ""
    if _NEGATIONS & set(a) and not _NEGATIONS & set(b) and b[0] not in _NAMES:
        return False
    if a == b or (
        _NAMES.get(a[0], a[0]) == _NAMES.get(b[0], b[0]) and len(b) == 1 and b[0] in {*_NAMES, "true", "false"}
    ):
        return True
    if len(b) <= _WORDS_OF_ANSWER:
        return len(a) <= len(b) + _WORDS_OF_ANSWER and _holds(a, b)
    return bool(overlap) and _f_measure(a, b) >= overlap


def mentions_answer(text: str, known: str, *, overlap: float = 0.6) -> bool:
    """Say whether an answer in whole sentences holds the known one: its number, its words, or enough of them."""
    found = final_answer(text) or text
    if same_answer(found, known, overlap=overlap):
        return True
    number = read_number(known)
    if number is not None:
        return number in {read_number(n) for n in _NUMBER.findall(text)}
    return _holds(_bare(text), _bare(known))


def read_number(text: str) -> Decimal | None:
    """Return the quantity that a short answer states: ``$1,200``, ``18 eggs``, ``x = 3/4``; None without exactly one."""
    found = _NUMBER.findall(text)
    if len(found) != 1 or len(words_of(_NUMBER.sub(" ", text))) > _WORDS_OF_ANSWER:
        return None
    whole, _, under = re.sub(r"[,\s]", "", found[0]).replace("−", "-").partition("/")
    try:
        return Decimal(whole) / Decimal(under or 1)
    except (InvalidOperation, ZeroDivisionError):
        return None


def _bare(text: str) -> list[str]:
    return [word for word in words_of(text) if word not in _ARTICLES] or words_of(text)


def _holds(words: list[str], part: list[str]) -> bool:
    return any(words[i : i + len(part)] == part for i in range(len(words) - len(part) + 1))


def _f_measure(left: list[str], right: list[str]) -> float:
    common = (Counter(left) & Counter(right)).total()
    return 2 * common / (len(left) + len(right))
