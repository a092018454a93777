"""Checks of a completion that need no verifier: what it contains, how long it is, its number, whether it refuses."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from ._refusals import find_refusal

Outcome = tuple[bool, str, str]
"""Passed, a short reason, and what was found."""

_SIGN = r"(?<![\w)\]}%°-])[-−][$€£]?"
"""A hyphen behind a letter, a digit or a closing bracket joins (3-4, 2024-05-01, GPT-4, x-4); it is no sign."""
_NUMBER = re.compile(rf"(?:{_SIGN})?(?:\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+)")
_MARKED = (re.compile(r"####\s*(.+)"), re.compile(r"\\boxed\{([^{}]*)\}"))


def run_plain(check: Mapping[str, Any], completion: str) -> dict[str, Any]:
    """Return what a check says of a completion, as a grader would."""
    passed, reason, evidence = _KINDS[check["plain"]](check, completion)
    return {"passed": passed, "score": float(passed), "reason": reason, "evidence": evidence or None, "labels": None}


def _contains(check: Mapping[str, Any], completion: str) -> Outcome:
    missing = [t for t in check["value"] if not _occurs(t, completion, check)]
    return (not missing, "missing" if missing else "found", ", ".join(missing))


def _contains_any(check: Mapping[str, Any], completion: str) -> Outcome:
    found = [t for t in check["value"] if _occurs(t, completion, check)]
    return (bool(found), "found" if found else "missing", ", ".join(found))


def _not_contains(check: Mapping[str, Any], completion: str) -> Outcome:
    found = [t for t in check["value"] if _occurs(t, completion, check)]
    return (not found, "found" if found else "absent", ", ".join(found))


def _occurs(text: str, completion: str, check: Mapping[str, Any]) -> bool:
    if check["ignore_case"]:
        text, completion = text.casefold(), completion.casefold()
    if not check.get("whole_words"):
        return text in completion
    return re.search(rf"(?<!\w)(?<!\d[.,]){re.escape(text)}(?!\w)(?![.,]\d)", completion) is not None


def _numeric(check: Mapping[str, Any], completion: str) -> Outcome:
    numbers = [n for pattern in _MARKED for said in pattern.findall(completion)[-1:] for n in _NUMBER.findall(said)[:1]]
    numbers = numbers or _NUMBER.findall(completion)[-1:]
    if not numbers:
        return False, "no number", ""
    number = float(re.sub("[,$€£]", "", numbers[0]).replace("−", "-"))
    passed = abs(number - check["value"]) <= check["tolerance"]
    return passed, "right" if passed else "wrong", numbers[0]


def _max_words(check: Mapping[str, Any], completion: str) -> Outcome:
    return _at_most(len(completion.split()), check["value"], "words")


def _max_chars(check: Mapping[str, Any], completion: str) -> Outcome:
    return _at_most(len(completion), check["value"], "characters")


def _at_most(n: int, limit: int, unit: str) -> Outcome:
    return n <= limit, "short enough" if n <= limit else "too long", f"{n} {unit}"


def _refusal(check: Mapping[str, Any], completion: str) -> Outcome:
    found = find_refusal(completion)
    return bool(found) == check["value"], "refuses" if found else "answers", found


_KINDS: dict[str, Callable[[Mapping[str, Any], str], Outcome]] = {
    "contains": _contains, "contains_any": _contains_any, "not_contains": _not_contains, "numeric": _numeric,
    "max_words": _max_words, "max_chars": _max_chars, "refusal": _refusal,
}  # fmt: skip
