"""What a judge's words say: scores, winners, yes and no. Only a statement that is clear counts."""

import re
from dataclasses import dataclass

_FILL = r"[\W_]*"
_LINE = re.compile(
    rf"^{_FILL}(?:(?:final|overall|total|my)\s+)?(?:score|rating){_FILL}?(?:is\s+)?{_FILL}?"
    rf"(?P<n>(?<![\d.-])\d+(?:\.\d+)?)(?:\s*(?:/|out of)\s*(?P<of>\d+))?{_FILL}$",
    re.IGNORECASE | re.MULTILINE,
)
_INLINE = re.compile(
    r"\b(?:score|rating)\b[\s:=*_]*(?:is|of)?[\s:*_]*(?P<n>\d+(?:\.\d+)?)(?:\s*(?:/|out of)\s*(?P<of>\d+))?",
    re.IGNORECASE,
)
_BOXED = re.compile(r"\[\[\s*(?P<n>\d+(?:\.\d+)?)\s*(?:/\s*(?P<of>\d+)\s*)?\]\]")
_ALONE = re.compile(rf"\A{_FILL}(?P<n>(?<![\d.-])\d+(?:\.\d+)?)(?:\s*(?:/|out of)\s*(?P<of>\d+))?{_FILL}\Z")
_WINNER = re.compile(
    rf"^{_FILL}(?:winner|verdict|better)\b{_FILL}(?:is{_FILL})?(?:(?:answer|response|output|assistant){_FILL})?"
    rf"(?P<w>a|b|tie|neither|draw){_FILL}$",
    re.IGNORECASE | re.MULTILINE,
)
_BRACKETS = re.compile(r"\[\[\s*(?P<w>A|B|C|tie)\s*\]\]", re.IGNORECASE)
_SAID = {"a": "A", "b": "B", "c": "tie", "tie": "tie", "neither": "tie", "draw": "tie"}
_RIGHT = re.compile(
    rf"^{_FILL}verdict{_FILL}(?:is{_FILL})?(?P<w>correct|incorrect){_FILL}$", re.IGNORECASE | re.MULTILINE
)
_CHECK = re.compile(r"^\W*(?P<n>\d{1,3})\W+(?P<w>yes|no)\b", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Read:
    """What was read, as it stands in the text from ``start`` to ``end``."""

    value: str
    start: int
    end: int


def read_score(text: str, low: float, high: float) -> Read | None:
    """Return the number that a reply gives: the last line that says ``Score: n``, else ``[[n]]``, else the only ``score …
    n`` in it, else a reply that is a number alone.

    None where there is none, where several are named and no line of its own decides, where it is outside of ``low`` to
    ``high``, or where it is out of another highest score (8/10 on a scale to 5).
    """
    lines = list(_LINE.finditer(text)) or list(_BOXED.finditer(text))
    if not lines:
        found = list(_INLINE.finditer(text)) or list(_ALONE.finditer(text))
        lines = found if len({m["n"] for m in found}) == 1 else []
    if not lines:
        return None
    match = lines[-1]
    is_on_scale = low <= float(match["n"]) <= high and (match["of"] is None or float(match["of"]) == high)
    return Read(match["n"], match.start("n"), match.end("n")) if is_on_scale else None


def read_winner(text: str) -> Read | None:
    """Return ``A``, ``B`` or ``tie``: the last line that says ``Winner: …``, else the only ``[[A]]``, ``[[B]]`` or
    ``[[C]]``.
    """
    lines = list(_WINNER.finditer(text))
    if not lines:
        found = list(_BRACKETS.finditer(text))
        lines = found if len({m["w"].lower() for m in found}) == 1 else []
    return _read(lines[-1], _SAID[lines[-1]["w"].lower()]) if lines else None


def read_right(text: str) -> Read | None:
    """Return ``correct`` or ``incorrect``: the last line that says ``Verdict: …``."""
    lines = list(_RIGHT.finditer(text))
    return _read(lines[-1], lines[-1]["w"].lower()) if lines else None


def read_checks(text: str, n: int) -> dict[int, bool]:
    """Return yes or no by the number of the point, from 1 to ``n``; a point that is answered both ways is left out."""
    said: dict[int, set[bool]] = {}
    for match in _CHECK.finditer(text):
        said.setdefault(int(match["n"]), set()).add(match["w"].lower() == "yes")
    return {number: words.pop() for number, words in said.items() if 1 <= number <= n and len(words) == 1}


def is_cut_at(text: str, finish_reason: str, end: int) -> bool:
    """Say whether a reply may have been cut off in the middle of what was read: nothing stands behind it."""
    return finish_reason == "length" and not text[end:].strip()


def _read(match: re.Match[str], value: str) -> Read:
    return Read(value, match.start("w"), match.end("w"))
