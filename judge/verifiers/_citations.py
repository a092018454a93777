"""The ``citations`` verifier: every cited source exists, every quote stands in its source, the verdict label is right."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._verdict import Verdict
from ._json_text import read_json
from ._label import KEYS, PRESETS, find_label, fold, make_names
from ._verifier import CannotJudge, Case, verifier

_MARK = re.compile(r"\[([^\[\]\n]{1,80})\](?!\()")
_QUOTED = re.compile(r"[\"“«]([^\"“”«»]{1,2000})[\"”»][\s.,;:]*$")
_QUOTES = {ord(c): '"' for c in "“”„«»‟"} | {ord(c): "'" for c in "‘’‚‛`´"}
IGNORABLE = ("whitespace", "quotes", "case")


@dataclass(frozen=True)
class Citation:
    """A source's id as cited, and what is quoted from it; None = nothing."""

    source_id: str
    quote: str | None


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
        return Citation(str(value), None)
    found = next((value[k] for k in ("id", "source_id", "source", "doc_id") if value.get(k) is not None), "")
    quote = next((value[k] for k in ("quote", "text") if value.get(k) is not None), None)
    return Citation(str(found), None if quote is None else str(quote))


def find_marks(completion: str) -> list[Citation]:
    """Return the citations of a text: ``[1]``, ``[1, 2]``, ``[doc-3]``; a quotation right before one is its quote."""
    found = []
    for mark in _MARK.finditer(completion):
        quoted = _QUOTED.search(completion[max(0, mark.start() - 2100) : mark.start()])
        found += [
            Citation(part.strip(), quoted[1] if quoted else None) for part in re.split(r"[,;]", mark[1]) if part.strip()
        ]
    return found


def read_sources(value: Any) -> dict[str, str]:
    """Return sources as id to text: of a mapping; of a list of ``{"id", "text"}``; of a list of texts, which count from 1.

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
            sources[str(known)] = next((one[k] for k in ("text", "content") if k in one), None) if is_object else one
    else:
        sources = {}
    if not sources or not all(isinstance(text, str) for text in sources.values()):
        raise CannotJudge("bad sources", f"{value!r}, expected texts by id"[:200])
    return sources


def _fold(text: str, ignore: tuple[str, ...]) -> str:
    text = unicodedata.normalize("NFC", text)
    if "quotes" in ignore:
        text = text.translate(_QUOTES)
    if "whitespace" in ignore:
        text = " ".join(text.split())
    return text.casefold() if "case" in ignore else text


def _judge_one(citation: Citation, sources: Mapping[str, str], ignore: tuple[str, ...]) -> str:
    """Return what is wrong with a citation; empty for nothing."""
    source = sources.get(citation.source_id.strip())
    if source is None:
        return "unknown source"
    if citation.quote is None:
        return ""
    quote = _fold(citation.quote, ignore)
    if not quote.strip():
        return "empty quote"
    return "" if quote in _fold(source, ignore) else "quote not in source"


def _is_label_right(case: Case, options: Mapping[str, Any]) -> bool:
    if not isinstance(case.expected, str) or not fold(case.expected):
        raise CannotJudge("bad reference", f"{case.expected!r}, expected a label"[:200])
    names = make_names(options) or {fold(case.expected): case.expected}
    gold = names.get(fold(case.expected))
    if gold is None:
        known = ", ".join(sorted(set(names.values())))
        raise CannotJudge("bad reference", f"{case.expected!r}, expected one of {known}"[:300])
    in_json = _json_label(case.completion) is not None
    return find_label(case.completion if in_json else _MARK.sub(" ", case.completion), names) == gold


def _json_label(completion: str) -> str | None:
    try:
        value = read_json(completion)
    except ValueError:
        return None
    return next((str(value[k]) for k in KEYS if value.get(k) is not None), None) if isinstance(value, dict) else None


@verifier(
    "citations", needs=("sources",),
    options={
        "form": "auto", "required": 1, "quotes": False, "ignore": ("whitespace", "quotes"), "preset": "", "labels": (),
        "aliases": {}, "sets": (),
    },
    choices={"form": ("auto", "json", "marks"), "ignore": IGNORABLE, "preset": tuple(PRESETS)},
)  # fmt: skip
def citations(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Check citations against the row's ``sources``, and the label where the row has a reference.

    ``form``: JSON ``{"citations": [{"id", "quote"}]}`` or marks ``[1]`` in a text; ``auto`` = whichever it is. ``required``: the
    fewest citations (0 = none needed). ``quotes``: each citation must quote. ``ignore``: how a quote may differ from its
    source. ``preset``, ``labels``, ``aliases``: as of ``label``. ``sets``: lists of ids, one of which must be cited whole (FEVER's
    evidence sets). The score is the share of citations that are right.
    """
    sources = read_sources(case.fields["sources"])
    cited = read_citations(case.completion) if options["form"] != "marks" else None
    if cited is None:
        if options["form"] == "json":
            return Verdict(False, 0.0, "no citation", "no JSON with citations")
        cited = find_marks(case.completion)
    if len(cited) < options["required"]:
        return Verdict(False, 0.0, "no citation" if not cited else "too few citations", f"{len(cited)} cited")
    faults = [(one, _fault(one, sources, options)) for one in cited]
    wrong = [(one, fault) for one, fault in faults if fault]
    score = 1 - len(wrong) / len(cited) if cited else 1.0
    if wrong:
        one, fault = wrong[0]
        return Verdict(False, score, fault, f"[{one.source_id}] {one.quote or ''}".strip())
    named = {one.source_id.strip() for one in cited}
    if options["sets"] and not any(named.issuperset(map(str, whole)) for whole in options["sets"]):
        return Verdict(False, score, "evidence incomplete", f"{', '.join(sorted(named))} cited")
    if case.expected is not None and not _is_label_right(case, options):
        return Verdict(False, score, "wrong label", _json_label(case.completion) or case.completion[-200:])
    return Verdict(True, score, "correct", f"{len(cited)} cited")


def _fault(one: Citation, sources: Mapping[str, str], options: Mapping[str, Any]) -> str:
    if options["quotes"] and one.quote is None:
        return "no quote"
    return _judge_one(one, sources, tuple(options["ignore"]))
