"""Verdicts, pairs, and the data that deserves training."""

from ._classify import Classification, LabelFigures, classify
from ._decontaminate import Decontaminator, EvalText, Match, find_embedded
from ._grade import Grading
from ._mapper import HERE, PART_CHARS, Here, Mapper
from ._mutants import Mutant, make_mutants
from ._own_rows import OwnCuration, OwnFate, OwnRow, read_parts, sift_own
from ._pairs import Scope, make_pairs
from ._reward import as_reward
from ._rows import drop_rows
from ._score_file import FileScore, Judged, Source, score_file
from ._snapshot import Freezer, Rules, Snapshot
from ._snapshot_more import snapshot_grpo, snapshot_kto, snapshot_own
from ._verdict import Verdict
from ._verify import MATH_JUDGE, Grader, make_grader, verdict_row, verify_samples
from .verifiers import CannotJudge, Case, Verifier, complete_options, find_verifier, run_verifier, verifier, verify_math

__all__ = [
    "HERE",
    "MATH_JUDGE",
    "PART_CHARS",
    "CannotJudge",
    "Case",
    "Classification",
    "Decontaminator",
    "EvalText",
    "FileScore",
    "Freezer",
    "Grader",
    "Grading",
    "Here",
    "Judged",
    "LabelFigures",
    "Mapper",
    "Match",
    "Mutant",
    "OwnCuration",
    "OwnFate",
    "OwnRow",
    "Rules",
    "Scope",
    "Snapshot",
    "Source",
    "Verdict",
    "Verifier",
    "as_reward",
    "classify",
    "complete_options",
    "drop_rows",
    "find_embedded",
    "find_verifier",
    "make_grader",
    "make_mutants",
    "make_pairs",
    "read_parts",
    "run_verifier",
    "score_file",
    "sift_own",
    "snapshot_grpo",
    "snapshot_kto",
    "snapshot_own",
    "verdict_row",
    "verifier",
    "verify_math",
    "verify_samples",
]
