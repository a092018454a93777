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
from itertools import islice

from ._meant import drop_taken_back, is_meant, is_reported, takes_back

MOST_STATEMENTS = 300
"""A reply that says more is a loop."""

_FILL = r"(?:[^\w<>≤≥≈~+?→⇒➜➔¬≠❌✗✘❎✖🚫⛔👎±]|_){0,40}"
"""What may stand around a word or number without a meaning of its own: no ``>``, no ``?``, no cross."""
_NUMBER = r"(?P<n>(?<![\d.,-])\d+(?:\.\d+)?(?![.,]?\d|\s*[%=]))"
_OF = r"(?:\s*(?:/|(?:out )?of)\s*(?P<of>\d+))?"
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
    rf"[\"'](?:(?:final|overall|total)[ _])?{_NAME}[\"']\s*:\s*[\"']?{_NUMBER}{_OF}[\"']?\s*(?=[,}}\n]|\Z)",
    re.IGNORECASE,
)
_BEHIND_NUMBER = (
    r"(?=\s*(?:$|[.!,;:)(*_\]\"'’}|`#…—–]|-(?!>)|points?\b(?! for style)|stars?\b|because\b|since\b|for (?:the|this|that|its|a|being|having)\b"
    r"|as\b|here\b|overall\b|given\b|due\b|with\b|and (?!\d)|to (?:the|this|it)\b))"
)
_INLINE = re.compile(
    rf"(?:(?P<before>[\w'’-]+)[ \t*_]*)?\b{_NAME}\b[\s:=*_\"'’]*(?:is|of)?[\s:*_]*{_NUMBER}{_OF}{_BEHIND_NUMBER}",
    re.IGNORECASE | re.MULTILINE,
)
_NEUTRAL = frozenset(
    [
        "the",
        "my",
        "a",
        "an",
        "final",
        "overall",
        "total",
        "of",
        "this",
        "its",
        "it",
        "and",
        "so",
        "thus",
        "therefore",
        "hence",
        "new",
        "revised",
        "updated",
        "corrected",
        "single",
        "numeric",
        "numerical",
        "resulting",
        "is",
        "gets",
        "deserves",
        "assigned",
        "with",
        "as",
        "answer",
        "response",
        "completion",
    ]
)
"""Words before ``score``; any other (``clarity score``, ``maximum score``) makes it a score of something else."""
_IT = (
    r"(?:\s+|[*_\"'’:,-]|\b(?:it|this|that|them|the|a|an|of|as|at|s|answer|response|completion|assistant|output|overall|score|rating|grade|"
    r"about|around)\b){1,14}"
)
_SPOKEN = re.compile(
    rf"\bI(?:['’]d| would| will| shall)?\s+(?:say\s+(?:a\s+)?[*_]*|(?:give|rate|assign|award|score){_IT}){_NUMBER}{_OF}"
    rf"(?!\s*points? for \w+ and \d){_BEHIND_NUMBER}",
    re.IGNORECASE | re.MULTILINE,
)
_FRACTION = re.compile(rf"{_NUMBER}[ \t]*(?:/|out of)[ \t]*(?P<of>\d+)", re.IGNORECASE)
_FRACTION_LINE = re.compile(
    rf"^{_FILL}(?:(?:overall|total|final)\b{_FILL})?{_FRACTION.pattern}{_FILL}$", re.IGNORECASE | re.MULTILINE
)
_ALONE = re.compile(rf"\A\s*{_FILL}{_NUMBER}{_OF}{_FILL}\s*\Z")

_OPTION = rf"(?:(?:answer|response|output|assistant|model|option|candidate|completion){_FILL})?"
_OUTCOME = r"(?P<w>(?:a\s+)?tie|a|b|neither|draw|equal)(?!\w)"
_WINNER = re.compile(
    rf"^{_FILL}(?:(?:so|thus|therefore|hence|overall)\b{_FILL})?{_WHICH}(?:winner|verdict|better)\b{_FILL}(?:is\b{_FILL})?{_OPTION}"
    rf"{_OUTCOME}(?P<rest>[^\n]*)$",
    re.IGNORECASE | re.MULTILINE,
)
_REST = re.compile(
    rf"(?:{_FILL}|\s+(?:because|since|as)\b.*|\s*[;(—–.].*|\s+-\s.*|\s*,(?!\s*(?:a|b|or|and)\b).*)", re.IGNORECASE
)
"""What may follow a winner."""
_RELATION = re.compile(
    rf"{_FILL}(?P<how>>{{1,2}}|<{{1,2}}|={{1,2}}|\bover\b|\bbeats\b|\b(?:wins|is (?:slightly |much |clearly )?better)(?: (?:over|than))?\b)"
    rf"{_FILL}{_OPTION}(?P<other>[ab]\b)?{_FILL}",
    re.IGNORECASE,
)
_NOT_SO = re.compile(
    r"\W*(?:is\s+)?(?:worse|wrong|not|loses|lost|weaker|maybe|or)\b|.*\bno\s*[,:—–-]|.*(?:^|[,;.(–—-])\s*(?:(?:no|actually|rather|it['’]s|maybe|now)\W*)*[AB]\W*$"
)
_WINNER_INLINE = re.compile(
    rf"\b[Tt]he\s+(?:final\s+|overall\s+)?(?:winner|verdict)\s*(?:is|:){_FILL}(?i:{_OPTION})(?P<w>A|B|(?:a\s+)?tie)(?=\s*(?:[.!;*\])]|$))",
    re.MULTILINE,
)
_JSON_WINNER = re.compile(
    rf"[\"'](?:winner|verdict|better|choice)[\"']\s*:\s*[\"'](?i:{_OPTION}){_OUTCOME}[\"']", re.IGNORECASE
)
_BRACKETS = re.compile(r"\[\[\s*(?P<w>[AB]\s*(?:[<>]{1,2}|=)\s*[AB]|A|B|C|tie)\s*\]\]", re.IGNORECASE)
_TAG = re.compile(r"<(\s*(?:\d+(?:\.\d+)?|[AB]|tie|correct|incorrect)\s*)>", re.IGNORECASE)
"""An answer in the brackets of a placeholder: ``Score: <4>``."""
_BRACKETS_LINE = re.compile(rf"^{_FILL}{_BRACKETS.pattern}{_FILL}$", re.IGNORECASE | re.MULTILINE)
_SAID = {
    "a": "A", "b": "B", "c": "tie", "tie": "tie", "atie": "tie", "neither": "tie", "draw": "tie", "equal": "tie", "a>b": "A", "a>>b": "A", "b<a": "A",
    "b<<a": "A", "b>a": "B", "b>>a": "B", "a<b": "B", "a<<b": "B", "a=b": "tie", "b=a": "tie",
}  # fmt: skip

_RIGHTNESS = r"(?P<w>correct|incorrect)"
_RIGHT = re.compile(rf"^{_FILL}{_WHICH}verdict{_FILL}(?:is{_FILL})?{_RIGHTNESS}{_FILL}$", re.IGNORECASE | re.MULTILINE)
_RIGHT_MARKED = re.compile(
    rf"\[\[\s*{_RIGHTNESS}\s*\]\]|[\"']verdict[\"']\s*:\s*[\"'](?P<v>correct|incorrect)[\"']", re.IGNORECASE
)
_RIGHT_ALONE = re.compile(rf"\A\s*{_FILL}{_RIGHTNESS}{_FILL}\s*\Z", re.IGNORECASE)

_ITEM = re.compile(
    r"^\W{0,40}(?:(?:point|item|question|check)\s+)?(?P<n>\d{1,3})(?![\d\"'])", re.IGNORECASE | re.MULTILINE
)
_ANSWERED = re.compile(
    r"\W+(?:(?P<w>yes|no)\b|[^\n]*\?[\s*_:–—-]*(?P<v>yes|no)\b(?=[\W_]*$))"
    r"(?=\W*$|\s*[.,;:!()…*_|\]\"'—–-](?!\w)|\s*\(|\s+(?:because|since|it|the|this|there|all|both)\b)(?P<rest>.*)",
    re.IGNORECASE | re.DOTALL | re.MULTILINE,
)
_OTHER = re.compile(r"(?<![\w'’])(?P<w>yes|no)\b\W*$", re.IGNORECASE | re.MULTILINE)
_JSON_CHECK = re.compile(
    r"[\"'](?P<n>\d{1,3})[\"']\s*:\s*[\"']?(?P<w>yes|no|true|false)\b[\"']?\s*(?=[,}\n])", re.IGNORECASE
)


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
    plain = _RANGE.sub(lambda m: " " * len(m[0]), _prepare(text))
    match = (
        _last(_LINE, plain, _is_own) or _last(_RESULT, plain) or _last(_BOXED, plain, _is_meant)
        or _only([_JSON_SCORE], plain) or _only_score(plain)
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
    plain = _prepare(text)
    if match := _last(_WINNER, plain, lambda m: _is_own(m) and _outcome_of_line(m) != ""):
        return _read(match, _outcome_of_line(match))
    match = _last(_BRACKETS_LINE, plain, _is_own) or _only([_BRACKETS, _JSON_WINNER, _WINNER_INLINE], plain, _outcome)
    return _read(match, _outcome(match)) if match and _outcome(match) else None


def read_right(text: str) -> Read | None:
    """Return ``correct`` or ``incorrect``: the last line that says ``Verdict: …``, else the only ``[[correct]]`` or verdict of JSON,
    else a reply that is the word alone.
    """
    plain = _prepare(text)
    match = _last(_RIGHT, plain, _is_own) or _only([_RIGHT_MARKED], plain, lambda m: m[m.lastgroup or "w"].lower())
    match = match or _RIGHT_ALONE.match(plain)
    return _read(match, match[match.lastgroup or "w"].lower(), match.lastgroup or "w") if match else None


def read_checks(text: str, n: int) -> dict[int, bool]:
    """Return yes or no by the number of the point, from 1 to ``n``; a point that is answered both ways is left out, and so is a
    ``no`` that begins a sentence: it may be the point's own.
    """
    said: dict[int, set[bool | None]] = {}
    for number, answer in (*_read_items(text), *((int(m["n"]), _is_yes(m["w"])) for m in _JSON_CHECK.finditer(text))):
        said.setdefault(number, set()).add(answer)
    alike = {number: words.pop() for number, words in said.items() if 1 <= number <= n and len(words) == 1}
    return {number: answer for number, answer in alike.items() if answer is not None}


def _read_items(text: str) -> Iterable[tuple[int, bool | None]]:
    """Yield the number and the answer of each point that has one; None where the answer does not stand."""
    text = re.sub(r"(\b(?:yes|no)\b[*_]*[\s.,;|]+)(?=\(?\d{1,3}\s*[.):=])", r"\1\n", text, flags=re.IGNORECASE)
    items = [*_ITEM.finditer(text)]
    ends = [*(m.start() for m in items[1:]), len(text)]
    for item, end in zip(items, ends[: len(items)], strict=True):
        words = text[item.end() : end]
        if found := _ANSWERED.match(words):
            is_yes = _is_yes(found["w"] or found["v"])
            line = found["rest"].split("\n", 1)[0]
            other = _OTHER.search(line)
            is_open = (other and _is_yes(other["w"]) != is_yes) or takes_back(found["rest"]) or line.lstrip()[:1] == "?"
            yield int(item["n"]), None if is_open else is_yes


def _is_yes(word: str) -> bool:
    return word.lower() in ("yes", "true")


def is_cut_at(text: str, finish_reason: str, end: int) -> bool:
    """Say whether a reply may have been cut off in the middle of what was read: nothing stands behind it."""
    return finish_reason == "length" and not text[end:].strip()


def _only_score(text: str) -> re.Match[str] | None:
    """Return the only score of running text; none where another one is out of the same highest."""
    match = _only([_INLINE, _SPOKEN, _FRACTION_LINE, _ALONE], text)
    others = {m["n"] for m in _FRACTION.finditer(text) if match and m["of"] == match["of"]}
    return match if match and others <= {match["n"]} else None


def _prepare(text: str) -> str:
    """Return ``text`` without what is taken back and without brackets around an answer; every place stays where it is."""
    return _TAG.sub(r" \1 ", drop_taken_back(text))


def _is_own(match: re.Match[str]) -> bool:
    return not is_reported(match.string, match.start())


def _is_meant(match: re.Match[str]) -> bool:
    """Say whether a statement within a text is meant; a value of JSON stands for itself, what is said of it aside."""
    if match[0][0] in "\"'":
        return is_meant(match.string[match.end() :], 0, 0)
    if match.re is _INLINE and (match["before"] or "the").lower() not in _NEUTRAL:
        return False
    return is_meant(match.string, match.start(), match.end())


def _last(
    pattern: re.Pattern[str], text: str, counts: Callable[[re.Match[str]], bool] = lambda m: True
) -> re.Match[str] | None:
    return next((m for m in [*pattern.finditer(text)][::-1] if counts(m)), None)


def _only(
    patterns: Sequence[re.Pattern[str]], text: str, value: Callable[[re.Match[str]], str] = lambda m: m["n"]
) -> re.Match[str] | None:  # fmt: skip
    """Return the last match of any of ``patterns`` that is meant, if all of them say the same; none of too many."""
    found = [m for pattern in patterns for m in islice(pattern.finditer(text), MOST_STATEMENTS + 1)]
    if len(found) > MOST_STATEMENTS:
        return None
    ordered = sorted((m for m in found if _is_meant(m)), key=lambda m: m.end())
    return ordered[-1] if len({value(m) for m in ordered}) == 1 else None


def _outcome(match: re.Match[str]) -> str:
    """Return who wins by a match; empty where it says nothing that makes sense: ``[[A>A]]``."""
    return _SAID.get(_key(match["w"]), "")


def _outcome_of_line(match: re.Match[str]) -> str:
    """Return who wins by a line ``Winner: …``; empty where what follows does not let it stand."""
    rest, said = match["rest"], _outcome(match)
    if (relation := _RELATION.fullmatch(rest)) and said in ("A", "B") and (relation["other"] or "").upper() != said:
        how = relation["how"]
        return "tie" if "=" in how else {"A": "B", "B": "A"}[said] if "<" in how else said
    return said if _REST.fullmatch(rest) and not takes_back(rest) and not _NOT_SO.match(rest) else ""


def _key(word: str) -> str:
    return re.sub(r"\s+", "", word.lower())


def _read(match: re.Match[str], value: str, group: str = "w") -> Read:
    return Read(value, match.start(group), match.end(group))
