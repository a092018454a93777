"""Citations in what models write, and what they quote: JSON, or marks such as ``[1]`` in a text."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ._json_text import read_json

MARK = re.compile(r"\[([^\[\]\n]{1,80})\](?!\()")
ID_KEYS = ("id", "source_id", "source", "doc_id")
QUOTE_KEYS = ("quote", "quotes", "quotation", "text", "span", "spans", "passage", "excerpt", "snippet", "sentence")
LONGEST = 2100
"""Characters before a mark in which its quotations are looked for."""

_QUOTATION = re.compile(
    r"“(?P<curly>[^“”]{1,2000})”|«(?P<angle>[^«»]{1,2000})»|„(?P<low>[^„“”]{1,2000})[“”]"
    r"|(?<!\w)\"(?P<double>[^\"]{1,2000})\"(?!\w)"
    r"|(?<!\w)['`](?=\S)(?P<single>(?:[^'\n]|(?<=\w)'(?=\w)){1,2000})(?<=\S)'(?!\w)"
    r"|(?<!\w)‘(?=\S)(?P<raised>(?:[^‘’\n]|(?<=\w)’(?=\w)){1,2000})(?<=\S)’(?!\w)"
)
_BESIDE = re.compile(r"[\s.,;:!?)\]]*")
_SENTENCE_END = re.compile(r"[.!?][\"'”’»)]*\s|\n\s*\n")


@dataclass(frozen=True)
class Citation:
    """A source's id as cited, and what is quoted from it.

    Attributes:
        source_id: as it is written.
        quotes: texts that must stand in the source.
        group: ids that are cited together (``[1, 2]``, ``[1][2]``): a quote may stand in any of them.
    """

    source_id: str
    quotes: tuple[str, ...] = ()
    group: tuple[str, ...] = ()


def read_citations(completion: str) -> list[Citation] | None:
    """Return the citations of a JSON completion (``citations: [{"id", "quote"}]``); None where it is no such JSON."""
    try:
        value = read_json(completion)
    except ValueError:
        return None
    cited = value.get("citations", value.get("evidence")) if isinstance(value, dict) else None
    return [_from_json(one) for one in cited] if isinstance(cited, list) else None


def _from_json(value: Any) -> Citation:
    if not isinstance(value, dict):
        return Citation(str(value))
    found = next((value[k] for k in ID_KEYS if value.get(k) is not None), "")
    return Citation(str(found), tuple(q for k in QUOTE_KEYS for q in _texts(value.get(k))))


def _texts(value: Any) -> Iterator[str]:
    """Yield what a key of a quote says: a text, or several; offsets quote nothing."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (q for k in QUOTE_KEYS for q in _texts(value.get(k)))
    elif isinstance(value, list):
        yield from (q for one in value for q in _texts(one))


def find_marks(completion: str, is_known: Callable[[str], bool] = lambda quote: False) -> list[Citation]:
    """Return the citations of a text: ``[1]``, ``[1, 2]``, ``[doc-3]``, with the quotations of their sentences.

    Args:
        completion: the text.
        is_known: says of a quotation that does not stand right before its mark whether it is of something else, such as
            the question.
    """
    found: list[Citation] = []
    at = 0
    for ids, start, end in _groups(completion):
        quotes = tuple(_quotes_before(completion[max(at, start - LONGEST) : start], is_known))
        together = tuple(dict.fromkeys(ids))
        found += [Citation(one, quotes, together) for one in ids]
        at = end
    return found


def _groups(completion: str) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Yield the ids of marks that stand side by side, and where they begin and end."""
    ids: list[str] = []
    start = end = 0
    for mark in MARK.finditer(completion):
        if ids and completion[end : mark.start()].strip():
            yield tuple(ids), start, end
            ids = []
        start = start if ids else mark.start()
        ids += [part.strip() for part in re.split(r"[,;]", mark[1]) if part.strip()]
        end = mark.end()
    if ids:
        yield tuple(ids), start, end


def _quotes_before(text: str, is_known: Callable[[str], bool]) -> Iterator[str]:
    """Yield the quotations of the sentence that ``text`` ends in: right before the mark, or anywhere in it."""
    for match in _QUOTATION.finditer(text):
        quote = next(q for q in match.groups() if q is not None)
        rest = text[match.end() :]
        ends = quote.rstrip()[-1:] in (".", "!", "?") and rest.lstrip()[:1].isupper()
        is_beside = _BESIDE.fullmatch(rest) is not None
        if is_beside or not (ends or _SENTENCE_END.search(rest) or is_known(quote)):
            yield quote
