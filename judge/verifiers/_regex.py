"""The ``regex`` verifier: a pattern that the completion must match, or must not."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import RecipeError
from .._verdict import Verdict
from ._verifier import CannotJudge, Case, verifier

TIMEOUT_S = 2.0
"""A pattern that takes longer on a text is an abstention: some take exponential time."""
MODES = ("search", "fullmatch")


def _prepare(options: Mapping[str, Any], place: str) -> Sequence[str]:
    if options["pattern"]:
        _compile(options["pattern"], options["ignore_case"], place)
    return ()


def _compile(pattern: str, ignore_case: bool, place: str) -> Any:
    import regex  # the standard library's re cannot be timed out

    try:
        return regex.compile(pattern, regex.IGNORECASE if ignore_case else 0)
    except regex.error as error:
        raise RecipeError(
            f"{place}.pattern",
            expected="a regular expression",
            received=f"{pattern!r}: {error}",
            cure="mend the pattern",
        ) from None


@verifier(
    "regex", options={"pattern": "", "mode": "search", "ignore_case": False, "negate": False}, choices={"mode": MODES},
    prepare=_prepare,
)  # fmt: skip
def regex_verifier(case: Case, options: Mapping[str, Any]) -> Verdict:
    """Search ``pattern`` in the completion (``mode: fullmatch``: it must match all of it); ``negate`` turns it round.

    Without ``pattern`` the reference is the pattern.
    """
    pattern = options["pattern"] or case.expected
    if not isinstance(pattern, str) or not pattern:
        raise CannotJudge("no pattern")
    try:
        compiled = _compile(pattern, options["ignore_case"], "expected")
    except RecipeError as error:
        raise CannotJudge("bad reference", error.received) from None
    try:
        found = getattr(compiled, options["mode"])(case.completion, timeout=TIMEOUT_S)
    except TimeoutError:
        raise CannotJudge("timed out", f"{pattern!r} takes more than {TIMEOUT_S:g} s on this text") from None
    passed = (found is None) if options["negate"] else (found is not None)
    return Verdict(passed, float(passed), "match" if found else "no match", found[0] if found else None)
