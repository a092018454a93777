"""One verdict type for verifiers (code) and judges (models)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Verdict:
    """What is said of one completion.

    Attributes:
        passed: None = abstained.
        score: 0 to 1; None = no score.
        reason: short and countable: ``correct``, ``wrong answer``, ``no answer``, …
        evidence: what the verdict rests on, such as the extracted answer.
    """

    passed: bool | None
    score: float | None
    reason: str
    evidence: str | None = None
