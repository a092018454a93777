"""Running a verifier on one case: whatever goes wrong becomes an abstention, never a crash."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...errors import SandboxError
from .._verdict import Verdict
from ._verifier import CannotJudge, Case, Verifier

EVIDENCE_CHARS = 2000
"""Longest evidence that is kept."""


def run_verifier(verifier: Verifier, case: Case, options: Mapping[str, Any]) -> Verdict:
    """Return the verdict of ``verifier`` on ``case``.

    Args:
        verifier: see :func:`~flywheel.judge.verifiers.find_verifier`.
        case: what is judged.
        options: complete ones, see :func:`~flywheel.judge.verifiers.complete_options`.

    Returns:
        An abstention (``passed`` None) where the case lacks a column that the verifier needs, where its reference cannot
        be used, and where the verifier raises: the exception is then the evidence.

    Raises:
        SandboxError: the verifier runs programs, and this machine cannot isolate them.
    """
    for column in verifier.needs:
        if (case.expected if column == "expected" else case.fields.get(column)) is None:
            return Verdict(None, None, f"no {column}")
    try:
        verdict: Any = verifier.check(case, options)
    except SandboxError:
        raise  # no row is to blame for a machine that cannot run programs
    except CannotJudge as reason:
        return _shorten(Verdict(None, None, reason.reason, reason.evidence))
    except Exception as error:  # noqa: BLE001  # the boundary where a fault of a verifier becomes an abstention
        return _shorten(Verdict(None, None, f"verifier failed: {type(error).__name__}", str(error)))
    if not isinstance(verdict, Verdict):
        return Verdict(None, None, "verifier failed: no Verdict", repr(type(verdict)))
    return _shorten(tell_truncated(verdict, case.finish_reason))


def tell_truncated(verdict: Verdict, finish_reason: str | None) -> Verdict:
    """Give a completion that was cut off before its answer the reason ``truncated``."""
    cut = verdict.reason == "no answer" and finish_reason == "length"
    return replace(verdict, reason="truncated") if cut else verdict


def _shorten(verdict: Verdict) -> Verdict:
    evidence = verdict.evidence
    if evidence is None or len(evidence) <= EVIDENCE_CHARS:
        return verdict
    return replace(verdict, evidence=evidence[:EVIDENCE_CHARS] + "…")
