"""What a judge's words say: scores, winners, yes and no. Only a statement that is clear counts: what is not is an abstention,
never a no and never a zero.

Read are the forms that judges are asked for and those that they are known to fall into: ``Score: 4``, ``Rating: [[7]]`` (MT-bench),
``[RESULT] 4`` (Prometheus), ``[[A>>B]]`` (Arena-Hard's five verdicts), JSON with or without fences, ``I'd say 4``. A scale that is
restated (``1-5``, ``1 (worst) to 5 (best)``, ``1 = bad``) is no score.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

_FILL = r"[\W_]{0,40}"
_NUMBER = r"(?P<n>(?<![\d.,-])\d+(?:\.\d+)?(?![.,]?\d|\s*[%=]))"
_OF = r"(?:\s*(?:/|out of)\s*(?P<of>\d+))?"
_NAME = r"(?:score|rating|grade)"
_WHICH = r"(?:(?:the|my|final|overall|total)\s+)*"

_GLOSS = r"(?:[ \t]*\([^()\n]{0,80}\))?"
_RANGE = re.compile(
    rf"(?<![\w.-])\d+(?:\.\d+)?{_GLOSS}[ \t]*(?:-|–|—|\.\.+|\bto\b|\bthrough\b)[ \t]*\d+(?:\.\d+)?{_GLOSS}(?![\d.]*\d)"
    r"|\bbetween[ \t]+\d+[ \t]+and[ \t]+\d+",
    re.IGNORECASE,
)

_LINE = re.compile(
    rf"^{_FILL}{_WHICH}{_NAME}(?:[ \t]*\([^()\n]*\))?{_FILL}(?:is\s+)?{_FILL}{_NUMBER}{_OF}{_FILL}$",
    re.IGNORECASE | re.MULTILINE,
)
_RESULT = re.compile(rf"\[RESULT\]\W*?{_NUMBER}{_OF}", re.IGNORECASE)
_BOXED = re.compile(rf"\[\[\s*{_NUMBER}\s*(?:/\s*(?P<of>\d+)\s*)?\]\]")
_JSON_SCORE = re.compile(
    rf"[\"']{_WHICH}(?:\w+_)?{_NAME}[\"']\s*:\s*[\"']?{_NUMBER}{_OF}[\"']?\s*(?=[,}}\n]|\Z)", re.IGNORECASE
)
_INLINE = re.compile(rf"\b{_NAME}\b[\s:=*_]*(?:is|of)?[\s:*_]*{_NUMBER}{_OF}", re.IGNORECASE)
_IT = (
    r"(?:\s+|[*_\"'’:,-]|\b(?:it|this|that|them|the|a|an|of|as|at|s|answer|response|completion|assistant|output|overall|score|rating|grade|"
    r"about|around)\b){1,14}"
)
_SPOKEN = re.compile(
    rf"\bI(?:['’]d| would| will| shall)?\s+(?:say\s+(?:a\s+)?[*_]*|(?:give|rate|assign|award|score){_IT}){_NUMBER}{_OF}"
    r"(?=\s*(?:$|[.!,;)*\]\"'’]|points?\b|stars?\b|because\b|since\b|for\b|as\b))",
    re.IGNORECASE | re.MULTILINE,
)
_FRACTION = re.compile(rf"{_NUMBER}[ \t]*(?:/|out of)[ \t]*(?P<of>\d+)", re.IGNORECASE)
_FRACTION_LINE = re.compile(
    rf"^{_FILL}(?:(?:overall|total|final)\b{_FILL})?{_FRACTION.pattern}{_FILL}$", re.IGNORECASE | re.MULTILINE
)
_ALONE = re.compile(rf"\A\s*{_FILL}{_NUMBER}{_OF}{_FILL}\s*\Z")

_OPTION = rf"(?:(?:answer|response|output|assistant|model|option|candidate|completion){_FILL})?"
_OUTCOME = r"(?P<w>a|b|(?:a\s+)?tie|neither|draw)"
_TAIL = r"(?:\s+(?:because|since|as)\b.*|\s*[;(—–.].*|\s+-\s.*|\s*,(?!\s*(?:a|b|or|and)\b).*)?"
_WINNER = re.compile(
    rf"^{_FILL}(?:(?:so|thus|therefore|hence|overall)\b{_FILL})?{_WHICH}(?:winner|verdict|better)\b{_FILL}(?:is\b{_FILL})?{_OPTION}"
    rf"{_OUTCOME}(?:{_FILL}|{_TAIL})$",
    re.IGNORECASE | re.MULTILINE,
)
_WINNER_INLINE = re.compile(
    rf"\b[Tt]he\s+(?:final\s+|overall\s+)?(?:winner|verdict)\s*(?:is|:){_FILL}(?i:{_OPTION})(?P<w>A|B|(?:a\s+)?tie)(?=\s*(?:[.!;*\])]|$))",
    re.MULTILINE,
)
_JSON_WINNER = re.compile(
    rf"[\"'](?:winner|verdict|better|choice)[\"']\s*:\s*[\"'](?i:{_OPTION}){_OUTCOME}[\"']", re.IGNORECASE
)
_BRACKETS = re.compile(r"\[\[\s*(?P<w>[AB]\s*(?:[<>]{1,2}|=)\s*[AB]|A|B|C|tie)\s*\]\]", re.IGNORECASE)
_BRACKETS_LINE = re.compile(rf"^{_FILL}{_BRACKETS.pattern}{_FILL}$", re.IGNORECASE | re.MULTILINE)
_SAID = {
    "a": "A", "b": "B", "c": "tie", "tie": "tie", "atie": "tie", "neither": "tie", "draw": "tie", "a>b": "A", "a>>b": "A", "b<a": "A",
    "b<<a": "A", "b>a": "B", "b>>a": "B", "a<b": "B", "a<<b": "B", "a=b": "tie", "b=a": "tie",
}  # fmt: skip

_RIGHTNESS = r"(?P<w>correct|incorrect)"
_RIGHT = re.compile(rf"^{_FILL}{_WHICH}verdict{_FILL}(?:is{_FILL})?{_RIGHTNESS}{_FILL}$", re.IGNORECASE | re.MULTILINE)
_RIGHT_MARKED = re.compile(
    rf"\[\[\s*{_RIGHTNESS}\s*\]\]|[\"']verdict[\"']\s*:\s*[\"'](?P<v>correct|incorrect)[\"']", re.IGNORECASE
)
_RIGHT_ALONE = re.compile(rf"\A\s*{_FILL}{_RIGHTNESS}{_FILL}\s*\Z", re.IGNORECASE)

_CHECKS = [
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        r"^\W{0,40}(?P<n>\d{1,3})\W+(?P<w>yes\b|no\b(?=\W*$|\s*[.,;:!()*_\]\"'—–-]|\s+(?:because|since)\b))",
        rf"^\W{{0,40}}(?P<n>\d{{1,3}})[.):][^\n]*\?[\s*_:–—-]*(?P<w>yes|no){_FILL}$",
        r"[\"'](?P<n>\d{1,3})[\"']\s*:\s*[\"']?(?P<w>yes|no|true|false)\b",
    )
]


@dataclass(frozen=True)
class Read:
    """What was read, as it stands in the text from ``start`` to ``end``."""

    value: str
    start: int
    end: int


def read_score(text: str, low: float, high: float) -> Read | None:
    """Return the number that a reply gives: the last line that says ``Score: n``, else the last ``[RESULT] n``, the last ``[[n]]``,
    the only score of JSON, or the only one in it (``score … n``, ``I'd say n``, a line with ``n/high``, a number alone).

    None where there is none, where several are named and none of the former decides, where it is outside of ``low`` to ``high``, or
    where it is out of another highest score (8/10 on a scale to 5; any where ``high`` is infinite).
    """
    plain = _RANGE.sub(lambda m: " " * len(m[0]), text)
    match = (
        _last(_LINE, plain) or _last(_RESULT, plain) or _last(_BOXED, plain) or _only([_JSON_SCORE], plain)
        or _only_score(plain)
    )  # fmt: skip
    if match is None:
        return None
    on_scale = match["of"] is None or (
        float(match["n"]) <= float(match["of"]) and high in (float(match["of"]), math.inf)
    )
    return Read(match["n"], match.start("n"), match.end("n")) if on_scale and low <= float(match["n"]) <= high else None


def read_winner(text: str) -> Read | None:
    """Return ``A``, ``B`` or ``tie``: the last line that says ``Winner: …``, else the last line with nothing but ``[[A]]``,
    ``[[B]]``, ``[[C]]`` or one of ``[[A>>B]]``, ``[[A>B]]``, ``[[A=B]]``, ``[[B>A]]``, ``[[B>>A]]``, else the only one that the reply
    names so, in JSON, or as ``the winner is A``.
    """
    match = (
        _last(_WINNER, text) or _last(_BRACKETS_LINE, text)
        or _only([_BRACKETS, _JSON_WINNER, _WINNER_INLINE], text, lambda m: _SAID[_key(m["w"])])
    )  # fmt: skip
    return _read(match, _SAID[_key(match["w"])]) if match else None


def read_right(text: str) -> Read | None:
    """Return ``correct`` or ``incorrect``: the last line that says ``Verdict: …``, else the only ``[[correct]]`` or verdict of JSON,
    else a reply that is the word alone.
    """
    match = _last(_RIGHT, text) or _only([_RIGHT_MARKED], text, lambda m: m[m.lastgroup or "w"].lower())
    match = match or _RIGHT_ALONE.match(text)
    return _read(match, match[match.lastgroup or "w"].lower(), match.lastgroup or "w") if match else None


def read_checks(text: str, n: int) -> dict[int, bool]:
    """Return yes or no by the number of the point, from 1 to ``n``; a point that is answered both ways is left out, and so is a
    ``no`` that begins a sentence: it may be the point's own.
    """
    said: dict[int, set[bool]] = {}
    for match in (m for pattern in _CHECKS for m in pattern.finditer(text)):
        said.setdefault(int(match["n"]), set()).add(match["w"].lower() in ("yes", "true"))
    return {number: words.pop() for number, words in said.items() if 1 <= number <= n and len(words) == 1}


def is_cut_at(text: str, finish_reason: str, end: int) -> bool:
    """Say whether a reply may have been cut off in the middle of what was read: nothing stands behind it."""
    return finish_reason == "length" and not text[end:].strip()


def _only_score(text: str) -> re.Match[str] | None:
    """Return the only score of running text; none where another one is out of the same highest."""
    match = _only([_INLINE, _SPOKEN, _FRACTION_LINE, _ALONE], text)
    others = {m["n"] for m in _FRACTION.finditer(text) if match and m["of"] == match["of"]}
    return match if match and others <= {match["n"]} else None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter([*pattern.finditer(text)][::-1]), None)


def _only(
    patterns: Sequence[re.Pattern[str]], text: str, value: Callable[[re.Match[str]], str] = lambda m: m["n"]
) -> re.Match[str] | None:  # fmt: skip
    """Return the last match of any of ``patterns``, if all of them say the same."""
    found: Iterable[re.Match[str]] = (m for pattern in patterns for m in pattern.finditer(text))
    ordered = sorted(found, key=lambda m: m.end())
    return ordered[-1] if len({value(m) for m in ordered}) == 1 else None


def _key(word: str) -> str:
    return re.sub(r"\s+", "", word.lower())


def _read(match: re.Match[str], value: str, group: str = "w") -> Read:
    return Read(value, match.start(group), match.end(group))
