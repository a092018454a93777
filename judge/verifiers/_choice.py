"""The ``choice`` verifier: which of several choices a completion names."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .._verdict import Verdict
from ._choice_text import Choices, as_words, find_choice
from ._verifier import CannotJudge, Case, verifier

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_ALONE = re.compile(r"[\s(\[]*([A-Za-z]|\d\d?)[\s)\].:]*")
_LABELLED = re.compile(r"[\s(\[]*([A-Z]|\d\d?)[).:\]]\s+\S")


def read_choices(value: Any, letters: str = LETTERS) -> Choices:
    """Return choices of a list, of a mapping, of ARC's ``{"label": […], "text": […]}``; of None ``letters`` without words.

    Labels that are numbers (1 to 4, in some rows of ARC) are A to D too.

    Raises:
        CannotJudge: the column holds something else.
    """
    if value is None:
        return Choices({}, {letter: letter for letter in letters.upper()})
    if (
        isinstance(value, Mapping)
        and isinstance(value.get("text"), Sequence)
        and isinstance(value.get("label"), Sequence)
    ):
        value = dict(zip(value["label"], value["text"], strict=False))
    if isinstance(value, Mapping) and value and len(value) <= len(LETTERS):
        return _labelled({str(k).strip("() .").upper(): str(v) for k, v in value.items()})
    if isinstance(value, list | tuple) and value and len(value) <= len(LETTERS):
        texts = {LETTERS[i]: re.sub(rf"^\(?{LETTERS[i]}[).:]\s*", "", str(v)) for i, v in enumerate(value)}
        return _labelled(texts)
    raise CannotJudge("bad choices", f"{value!r}, expected a list or a mapping"[:200])


def _labelled(texts: Mapping[str, str]) -> Choices:
    if not all(label.isdecimal() for label in texts):
        return Choices(texts, {label: label for label in texts})
    letters = dict(zip(texts, LETTERS, strict=False))
    return Choices(
        {letters[k]: v for k, v in texts.items()}, {**letters, **{letter: letter for letter in letters.values()}}
    )


def read_reference(expected: Any, choices: Choices) -> str:
    """Return the letter of the right choice: of a label, a number from 0, or a choice's words.

    Raises:
        CannotJudge: it is none of them, or two that differ (``1`` among the choices 0, 1, 2 counts once, among 1, 2, 3 twice).
    """
    readings: set[str] = set()
    if isinstance(expected, int) and not isinstance(expected, bool):
        readings = _label(str(expected), choices) or _index(expected, choices)
    elif isinstance(expected, str):
        text = expected.strip()
        readings = _label(text, choices)  # a row with labels of its own means them
        if not readings:
            readings = _words(text, choices) | (_index(int(text), choices) if text.isdecimal() else set())
    if len(readings) == 1:
        return readings.pop()
    if readings:
        raise CannotJudge("ambiguous reference", f"{expected!r} is {' or '.join(sorted(readings))}"[:200])
    raise CannotJudge("bad reference", f"{expected!r}, expected a letter, a number from 0 or a choice's words"[:200])


def _label(text: str, choices: Choices) -> set[str]:
    alone = _ALONE.fullmatch(text) or _LABELLED.match(text)
    letter = choices.letter(alone[1]) if alone else choices.letter(text)
    return {letter} if letter else set()


def _words(text: str, choices: Choices) -> set[str]:
    said = as_words(text)
    return {letter for letter, words in choices.words.items() if said and as_words(words) == said}


def _index(number: int, choices: Choices) -> set[str]:
    letters = list(choices.words) or sorted(set(choices.labels.values()))
    return {letters[number]} if 0 <= number < len(letters) else set()


def _classify(case: Case, options: Mapping[str, Any]) -> tuple[str | None, str] | None:
    choices = read_choices(case.fields.get("choices"), options["letters"])
    return find_choice(case.completion, choices), read_reference(case.expected, choices)


@verifier("choice", version=3, needs=("expected",), options={"letters": "ABCDEFGHIJ"}, classify=_classify)
def choice(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Compare the choice that a completion names with the right one.

    The row's column ``choices`` (a list, a mapping, or ARC's label and text) lets its words be recognised; ``letters`` are
    those that count without it. The reference is a label, a number from 0, or the choice's words. A completion that names
    several choices, or takes its answer back, has none.
    """
    found, gold = _classify(case, options) or (None, "")
    if found is None:
        return Verdict(False, 0.0, "no answer")
    return Verdict(found == gold, float(found == gold), "correct" if found == gold else "wrong answer", found)
