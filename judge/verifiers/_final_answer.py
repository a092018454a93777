r"""Where the final answer of a text stands: behind the last of a marker.

Markers are what a data set's habit is: GSM8K's ``####``; ``A: 18`` or ``**Answer:** 18`` at the beginning of a line; ``The
answer is 18``; ``\boxed{18}``; ``<answer>18</answer>``.
"""

import re
from collections.abc import Callable

from ._text import DISOWNED, SECOND_LOOK, TAKEN_BACK, text_behind
from ._units import SCALES

_LAST_NUMBER = re.compile(
    r"(?:√\s*|\\sqrt\s*\{?|(?<![\d)%]\s)\b(?:[mM]inus|[nN]egative)\s+)?(?:(?<![\w.)])-)?[$€£]?(?:\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?![\d/])|\d[\d,]*(?:\.\d+)?|(?<!\d)\.\d+)(?:/\d+)?(?:[eE][+-]?\d+(?!\w))?"
    r"(?:\s*(?:×|\\times|\\cdot|[x*])\s*10(?:\s*\^\s*\{?[+-]?\d+\}?|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)|\s?\^\s?\{?-?\d+\}?)?"
    rf"(?:%|(?:[^\W\d_]|[abcijknpqxyz]{2, 3}|st|nd|rd|th|bn|mn|tn)(?!\w)|(?:\s(?:{'|'.join(SCALES)})s?\b)+|\s(?:squared|cubed|factorial|doubled|tripled|halved)\b)?"
)
"""A number with all that makes another number of it."""
_WORDS_FOR_ANSWER = r"A|(?:(?:the|my|so the) )?(?:final |correct )?answer|答案|最终答案|答え|정답|답|réponse|respuesta|antwort|ответ|risposta|resposta"
_ANSWER_LINE = re.compile(
    rf"^[^\S\n]*(?:[>#]+[^\S\n]*)?[*_]*(?:{_WORDS_FOR_ANSWER})[*_]*[^\S\n]*(?:[:：=]|(?:是|为)[:：]?)[*_]*"
    r"|^(?:#+[^\S\n]*|\*\*)(?:the )?(?:final |correct )?answer\**[^\S\n]*$",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER_IS = re.compile(
    r"(?:the|my) (?:final |correct )?answer\**(?: (?:is|equals|would be|must be)|\s*[:=])[:：]?\**|\b(?:final|correct) answer\s*(?:is|:)[:：]?\**"
    r"|(?:最终)?答案(?:应该|就)?(?:是|为|[:：])[:：]?",
    re.IGNORECASE,
)
_REASON = re.compile(r",?(?<!\s)\s+(?:because|since|(?:and )?not)\b", re.IGNORECASE)
_STATED_AGAIN = re.compile(
    rf"(?:\b(?:it|that|this|answer|result|total|value|which)(?:['’]s| is| was| should be| must be| would be| makes| equals| comes to)(?: (?:actually|really|now|rather|only))*"
    rf"|\b(?:so|therefore|thus|hence|make that|or rather|instead|{SECOND_LOOK.pattern})[\s,.:…—–-]*(?:it['’]?s )?|(?:是|为))\s*[,:]?\s*\**(?:{_LAST_NUMBER.pattern})"
    r"(?!\w|\s*[-+*/×÷=]|\s(?:more|less|fewer|times|out)\b)",
    re.IGNORECASE,
)
"""A number that a text states as its answer; a part of a calculation is none."""
LONGEST_LOOK = 5_000
"""Characters behind an answer that are read for another one, from the end."""
_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)


def _after_last(mark: str) -> Callable[[str], str | None]:
    def extract(text: str) -> str | None:
        _, found, rest = text.rpartition(mark)
        lines = rest.strip().splitlines()
        return lines[0].strip() if found and lines else None

    return extract


def _boxed(text: str) -> str | None:
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth, begin = 0, start + len("\\boxed")
    for i in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return text[begin + 1 : i].strip()
    return None


def _answer_line(text: str) -> str | None:
    for found in reversed(list(_ANSWER_LINE.finditer(text))):
        lines = text[found.end() :].lstrip().split("\n", 1)
        if said := _REASON.split(lines[0], maxsplit=1)[0].strip():
            return said
    return None


def _answer_is(text: str) -> str | None:
    said = text_behind(text, _ANSWER_IS)
    return _REASON.split(said, maxsplit=1)[0].strip() if said else None


def _tag(text: str) -> str | None:
    """Return what the last ``<answer>`` holds, to its end or the text's: a stop sequence may have cut the end off."""
    begun, inside = None, None
    for tag in _TAG.finditer(text):
        if not tag[1]:
            begun = tag.end()
        elif begun is not None:
            begun, inside = None, text[begun : tag.start()].strip()
    return inside if begun is None else text[begun:].strip()


def _last_number(text: str) -> str | None:
    found = None
    for found in _LAST_NUMBER.finditer(text):  # noqa: B007  # the last one is wanted
        pass
    return found[0].rstrip(",") if found else None


MARKERS: dict[str, Callable[[str], str | None]] = {
    "####": _after_last("####"),
    "boxed": _boxed,
    "<answer>": _tag,
    "A:": _answer_line,
    "the answer is": _answer_is,
}
"""Where a final answer may stand, by name: what a writer marks as the answer."""

GUESSES: dict[str, Callable[[str], str | None]] = {"last number": _last_number, "whole text": lambda text: text.strip()}
"""What may be taken for the answer where nothing marks it."""

_IN_PROSE = ("A:", "the answer is")
"""Markers behind which a text may go on, and take the answer back: "Wait, no, it is 6"."""
EXTRACTORS = {**MARKERS, **GUESSES}


def extract_answer(text: str, markers: tuple[str, ...]) -> str | None:
    """Return the final answer of ``text`` behind the first of ``markers`` that it has; None without one."""
    return find_marked(text, markers)[1]


def find_marked(text: str, markers: tuple[str, ...]) -> tuple[str, str | None]:
    """Return the marker that was found, and the answer behind it; None without one."""
    for name in markers:
        if (answer := EXTRACTORS[name](text)) is None or not answer:
            continue
        rest = text[text.rfind(answer) + len(answer) :] if name in _IN_PROSE else ""
        if name == "A:" and "the answer is" in markers and _ANSWER_IS.search(rest):
            continue  # "Answer: Let us see. …" begins a solution, "the answer is" ends it
        if taken := list(TAKEN_BACK.finditer(rest)):
            return name, _last_number(rest[taken[-1].end() :])
        if (second := _second(rest)) is None and DISOWNED.match(rest):
            return name, None
        return name, second or unwrap(answer)
    return "", None


def _second(rest: str) -> str | None:
    """Return the answer that a second look gives ("Let me check: … So it's 15."); None where it gives none."""
    rest = rest[-LONGEST_LOOK:]
    look = SECOND_LOOK.search(rest)
    stated = list(_STATED_AGAIN.finditer(rest, look.start())) if look else []
    return _last_number(rest[: stated[-1].end()]) if stated else None


def unwrap(answer: str) -> str:
    r"""Return what a box, a tag or "the answer is" inside an answer holds (``#### \boxed{3}``); else the answer as it is."""
    return _tag(answer) or _boxed(answer) or _answer_is(answer) or answer
