"""What a judge's and a person's values mean: one vocabulary for the many that files use."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from ...errors import RecipeError
from ..judges import is_meant, read_right, read_score, read_winner

Kind = Literal["pairwise", "binary", "score", "label"]
KINDS: tuple[Kind, ...] = ("pairwise", "binary", "score", "label")
FIRST, SECOND, TIE = "first", "second", "tie"
PASS, FAIL = "pass", "fail"

_OPTION = r"(?:output|response|answer|assistant|model|option|completion|system|summary)"
_OUTCOMES = {
    FIRST: {"1", "a", "first", "win", "left", "chosen"}, SECOND: {"2", "b", "second", "lose", "loss", "right", "rejected"},
    TIE: {"0", "1.5", "c", "tie", "tied", "draw", "both", "neither", "equal", "same", "tie inconsistent", "tie bothbad"},
}  # fmt: skip
_BINARY = {
    PASS: {"1", "true", "yes", "y", "correct", "right", "good", "pass", "passed", "accept", "accepted", "safe"},
    FAIL: {"0", "false", "no", "n", "incorrect", "wrong", "bad", "fail", "failed", "reject", "rejected", "unsafe"},
}
_BLANKS = {"", "-", "–", "?", "n/a", "na", "nan", "null", "none"}
_BETTER = re.compile(
    rf"\b{_OPTION}?\s*[\[(]*\b(?P<w>[ab12])\b[\])]*['’]?s?\s+(?:is|was)\s+(?!(?:no|not|never|hardly|barely|scarcely|rarely|seldom|nowhere)\b)"
    r"(?:\w+\s+)?(?:better|preferred|superior|best)\b(?!\s+(?:avoided|ignored|left|if|when|only|forgotten))",
    re.IGNORECASE,
)
_ALONE = re.compile(rf"\A\W*{_OPTION}?\s*[\[(]*(?P<w>[ab12]|tie)[\])]*\W*\Z", re.IGNORECASE)


def read_better(text: str) -> str | None:
    """Return ``A``, ``B``, ``1``, ``2`` or ``tie`` of a text that names one option (``Output (a)``), or says of one that it
    is better; the last such statement counts, and none counts where there is no such statement.
    """
    if found := _ALONE.match(text):
        return found["w"]
    if said := [m for m in _BETTER.finditer(text) if is_meant(text, m.start(), m.end())]:
        return said[-1]["w"]
    winner = read_winner(text)
    return winner.value if winner else None


def _read_any_score(text: str) -> str | None:
    found = read_score(text, 0, math.inf)
    return found.value if found else None


def _read_right(text: str) -> str | None:
    found = read_right(text)
    return found.value if found else None


def _read_winner(text: str) -> str | None:
    found = read_winner(text)
    return found.value if found else None


PARSERS: dict[str, Callable[[str], str | None]] = {
    "winner": _read_winner, "score": _read_any_score, "verdict": _read_right, "better": read_better,
}  # fmt: skip
"""Readers of raw judge outputs by name: ``Winner: A`` and ``[[A]]``; ``Score: 4`` and ``[[4]]``; ``Verdict: correct``;
``Output (a)`` and ``Response 2 is better``."""


def make_parser(spec: str) -> Callable[[str], str | None]:
    """Return a reader of raw text: a name of :data:`PARSERS`, or a regular expression whose last match counts, by its
    first group if it has one.

    Raises:
        RecipeError: it is neither.
    """
    if spec in PARSERS:
        return PARSERS[spec]
    try:
        pattern = re.compile(spec)
    except re.error as error:
        raise RecipeError(
            f"--parse {spec}", expected=f"one of {', '.join(PARSERS)}, or a regular expression", received=str(error),
            cure="for example --parse better, or --parse 'Winner: (\\w+)'",
        ) from None  # fmt: skip

    def parse(text: str) -> str | None:
        found = list(pattern.finditer(text))
        return (found[-1][1] if pattern.groups else found[-1][0]) if found else None

    return parse


def canonical(value: Any, kind: Kind, names: Mapping[str, str]) -> Any:
    """Return a value in the words of ``kind``; None where it has no meaning there.

    ``pairwise``: first, second, tie. ``binary``: pass, fail. ``score``: a float. ``label``: text without regard to case; a
    whole number is written as one.

    Args:
        value: as the file has it.
        kind: what is calibrated.
        names: what the user says that a value means, by its text.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    text = _spell(value)
    if text in names:
        text = names[text]
    if kind == "score":
        return _number(text)
    if kind == "label":
        return text.casefold().strip() or None
    plain = re.sub(r"[\W_]+", " ", text.casefold().replace("1.5", "tie")).strip()
    sets = _OUTCOMES if kind == "pairwise" else _BINARY
    if kind == "pairwise":
        plain = re.sub(rf"^{_OPTION} ?", "", plain)
    return next((name for name, words in sets.items() if plain == name or plain in words), None)


def is_blank(value: Any) -> bool:
    """Say whether a cell holds nothing, or one of the words that tables write for nothing."""
    return value is None or value != value or str(value).strip().casefold() in _BLANKS


def _spell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
