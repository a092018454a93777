"""Verdicts, pairs, and the data that deserves training."""

from ._decontaminate import Decontaminator, EvalText, Match, find_embedded
from ._pairs import make_pairs
from ._rows import drop_rows
from ._snapshot import Snapshot, snapshot_dpo, snapshot_sft
from ._verdict import Verdict
from ._verify import MATH_JUDGE, verdict_row, verify_samples
from .verifiers import verify_math

__all__ = [
    "MATH_JUDGE",
    "Decontaminator",
    "EvalText",
    "Match",
    "Snapshot",
    "Verdict",
    "drop_rows",
    "find_embedded",
    "make_pairs",
    "snapshot_dpo",
    "snapshot_sft",
    "verdict_row",
    "verify_math",
    "verify_samples",
]
