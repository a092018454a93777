"""Verifiers: code that judges a completion, deterministically."""

from ._math import MARKERS, NAME, VERSION, extract_answer, parse_number, verify_math

__all__ = ["MARKERS", "NAME", "VERSION", "extract_answer", "parse_number", "verify_math"]
