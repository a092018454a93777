"""Verifiers: code that judges a completion, deterministically."""

from ._math import GUESSES, MARKERS, NAME, VERSION, extract_answer, verify_math
from ._quantity import parse_number
from ._registry import built_in, check_columns, complete_options, find_verifier
from ._run import run_verifier, tell_truncated
from ._verifier import REQUIRED, CannotJudge, Case, Verifier, verifier

__all__ = [
    "GUESSES",
    "MARKERS",
    "NAME",
    "REQUIRED",
    "VERSION",
    "CannotJudge",
    "Case",
    "Verifier",
    "built_in",
    "check_columns",
    "complete_options",
    "extract_answer",
    "find_verifier",
    "parse_number",
    "run_verifier",
    "tell_truncated",
    "verifier",
    "verify_math",
]
