"""What generators look for in texts: quotes, refusals, questions that lean on an unseen passage, near-equal texts."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import compress

_SAME = {"−": "-", "ı": "i"}
_BEFORE_DIGIT = re.compile(r"[.\-−](?=\d)")
_DOT, _MINUS = "\ue000", "\ue001"
_KEPT = frozenset((_DOT, _MINUS, "%", "/"))
_MARKUP = frozenset("|`~^´¨")
_REFUSAL = re.compile(
    r"^\W*(?:(?:i['’]?m|i am) (?:very |so |really )?sorry\b|sorry,|i apologi[sz]e\b|as an ai\b|"
    r"(?:unfortunately,? )?i (?:can(?:no|['’])?t|am (?:not able|unable)|won['’]?t|do(?: not|n['’]t) have (?:access|enough))\b|"
    r"(?:the )?(?:passage|text|document|context) does(?: not|n['’]t) (?:say|state|mention|provide|specify|contain)\b|"
    r"(?:not (?:stated|mentioned|specified|answerable)|n/?a|unknown|none)\W*$)",
    re.IGNORECASE,
)
_KINDS = r"(?:passage|text|document|excerpt|extract|article|paragraph|context|chapter|section|snippet|author|writer|narrator)"
_LEANING = re.compile(
    rf"\b(?:according to|based on|in|from|within|of|by|does|do|did|is|are|as|per|mentioned in|given)\s+(?:the|this|that|these)\s+"
    rf"(?:(?:given|provided|above|following|preceding|previous|present|short)\s+)?{_KINDS}\b(?!\s*(?:\d|of\b|§))|"
    rf"\b(?:the|this)\s+(?:given|provided|above|preceding)\s+(?:{_KINDS}|information|example|table|figure|list|code|statement)\b|"
    rf"\b(?:mentioned|described|listed|shown|given|discussed|quoted|stated) (?:above|below|here|earlier)\b|\bthis {_KINDS}\b|"
    r"\bthe passage\b",
    re.IGNORECASE,
)


class _Folds(dict[str, str]):
    """What is compared of each character: folded and decomposed; nothing of white space, punctuation and markup."""

    def __missing__(self, char: str) -> str:
        plain = _SAME.get(char, char)
        is_kept = plain.isalnum() or plain in _KEPT or (plain not in _MARKUP and unicodedata.category(plain)[0] == "S")
        letters = unicodedata.normalize("NFKD", plain).casefold() if is_kept else ""
        self[char] = folded = "".join(sign for sign in letters if not unicodedata.combining(sign))
        return folded


_FOLDS = _Folds()


@lru_cache(maxsize=64)
def _essence(text: str) -> tuple[str, list[int]]:
    """Return the letters, digits and symbols of ``text``, folded, with the offset of each.

    Punctuation stays only where it changes a number: ``-5``, ``1.5``, ``50 %``.
    """
    marked = _BEFORE_DIGIT.sub(lambda match: _DOT if match[0] == "." else _MINUS, text)
    folds = list(map(_FOLDS.__getitem__, marked))
    signs = "".join(folds)
    offsets = list(compress(range(len(folds)), folds))
    if len(offsets) != len(signs):
        offsets = [offset for offset, fold in enumerate(folds) for _ in fold]
    return signs, offsets


def locate_quote(text: str, quote: str) -> tuple[int, int] | None:
    """Find where ``quote`` stands in ``text``: as it is, else without regard to white space, case and punctuation.

    Returns:
        Start and end (exclusive) in ``text``; None where it does not stand there.
    """
    quote = quote.strip()
    start = text.find(quote)
    if start >= 0 and quote:
        return start, start + len(quote)
    wanted, _ = _essence(quote)
    if not wanted:
        return None
    signs, offsets = _essence(text)
    begin = signs.find(wanted)
    while begin >= 0:
        start, end = offsets[begin], offsets[begin + len(wanted) - 1] + 1
        if not (_is_inside_word(text, start) or _is_inside_word(text, end)):
            return start, end
        begin = signs.find(wanted, begin + len(wanted))
    return None


def _is_inside_word(text: str, position: int) -> bool:
    return 0 < position < len(text) and text[position - 1].isalnum() and text[position].isalnum()


def is_refusal(text: str) -> bool:
    """Say whether a model declines, or says that it does not know, instead of answering."""
    return _REFUSAL.match(text[:200]) is not None


def leans_on_passage(question: str) -> bool:
    """Say whether a question speaks of "the passage" or the like, so that nobody without it can answer."""
    return _LEANING.search(question) is not None


def words_of(text: str) -> list[str]:
    """Return the words of a text, case folded."""
    return re.findall(r"\w+", text.casefold())


def rouge_l(left: Sequence[str], right: Sequence[str]) -> float:
    """Return ROUGE-L: the F-measure of the longest common subsequence of two word lists (Lin 2004), 0 to 1.

    Bit-parallel (Hyyrö 2004): each word of ``right`` costs one step on an integer as wide as ``left``.
    """
    if not left or not right:
        return 0.0
    masks: dict[str, int] = {}
    for i, word in enumerate(left):
        masks[word] = masks.get(word, 0) | 1 << i
    full = (1 << len(left)) - 1
    row = full
    for word in right:
        hit = row & masks.get(word, 0)
        row = ((row + hit) | (row - hit)) & full
    common = len(left) - row.bit_count()
    return 2 * common / (len(left) + len(right))


def nearest(text: str, others: Iterable[str]) -> float:
    """Return the highest ROUGE-L of ``text`` with any of ``others``; 0 without any."""
    words = words_of(text)
    return max((rouge_l(words, words_of(other)) for other in others), default=0.0)


def choose_tag(*texts: str, name: str = "document") -> str:
    """Return the name of a tag that no text closes, so that none can end the part of the prompt that is data."""
    tag, number = name, 2
    while any(f"</{tag}" in text for text in texts):
        tag, number = f"{name}-{number}", number + 1
    return tag
