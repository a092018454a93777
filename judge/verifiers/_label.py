"""The ``label`` verifier: which label of a classification a completion gives."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import RecipeError
from .._verdict import Verdict
from ._json_text import read_json
from ._text import NOT_SAID
from ._tidy import words
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

MARKED = re.compile(
    r"\b(?:label|verdict|answer|classification|class|conclusion)\b[\s*_]*(?:is|=|:)+[\s*_]*([^\n]+)", re.IGNORECASE
)
_NOT_WORD = re.compile(r"[\W_]+")
_CLAUSE = re.compile(
    r"[.,;:!?\n()]|\b(?:but|so|therefore|thus|hence|instead|because|since|as|however|which)\b", re.IGNORECASE
)
"""Where a negation ends."""
_NEGATIONS = frozenset(
    words(
        "not neither nor cannot never t isnt doesnt no nothing nobody none without hardly barely scarcely lack lacks lacking fail fails failed"
        " unable far partially partly half mostly almost nearly somewhat"
    )
)
"""Words after which a label of the same clause is not given (``t`` is the end of ``isn't``)."""
_ASSURED = re.compile(
    r"\b(?:there is )?(?:no|without(?: an?| any)?|beyond(?: an?| any)?) (?:reasonable )?doubts?\b", re.IGNORECASE
)
_BEHIND_DENIES = re.compile(
    r"(?:(?:only |just |exactly )?the (?:exact |very )?(?:opposite|contrary|reverse|converse)|nothing|neither|none|no)\b"
)
"""What makes another of the label before it: ``supports the opposite``."""
_DENIALS = frozenset(words("not wrong incorrect inaccurate ruled"))
_BEHIND_NO = frozenset(words("it the that this these those he she they i we there"))
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
    "verdict:", "the answer is" that has a label's word; the only label whose word occurs. A label that its clause denies
    (``not supported``, ``fails to support``, ``partly true``) is not given, and nor is its opposite.
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
    for said in reversed(MARKED.findall(completion)):
        if label := names.get(fold(said)):
            return label
        given, denied = _labels_in(said, names)
        if given or denied:
            return given.pop() if len(given) == 1 else None
    given, _ = _labels_in(completion, names)
    return given.pop() if len(given) == 1 else None


def _labels_in(text: str, names: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """Return the labels that a text gives, and those that it denies."""
    given: set[str] = set()
    denied: set[str] = set()
    longest = sorted({len(name.split()) for name in names}, reverse=True)
    negated = False
    for clause in _CLAUSE.split(NOT_SAID.sub(" not ", _ASSURED.sub(" ", text))):
        if each := fold(clause).split():
            negated = _read_clause(each, names, longest, negated, (given, denied))
    return given, denied


def _read_clause(
    each: list[str], names: Mapping[str, str], longest: list[int], negated: bool, found: tuple[set[str], set[str]]
) -> bool:
    """Add the labels of a clause to those given or denied; say whether it ends in a negation: ``not, however, supported``."""
    at = 0
    while at < len(each):
        name = next((n for k in longest if (n := " ".join(each[at : at + k])) in names), None)
        if name is None or (name == "no" and not _is_an_answer(each, at)):
            negated = negated or each[at] in _NEGATIONS
            at += 1
            continue
        at += len(name.split())
        found[negated or _is_denied_behind(each[at : at + 3])].add(names[name])
        if " " in name and each[at : at + 1] == ["to"]:  # not enough information to support or refute it
            return False
    return each[-1] in _NEGATIONS - {"no", "t"}


def _is_denied_behind(each: list[str]) -> bool:
    """Say whether "is wrong", "is not right", "the opposite" follow a label."""
    return bool(_BEHIND_DENIES.match(" ".join(each))) or bool(
        {"is", "would", "be"} & set(each[:2]) and _DENIALS & set(each)
    )


def _is_an_answer(each: list[str], at: int) -> bool:
    """Say whether "no" answers: alone, at the end, or before a statement; "no idea" does not."""
    return at == len(each) - 1 or (at == 0 and each[1] in _BEHIND_NO)


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
    "label", version=3, needs=("expected",), options={"preset": "", "labels": (), "aliases": {}}, choices={"preset": tuple(PRESETS)},
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
