"""The ``label`` verifier: which label of a classification a completion gives."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import RecipeError
from .._verdict import Verdict
from ._json_text import read_json
from ._verifier import CannotJudge, Case, verifier

PRESETS: dict[str, dict[str, tuple[str, ...]]] = {
    "": {},
    "fever": {
        "SUPPORTS": ("supported", "support", "true"),
        "REFUTES": ("refuted", "refute", "contradicted", "contradicts", "false"),
        "NOT ENOUGH INFO": (
            "nei", "not enough information", "not enough evidence", "not verifiable", "unverifiable",
            "insufficient information", "insufficient evidence", "unknown",
        ),
    },
    "nli": {
        "entailment": ("entails", "entailed"),
        "contradiction": ("contradicts", "contradicted", "contradictory"),
        "neutral": ("undetermined",),
    },
    "yes_no": {"yes": ("true",), "no": ("false",)},
}  # fmt: skip
"""Sets of labels with other words for them. FEVER: Thorne et al. 2018, arXiv 1803.05355."""

_MARKED = re.compile(
    r"\b(?:label|verdict|answer|classification|class|conclusion)\b[\s*_]*(?:is|=|:)+[\s*_]*([^\n]+)", re.IGNORECASE
)
_NOT_WORD = re.compile(r"[\W_]+")
_NEGATIONS = frozenset(("not", "neither", "nor", "cannot", "never", "t"))
KEYS = ("label", "verdict", "answer", "classification")
"""Under which of these the label of a JSON completion stands."""


def make_names(options: Mapping[str, Any]) -> dict[str, str]:
    """Return every word for a label, folded, with its label: from ``preset``, ``labels`` and ``aliases``."""
    names: dict[str, str] = {}
    for label, others in PRESETS[options["preset"]].items():
        names |= {fold(other): label for other in (label, *others)}
    names |= {fold(label): label for label in options["labels"]}
    return names | {fold(other): names.get(fold(label), label) for other, label in options["aliases"].items()}


def fold(text: str) -> str:
    """Return the words of ``text`` in small letters, one space between them."""
    return _NOT_WORD.sub(" ", text.casefold()).strip()


def find_label(completion: str, names: Mapping[str, str]) -> str | None:
    """Return the label that a completion gives; None where it gives none, or several.

    Read in this order: a completion that is a label; JSON with one of :data:`KEYS`; what follows the last "label:",
    "verdict:", "the answer is"; the only label whose word occurs, a negated one (``not supported``) aside.
    """
    if label := names.get(fold(completion)):
        return label
    try:
        value = read_json(completion)
    except ValueError:
        value = None
    if isinstance(value, dict):
        said = next((value[k] for k in KEYS if isinstance(value.get(k), str)), "")
        return names.get(fold(said))
    for said in reversed(_MARKED.findall(completion)):
        if label := names.get(fold(said)) or _only_label(said, names):
            return label
    return _only_label(completion, names)


def _only_label(text: str, names: Mapping[str, str]) -> str | None:
    words, found = fold(text).split(), set()
    longest = sorted({len(name.split()) for name in names}, reverse=True)
    at = 0
    while at < len(words):
        for n in longest:
            label = names.get(" ".join(words[at : at + n]))
            if label is not None:
                if not at or words[at - 1] not in _NEGATIONS:
                    found.add(label)
                at += n - 1
                break
        at += 1
    return found.pop() if len(found) == 1 else None


def _prepare(options: Mapping[str, Any], place: str) -> Sequence[str]:
    wrong = [
        v for v in (*options["labels"], *options["aliases"], *options["aliases"].values()) if not isinstance(v, str)
    ]
    if wrong:
        raise RecipeError(
            f"{place}.labels",
            expected="labels and aliases that are texts",
            received=repr(wrong[0]),
            cure="put them in quotes",
        )
    return ()


def _classify(case: Case, options: Mapping[str, Any]) -> tuple[str | None, str] | None:
    names = make_names(options)
    if not isinstance(case.expected, str | int) or isinstance(case.expected, bool) or not fold(str(case.expected)):
        raise CannotJudge("bad reference", f"{case.expected!r}, expected a label"[:200])
    gold = names.get(fold(str(case.expected)))
    if gold is None and names:
        raise CannotJudge(
            "bad reference", f"{case.expected!r}, expected one of {', '.join(sorted(set(names.values())))}"[:300]
        )
    if gold is None:
        return case.completion.strip() or None, str(case.expected).strip()
    return find_label(case.completion, names), gold


@verifier(
    "label", needs=("expected",), options={"preset": "", "labels": (), "aliases": {}}, choices={"preset": tuple(PRESETS)},
    prepare=_prepare, classify=_classify,
)  # fmt: skip
def label(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Compare labels. ``labels`` lists them, ``aliases`` maps other words to them, ``preset`` is a known set of both.

    Case, underscores and punctuation do not count. Without labels the whole completion is the label, and a label that
    the references do not know is a wrong answer.
    """
    found, gold = _classify(case, options) or (None, "")
    if found is None:
        return Verdict(False, 0.0, "no answer")
    same = fold(found) == fold(gold)
    return Verdict(same, float(same), "correct" if same else "wrong answer", found)
