"""FEVER's rows in the shapes in which they are found, made into one.

A claim with a label and, where the variant shows it, evidence as texts (Thorne et al. 2018, arXiv 1803.05355). Shapes of
``evidence``: a text; a list of texts; a list of ``[page, sentence number, text]`` (``copenlu/fever_gold_evidence``); a
list of objects with ``text``; FEVER's own ids (``[[annotation, evidence, page, sentence]]``), which have no text and serve
the claim-only variant alone. ``sources`` instead of ``evidence`` may hold distractors too; ``evidence_sets`` then lists
which of them (counted from 1) prove or disprove the claim, each set by itself.
"""

import re
from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from ..schema import canonical_json
from ..store import SourceRow

LABELS = ("SUPPORTS", "REFUTES", "NOT ENOUGH INFO")
VARIANTS = ("shown", "none", "cited")
"""Evidence is given; is not; is given and has to be cited."""
_KNOWN = {
    **{label: label for label in LABELS}, "SUPPORTED": "SUPPORTS", "REFUTED": "REFUTES", "NEI": "NOT ENOUGH INFO",
    "NOT ENOUGH EVIDENCE": "NOT ENOUGH INFO", "NOT VERIFIABLE": "NOT ENOUGH INFO",
}  # fmt: skip
_LABEL_KEYS = ("label", "gold_label", "claim_label")
_TEXT_KEYS = ("text", "sentence", "evidence")
_PAGE_KEYS = ("page", "title", "article")
_BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-COLON-": ":"}
"""How FEVER's Wikipedia dump spells what stands in page names."""


def read_claim(row: SourceRow, variant: str, place: str, rules: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return ``claim``, ``label``, ``evidence`` (texts; none in the claim-only variant) and ``checks``.

    Args:
        row: as the file or hub has it.
        variant: one of :data:`VARIANTS`.
        place: where the row stands, for messages.
        rules: further options of the ``citations`` verifier, of a task that wants more than FEVER's own score.

    Raises:
        InputError: no claim, an unknown label, or no evidence where the variant needs some.
    """
    claim, label = row.row.get("claim"), _read_label(row.row, place)
    if not isinstance(claim, str) or not claim.strip():
        raise InputError(
            place,
            expected="a text under claim",
            received=repr(claim),
            cure="mend the row, or rename its column to claim",
        )
    evidence = [] if variant == "none" else _read_evidence(row.row)
    if not evidence and variant != "none" and label != LABELS[2]:
        raise InputError(
            place, expected="evidence as text", received=_tell_evidence(row.row),
            cure="use the task fever-claim-only, or rows that hold the sentences, "
            "for example hub:copenlu/fever_gold_evidence/default/validation",
        )  # fmt: skip
    found = {
        "claim": claim,
        "label": label,
        "evidence": evidence,
        "checks": _checks(row.row, label, evidence, variant, rules or {}),
    }
    return found if row.row.get("id") is None else {"id": str(row.row["id"]), **found}


def _read_label(row: Mapping[str, Any], place: str) -> str:
    given = next((row[k] for k in _LABEL_KEYS if row.get(k) is not None), None)
    label = _KNOWN.get(re.sub(r"[\s_]+", " ", given).strip().upper()) if isinstance(given, str) else None
    if label is None:
        raise InputError(
            place, expected=f"a label: {', '.join(LABELS)}", received=repr(given), cure="mend or remove the row"
        )
    return label


def _read_evidence(row: Mapping[str, Any]) -> list[str]:
    given = row.get("sources", row.get("evidence"))
    texts = map(_as_text, [given] if isinstance(given, str | Mapping) else given if isinstance(given, list) else [])
    return [t for t in texts if t]


def _as_text(one: Any) -> str:
    """Return a piece of evidence as text, its page's name before it; empty where it has none."""
    page: Any = None
    if isinstance(one, Mapping):
        page, one = (next((one[k] for k in keys if one.get(k)), None) for keys in (_PAGE_KEYS, _TEXT_KEYS))
    elif isinstance(one, list | tuple) and len(one) == 3:
        page, one = one[0], one[2]
    if not isinstance(one, str) or not one.strip():
        return ""
    return f"{_spell(page)}: {_unbracket(one).strip()}" if isinstance(page, str) else one.strip()


def _spell(page: str) -> str:
    return _unbracket(page.replace("_", " ")).strip()


def _unbracket(text: str) -> str:
    for mark, sign in _BRACKETS.items():
        text = text.replace(mark, sign)
    return text


def _tell_evidence(row: Mapping[str, Any]) -> str:
    if not row.get("sources", row.get("evidence")):
        return "none"
    return "ids of sentences without their text, as FEVER's own files have them"


def _checks(row: Mapping[str, Any], label: str, evidence: list[str], variant: str, rules: Mapping[str, Any]) -> str:
    """Return the row's checks as JSON: the label, and for the cited variant the citations."""
    checks: list[dict[str, Any]] = [
        {"as": "acc", "verifier": "label", "options": {"preset": "fever"}, "expected": label}
    ]
    if variant == "cited":
        is_open = label == LABELS[2]  # nothing proves that there is not enough
        # [[]]: nothing may be cited; []: what is cited does not matter
        nothing: list[list[int]] = [] if rules.get("surplus", True) else [[]]
        sets = nothing if is_open else row.get("evidence_sets") or []
        needed = {"required": 0 if is_open else 1, "sets": [[str(i) for i in s] for s in sets]}
        options = {"preset": "fever", **needed, **rules}
        fields = {"sources": evidence or [""]}
        checks.append({"as": "cited", "verifier": "citations", "options": options, "fields": fields})
    return canonical_json(checks)
