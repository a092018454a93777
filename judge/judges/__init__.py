"""Judges: models that judge completions. They turn rows into prompts and completions into verdicts, and do no I/O."""

from ._checklist import Checklist
from ._grader import GraderJudge
from ._judge import (
    VERSION,
    Completed,
    Failed,
    Judge,
    Judgement,
    Opinion,
    Prompt,
    Record,
    Reply,
    judge_id,
)
from ._make import KINDS, make_judge
from ._meant import is_meant
from ._pairwise import Pairwise
from ._panel import Panel
from ._parse import Read, read_checks, read_right, read_score, read_winner
from ._reference import Reference
from ._rubric import Rubric
from ._tokens import Expected, expect_score

__all__ = [
    "KINDS",
    "VERSION",
    "Checklist",
    "Completed",
    "Expected",
    "Failed",
    "GraderJudge",
    "Judge",
    "Judgement",
    "Opinion",
    "Pairwise",
    "Panel",
    "Prompt",
    "Read",
    "Record",
    "Reference",
    "Reply",
    "Rubric",
    "expect_score",
    "is_meant",
    "judge_id",
    "make_judge",
    "read_checks",
    "read_right",
    "read_score",
    "read_winner",
]
