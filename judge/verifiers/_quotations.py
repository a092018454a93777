"""Citations in what models write, and what they quote: JSON, or marks such as ``[1]`` in a text."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ...schema import texts_in
from ._json_text import find_values, read_json

MARK = re.compile(r"\[([^\[\]\n]{1,80})\](?!\()")
ID_KEYS = ("id", "source_id", "source", "doc_id")
_QUOTE_KEY = re.compile(
    r"quot|text|content|evidence|span|passage|excerpt|snippet|sentence|extract|fragment|highlight|phrase|verbatim|paragraph|citation|words|body",
    re.IGNORECASE,
)
_NO_QUOTE_KEY = re.compile(
    r"(?:id|ids|index|start|end|offset|type|title|url|uri|number|no|page|pages|count|lang|score)\Z", re.IGNORECASE
)
"""Keys that end so say where a text is from, not what it says."""
MOST_WORDS_ASIDE = 3
"""Words of the longest quotation in a JSON answer that may be a manner of speaking: it cites no source of its own."""
LONGEST = 2100
"""Characters before a mark in which its quotations are looked for."""

_QUOTATION = re.compile(
    r"“(?P<curly>[^“”]{1,2000})”|«(?P<angle>[^«»]{1,2000})»|„(?P<low>[^„“”]{1,2000})[“”]|”(?P<nordic>[^“”\n]{1,2000})”(?!\w)"
    r"|»(?P<turned>[^«»]{1,2000})«|‹(?P<point>[^‹›]{1,2000})›|›(?P<back>[^‹›]{1,2000})‹|「(?P<corner>[^「」]{1,2000})」|『(?P<white>[^『』]{1,2000})』"
    r"|‚(?P<bottom>[^‚‘’\n]{1,2000})[‘’](?!\w)|``(?P<tex>[^`\n]{1,2000}?)(?:''|``)|(?<![\w`])`(?P<code>[^`\n\s]+\s[^`\n]{1,2000})`(?![\w`])"
    r"|(?<!\w)\"(?P<double>[^\"]{1,2000})\"(?!\w)"
    r"|(?<!\w)['`](?=\S)(?P<single>(?:[^'\n]|(?<=\w)'(?=\w)){1,2000})(?<=\S)'(?!\w)"
    r"|(?<!\w)‘(?=\S)(?P<raised>(?:[^‘’\n]|(?<=\w)’(?=\w)){1,2000})(?<=\S)’(?!\w)"
)
_SIGNS = {
    "&quot;": '"',
    "&ldquo;": "“",
    "&rdquo;": "”",
    "&laquo;": "«",
    "&raquo;": "»",
    "&#34;": '"',
    "&#39;": "'",
    "&apos;": "'",
}
_SIGN = re.compile("|".join(_SIGNS), re.IGNORECASE)
_DOUBLE = str.maketrans(dict.fromkeys("＂″〝〞〟‟", '"'))
_BESIDE = re.compile(r"[\s.,;:!?)\]]*")
_SAYS = re.compile(
    r"[\s,]*(?:(?:also|further|clearly|then|itself|he|she|it|they|that)\s+){0,2}(?:(?:says?|said|states?|stated|writes?|wrote|notes?|noted|puts? it|reads?|reports?"
    r"|claims?|adds?|shows?|explains?|mentions?|describes?|calls?|has|goes|quotes?|tells?|confirms?)\b[^\"“«„]{0,40}|:)[\s:,]*",
    re.IGNORECASE,
)
_BLOCK_ABOVE = re.compile(
    r"((?:^[ \t]*>[^\n]*\n?)+)[^\w\n]*\n?[^\w\n]*(?:(?:source|from|see|cf)\W{0,4})?\Z", re.MULTILINE | re.IGNORECASE
)
_BLOCK_BELOW = re.compile(r"[^\n]{0,200}\n\s{0,10}?((?:^[ \t]*>[^\n]*\n?)+)", re.MULTILINE)
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


def read_citations(
    completion: str, is_source: Callable[[str], bool] = lambda name: False, is_known: Callable[[str], bool] = lambda quote: False
) -> list[Citation] | None:  # fmt: skip
    """Return the citations of a JSON completion (``citations: [{"id", "quote"}]``), and those in its other texts; None where it
    is no such JSON.

    Args:
        completion: the text.
        is_source: says of an id whether there is such a source.
        is_known: as of :func:`find_marks`.
    """
    try:
        value = read_json(completion)
    except ValueError:
        return None
    key = next((k for k in ("citations", "evidence") if k in value), None) if isinstance(value, dict) else None
    if key is None or not isinstance(value[key], list):
        return None
    found = [_from_json(one) for one in value[key]]
    said = [*texts_in({k: v for k, v in value.items() if k != key}), _around(completion)]
    return found + [one for text in said for one in _from_answer(text, found, is_source, is_known)]


def _around(completion: str) -> str:
    """Return the words around the objects of a completion; a list of numbers among them is a mark, and stays."""
    return find_values(completion, start="{")[1]


def _from_answer(
    text: str, cited: list[Citation], is_source: Callable[[str], bool], is_known: Callable[[str], bool]
) -> Iterator[Citation]:
    """Yield what an answer beside the list of citations cites and quotes: marks of a source's form, and quotations, long ones
    without a mark too, which have to stand in one of the sources that are cited.
    """
    marked = [c for c in find_marks(text, is_known) if is_source(c.source_id) or c.source_id.isdigit()]
    yield from marked
    checked = {quote for one in marked for quote in one.quotes}
    group = tuple(one.source_id for one in cited)
    for match in _QUOTATION.finditer(_plain(text)):
        quote = _words_of(match)
        if group and len(quote.split()) > MOST_WORDS_ASIDE and quote not in checked and not is_known(quote):
            yield Citation(group[0], (quote,), group)


def _from_json(value: Any) -> Citation:
    if not isinstance(value, dict):
        return Citation(str(value))
    found = next((value[k] for k in ID_KEYS if value.get(k) is not None), "")
    if isinstance(found, dict):
        found = next((found[k] for k in ID_KEYS if found.get(k) is not None), "")
    return Citation(str(found), tuple(_quoted_by(value)))


def _quoted_by(value: dict[str, Any]) -> Iterator[str]:
    for key, one in value.items():
        if key not in ID_KEYS and _QUOTE_KEY.search(key) and not _NO_QUOTE_KEY.search(key):
            yield from _texts(one)


def _texts(value: Any) -> Iterator[str]:
    """Yield what a key of a quote says: a text, or several; offsets quote nothing."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _quoted_by(value)
    elif isinstance(value, list):
        yield from (q for one in value for q in _texts(one))


def find_marks(completion: str, is_known: Callable[[str], bool] = lambda quote: False) -> list[Citation]:
    """Return the citations of a text: ``[1]``, ``[1, 2]``, ``[doc-3]``, with the quotations of their sentences.

    Args:
        completion: the text.
        is_known: says of a quotation that does not stand right before its mark whether it is of something else, such as
            the question.
    """
    completion = _plain(completion)
    found: list[Citation] = []
    at = 0
    groups = [*_groups(completion)]
    before: tuple[str, ...] = ()
    for i, (ids, start, end) in enumerate(groups):
        until = groups[i + 1][1] if i + 1 < len(groups) else len(completion)
        above = completion[max(at, start - LONGEST) : start]
        behind = [*_quotes_behind(completion[end : min(until, end + LONGEST)], is_known, i + 1 < len(groups))]
        quotes = [q for q in (*_quotes_before(above, is_known), *_block(_BLOCK_ABOVE.search(above))) if q not in before]
        together = tuple(dict.fromkeys(ids))
        all_quotes = (*quotes, *behind)
        found += [Citation(one, all_quotes, together) for one in ids]
        at, before = end, tuple(behind)
    return found


def _plain(text: str) -> str:
    """Return ``text`` with one sign for each that means a double quotation mark."""
    return _SIGN.sub(lambda m: _SIGNS[m[0].lower()], text).translate(_DOUBLE)


def _block(match: re.Match[str] | None) -> Iterator[str]:
    """Yield the words of a block quote (lines that begin with ``>``)."""
    if match is not None:
        lines = [re.sub(r"^[ \t>]+", "", line) for line in match[1].splitlines()]
        if words := " ".join(lines).strip(" \t\n—–-*_\"'“”„«»"):
            yield words


def _words_of(match: re.Match[str]) -> str:
    return next(q for q in match.groups() if q is not None)


def _quotes_behind(text: str, is_known: Callable[[str], bool], is_followed: bool) -> Iterator[str]:
    """Yield the quotations that belong to the mark before ``text``: up to the end of its sentence, or right behind it.

    One in the sentence of the next mark is that one's, unless this one says it (``[1] says: "…"``).
    """
    if (block := _BLOCK_BELOW.match(text)) and (not is_followed or text[: block.start(1)].rstrip().endswith(":")):
        yield from _block(block)
    at = 0
    for match in _QUOTATION.finditer(text):
        between, quote = text[: match.start()], _words_of(match)
        is_said = _SAYS.fullmatch(between) is not None
        if at == 0 and not (is_said or _BESIDE.fullmatch(between)) and _SENTENCE_END.search(between):
            return
        if at and _SENTENCE_END.search(text[at : match.start()]):
            return
        is_next = is_followed and _SENTENCE_END.search(text[match.end() :]) is None
        is_beside = is_said or _BESIDE.fullmatch(between) is not None
        if (is_said or not is_next) and (is_beside or not is_known(quote)):
            yield quote
        at = match.end()
        if quote.rstrip()[-1:] in (".", "!", "?"):
            return


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
        quote = _words_of(match)
        rest = text[match.end() :]
        ends = quote.rstrip()[-1:] in (".", "!", "?") and rest.lstrip()[:1].isupper()
        is_beside = _BESIDE.fullmatch(rest) is not None
        if is_beside or not (ends or _SENTENCE_END.search(rest) or is_known(quote)):
            yield quote
