"""Verifiers: code that judges a completion, deterministically."""

from ._math import MARKERS, NAME, VERSION, extract_answer, parse_number, verify_math
from ._verifier import REQUIRED, Case, Verifier, verifier

__all__ = [
    "MARKERS",
    "NAME",
    "REQUIRED",
    "VERSION",
    "Case",
    "Verifier",
    "extract_answer",
    "parse_number",
    "verifier",
    "verify_math",
]
