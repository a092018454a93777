"""The ``citations`` verifier: every cited source exists, every quote stands in its source, the verdict label is right."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from .._verdict import Verdict
from ._json_text import read_json
from ._label import KEYS, MARKED, PRESETS, find_label, fold, make_names
from ._quotations import MARK, Citation, find_marks, read_citations
from ._verifier import CannotJudge, Case, verifier

_QUOTES = {ord(c): '"' for c in "“”„«»‟＂″〝〞〟"} | {ord(c): "'" for c in "‘’‚‛`´"}
IGNORABLE = ("whitespace", "quotes", "case")
ASKED = ("question", "prompt", "claim", "query", "instruction", "input", "statement", "hypothesis", "task")
"""Columns whose words a completion may quote without citing them."""
_SPACED = 0x0E00
"""Scripts below this code point put spaces between words."""
_WORD = re.compile(f"[{chr(_SPACED)}-{chr(0x10FFFF)}]|[^\\W{chr(_SPACED)}-{chr(0x10FFFF)}]+")


def read_sources(value: Any) -> dict[str, str]:
    """Return sources as id to text: of a mapping; of a list of ``{"id", "text"}``; of a list of texts, which count from 1, or of
    FEVER's ``[page, number, text]``.

    Raises:
        CannotJudge: the column holds something else, or no source.
    """
    if isinstance(value, Mapping):
        sources = {str(k): v for k, v in value.items()}
    elif isinstance(value, list | tuple):
        sources = {}
        for number, one in enumerate(value, 1):
            is_object = isinstance(one, Mapping)
            known = (
                next((one[k] for k in ("id", "source_id", "doc_id") if one.get(k) is not None), number)
                if is_object
                else number
            )
            sources[str(known)] = (
                next((one[k] for k in ("text", "content") if k in one), None) if is_object else _join(one)
            )
    else:
        sources = {}
    if not sources or not all(isinstance(text, str) for text in sources.values()):
        raise CannotJudge("bad sources", f"{value!r}, expected texts by id"[:200])
    return sources


def _read_sets(case: Case, options: Mapping[str, Any]) -> list[set[str]]:
    """Return the sets of sources of which one has to be cited whole: the options', else the row's.

    Raises:
        CannotJudge: they are no lists of ids.
    """
    given = options["sets"] or case.fields.get("evidence_sets") or []
    if not isinstance(given, list | tuple) or not all(isinstance(one, list | tuple) for one in given):
        raise CannotJudge("bad evidence_sets", f"{given!r}, expected lists of ids"[:200])
    return [{str(i) for i in one} for one in given]


def _join(one: Any) -> Any:
    """Return FEVER's ``[page, number, text]`` as a text; anything else as it is."""
    is_sentence = (
        isinstance(one, list | tuple) and len(one) == 3 and isinstance(one[0], str) and isinstance(one[2], str)
    )
    return f"{one[0].replace('_', ' ')}: {one[2]}" if is_sentence else one


def _fold(text: str, ignore: tuple[str, ...]) -> str:
    text = unicodedata.normalize("NFC", text)
    if "quotes" in ignore:
        text = text.translate(_QUOTES)
    if "whitespace" in ignore:
        text = " ".join(text.split())
    return text.casefold() if "case" in ignore else text


def _find_faults(cited: list[Citation], sources: Mapping[str, str], options: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with each citation; empty for nothing. The quotes of a group are looked up once."""
    ignore = tuple(options["ignore"])
    texts: dict[str, str] = {}
    found: dict[int, str] = {}
    for one in cited:
        if id(one.quotes) in found or not one.quotes:
            continue
        for source_id in {one.source_id.strip(), *one.group} & sources.keys() - texts.keys():
            texts[source_id] = _fold(sources[source_id], ignore)
        known = [texts[i] for i in dict.fromkeys((one.source_id.strip(), *one.group)) if i in texts]
        found[id(one.quotes)] = _find_quote_fault([_fold(q, ignore) for q in one.quotes], known, options["quote_words"])
    missing = "no quote" if options["quotes"] else ""
    unknown = "unknown source"
    return [
        unknown if one.source_id.strip() not in sources else found[id(one.quotes)] if one.quotes else missing
        for one in cited
    ]


def _find_quote_fault(quotes: list[str], texts: list[str], least: int) -> str:
    """Return what is wrong with quotes, each of which has to stand in one of the texts, and together have so many words, or
    all of a shorter source.
    """
    if not all(any(c.isalnum() for c in quote) for quote in quotes):
        return "empty quote"
    if not all(any(_stands_in(q, text) for text in texts) for q in quotes):
        return "quote not in source"
    whole = min(map(_count_words, texts), default=0)
    return "quote too short" if sum(map(_count_words, quotes)) < min(least, whole) else ""


def _count_words(text: str) -> int:
    """Return the number of words; in scripts without spaces each letter is one."""
    return len(_WORD.findall(text))


def _stands_in(quote: str, text: str) -> bool:
    """Say whether the quote stands in the text as whole words: ``art`` does not in ``party``."""
    at = text.find(quote)
    while at >= 0:
        end = at + len(quote)
        if not (_is_inside_word(text, at) or _is_inside_word(text, end)):
            return True
        at = text.find(quote, at + 1)
    return False


def _is_inside_word(text: str, at: int) -> bool:
    pair = text[at - 1 : at + 1] if 0 < at < len(text) else ""
    return len(pair) == 2 and all(c.isalnum() and ord(c) < _SPACED for c in pair)


def _make_known(case: Case) -> Callable[[str], bool]:
    """Return what says whether a text stands in what was asked: a column of the row, or the prompt."""
    said = [case.fields[k] for k in ASKED if isinstance(case.fields.get(k), str)]
    said += [m["content"] for m in case.prompt if isinstance(m.get("content"), str)]
    asked = [_fold(text, IGNORABLE) for text in said]
    return lambda quote: any(_fold(quote, IGNORABLE).strip(" .,;:!?") in text for text in asked)


def _is_label_right(case: Case, options: Mapping[str, Any]) -> bool:
    if not isinstance(case.expected, str) or not fold(case.expected):
        raise CannotJudge("bad reference", f"{case.expected!r}, expected a label"[:200])
    names = make_names(options) or _guess_names(case.expected)
    if names is None:
        return _is_unlisted_label_right(case.completion, case.expected)
    gold = names.get(fold(case.expected))
    if gold is None:
        known = ", ".join(sorted(set(names.values())))
        raise CannotJudge("bad reference", f"{case.expected!r}, expected one of {known}"[:300])
    in_json = _json_label(case.completion) is not None
    return find_label(case.completion if in_json else MARK.sub(" ", case.completion), names) == gold


def _guess_names(label: str) -> dict[str, str] | None:
    """Return the words of the known set of labels that has ``label``; None where no set has it."""
    return next(
        (make_names({"preset": name, "labels": (), "aliases": {}}) for name, labels in PRESETS.items() if fold(label) in map(fold, labels)), None
    )  # fmt: skip


def _is_unlisted_label_right(completion: str, label: str) -> bool:
    """Compare with a label of which the others are not known: it has to be named as the label, or stand alone.

    Raises:
        CannotJudge: the label stands somewhere in a sentence, which may name others too.
    """
    if (said := _json_label(completion)) is not None:
        return fold(said) == fold(label)
    text = MARK.sub(" ", completion)
    marked = [fold(one) for one in MARKED.findall(text)]
    alone = [fold(line) for line in (text, *text.strip().splitlines()[-1:])]
    if marked or fold(label) in alone:
        return (marked or [fold(label)])[-1] == fold(label)
    if f" {fold(label)} " not in f" {fold(text)} ":
        return False
    raise CannotJudge(
        "labels unknown", "the label stands in a sentence: list all labels by the option labels, or name a preset"
    )


def _json_label(completion: str) -> str | None:
    try:
        value = read_json(completion)
    except ValueError:
        return None
    return next((str(value[k]) for k in KEYS if value.get(k) is not None), None) if isinstance(value, dict) else None


@verifier(
    "citations", version=4, needs=("sources",),
    options={
        "form": "auto", "required": 1, "quotes": False, "ignore": ("whitespace", "quotes"), "preset": "", "labels": (),
        "aliases": {}, "sets": (), "uncited": (), "quote_words": 0, "surplus": True,
    },
    choices={"form": ("auto", "json", "marks"), "ignore": IGNORABLE, "preset": tuple(PRESETS)},
)  # fmt: skip
def citations(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Check citations against the row's ``sources``, and the label where the row has a reference.

    ``form``: JSON ``{"citations": [{"id", "quote"}]}`` or marks ``[1]`` in a text, with quotations of any style in their
    sentence, before the mark or behind it, and block quotes; ``auto`` = whichever it is. Marks and longer quotations in the other
    texts of JSON are checked too. A quote must stand in its source as whole words. ``required``: the fewest citations
    (0 = none needed). ``quotes``: each citation must quote. ``ignore``: how a quote may differ from its source. ``preset``,
    ``labels``, ``aliases``: as of ``label``. ``uncited``: references that need no citation (``NOT ENOUGH INFO``). ``sets``: lists of ids, one of which must be cited whole (FEVER's evidence sets); default: the row's
    ``evidence_sets``. ``quote_words``: fewest words of a citation's quotes (0 = any). ``surplus``: whether what is in no set may be cited
    too; where a reference needs no citation, anything.
    The score is the share of citations that are right.
    """
    sources = read_sources(case.fields["sources"])
    is_known = _make_known(case)
    cited = (
        read_citations(case.completion, lambda name: name.strip() in sources, is_known)
        if options["form"] != "marks"
        else None
    )
    if cited is None:
        if options["form"] == "json":
            return Verdict(False, 0.0, "no citation", "no JSON with citations")
        cited = find_marks(case.completion, is_known)
    is_bare = isinstance(case.expected, str) and fold(case.expected) in map(fold, options["uncited"])
    if len(cited) < options["required"] and not is_bare:
        return Verdict(False, 0.0, "no citation" if not cited else "too few citations", f"{len(cited)} cited")
    faults = list(zip(cited, _find_faults(cited, sources, options), strict=True))
    wrong = [(one, fault) for one, fault in faults if fault]
    score = 1 - len(wrong) / len(cited) if cited else 1.0
    if wrong:
        one, fault = wrong[0]
        return Verdict(False, score, fault, f"[{one.source_id}] {' · '.join(one.quotes)}".strip())
    named = {one.source_id.strip() for one in cited}
    sets = [] if is_bare else _read_sets(case, options)
    if not options["surplus"] and (more := named.difference(*sets) if sets or is_bare else None):
        return Verdict(False, score, "surplus citation", f"{', '.join(sorted(more))} cited")
    if sets and not any(named >= whole for whole in sets):
        return Verdict(False, score, "evidence incomplete", f"{', '.join(sorted(named))} cited")
    if case.expected is not None and not _is_label_right(case, options):
        return Verdict(False, score, "wrong label", _json_label(case.completion) or case.completion[-200:])
    return Verdict(True, score, "correct", f"{len(cited)} cited")
