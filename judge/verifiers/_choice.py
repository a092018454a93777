"""The ``choice`` verifier: which of several choices a completion names."""

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._verdict import Verdict
from ._final_answer import MARKERS
from ._text import normalize_text
from ._verifier import CannotJudge, Case, verifier

LONGEST_ANSWER = 300
"""Characters behind "answer is" that are read."""
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_LETTER = re.compile(
    r"[\s*_$]*(?:\\text\{)?(?:[(\[]\s*([A-Za-z])\s*[)\]]|([A-Z])(?=[^\w\s'’]|\s*$|\s+(?:because|since|as|is)\b))"
)
_ALONE = re.compile(r"[\s*_(\[$\"'`]*([A-Za-z])[\s*_)\].:$\"'`]*")
_LABELLED = re.compile(r"[\s*_(\[-]*([A-Z])\s*[).:\]]\**\s+\S")
_BRACKETED = re.compile(r"\(([A-Z])\)")
_ANSWER = re.compile(
    r"(?:\banswer(?: choice)?(?: is|:)|\banswer\s+(?=\(?[A-Z]\b)|\b(?:option|choice)(?: is|:)?\s+(?=[(\[]?[A-Z]\b)):?",
    re.IGNORECASE,
)


def find_choice(text: str, choices: Mapping[str, str], letters: str = LETTERS) -> str | None:
    r"""Return the letter of the choice that ``text`` names; None where it names none, or several.

    Read in this order: the last "answer is (B)" or ``\boxed{B}``; a text that is a letter; one that begins with "B." or
    "B)"; a text, or what follows "answer is", that is one choice's words or holds those of only one; the only "(B)".

    Args:
        text: the completion.
        choices: letter to words; empty where they are not known.
        letters: those that count where the choices are not known.
    """
    known = set(choices) or set(letters)
    ends = [found.end() for found in _ANSWER.finditer(text)]
    boxed = MARKERS["boxed"](text) or ""
    marked = (text[end : end + LONGEST_ANSWER].split("\n", 1)[0] for end in reversed(ends))
    for said in itertools.chain((boxed,), marked):
        if letter := _read_letter(said, known) or _match_words(said, choices):
            return letter
    stripped = text.strip()
    if (alone := _ALONE.fullmatch(stripped)) and alone[1].upper() in known:
        return alone[1].upper()
    bracketed = {letter for letter in _BRACKETED.findall(text) if letter in known}
    if (first := _LABELLED.match(stripped)) and first[1] in known and bracketed <= {first[1]}:
        return first[1]
    return _match_words(text, choices) or (bracketed.pop() if len(bracketed) == 1 else None)


def _read_letter(said: str, known: set[str]) -> str | None:
    alone = _ALONE.fullmatch(said)
    found = alone or _LETTER.match(said)
    if found is None:
        return None
    letter = next(group for group in found.groups() if group).upper()
    return letter if letter in known else None


def _match_words(text: str, choices: Mapping[str, str]) -> str | None:
    """Return the choice whose words ``text`` is; else the only one whose words it holds."""
    said = _words(text)
    words = {letter: _words(choice) for letter, choice in choices.items() if _words(choice)}
    if same := [letter for letter, choice in words.items() if choice == said]:
        return same[0] if len(same) == 1 else None
    held = {letter: choice for letter, choice in words.items() if f" {choice} " in f" {said} "}
    inside = {a for a, short in held.items() for long in held.values() if short != long and f" {short} " in f" {long} "}
    left = held.keys() - inside
    return left.pop() if len(left) == 1 else None


def _words(text: str) -> str:
    return normalize_text(text, case=False, punctuation=False, articles=False, whitespace=False)


def read_choices(value: Any) -> dict[str, str]:
    """Return choices as letter to words: of a list, of a mapping, of ARC's ``{"label": […], "text": […]}``.

    Raises:
        CannotJudge: the column holds something else.
    """
    if value is None:
        return {}
    if (
        isinstance(value, Mapping)
        and isinstance(value.get("text"), Sequence)
        and isinstance(value.get("label"), Sequence)
    ):
        value = dict(zip(value["label"], value["text"], strict=False))
    if isinstance(value, Mapping):
        return {str(k).strip("() .").upper(): str(v) for k, v in value.items()}
    if isinstance(value, list | tuple) and len(value) <= len(LETTERS):
        return {LETTERS[i]: re.sub(rf"^\(?{LETTERS[i]}[).:]\s*", "", str(v)) for i, v in enumerate(value)}
    raise CannotJudge("bad choices", f"{value!r}, expected a list or a mapping"[:200])


def _gold(expected: Any, choices: Mapping[str, str], letters: str) -> str:
    known = set(choices) or set(letters)
    if isinstance(expected, int) and not isinstance(expected, bool):
        if 0 <= expected < len(LETTERS) and LETTERS[expected] in known:
            return LETTERS[expected]
    elif isinstance(expected, str):
        alone = _ALONE.fullmatch(expected.strip())
        if alone and alone[1].upper() in known:
            return alone[1].upper()
        labelled = _LABELLED.match(expected.strip())
        if found := _match_words(expected, choices) or (labelled[1] if labelled else None):
            return found
        if expected.strip().isdigit() and not choices:
            return _gold(int(expected), choices, letters)
    raise CannotJudge("bad reference", f"{expected!r}, expected a letter, a number from 0 or a choice's words"[:200])


def _classify(case: Case, options: Mapping[str, Any]) -> tuple[str | None, str] | None:
    choices = read_choices(case.fields.get("choices"))
    gold = _gold(case.expected, choices, options["letters"])
    return find_choice(case.completion, choices, options["letters"]), gold


@verifier("choice", needs=("expected",), options={"letters": "ABCDEFGHIJ"}, classify=_classify)
def choice(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Compare the choice that a completion names with the right one.

    The row's column ``choices`` (a list, a mapping, or ARC's label and text) lets its words be recognised; ``letters`` are
    those that count without it. The reference is a letter, a number from 0, or the choice's words.
    """
    found, gold = _classify(case, options) or (None, "")
    if found is None:
        return Verdict(False, 0.0, "no answer")
    return Verdict(found == gold, float(found == gold), "correct" if found == gold else "wrong answer", found)
