"""The rules of the gate: when a challenger becomes champion, and what keeps it out."""

from typing import Literal

from pydantic import Field, model_validator

from ._strict import Name, Strict, fault

Measure = Literal["completion_tokens", "tokens", "completion_chars", "latency_s"]


class _ItemsConfig(Strict):
    cluster: str | None = None
    """Column of the suite's rows that says which items belong together (questions on one document, say): they are drawn and
    flipped together; default: each item stands alone."""
    weight: str | None = None
    """Column of the suite's rows with each item's weight, above 0; default: all count the same."""


class GuardConfig(_ItemsConfig):
    """A suite that must not fall, against the champion and against the first model."""

    suite: Name
    tolerance: float = Field(0.0, ge=0, le=1)
    """Loss (0 to 1) that is accepted; 0 = none."""
    rule: Literal["fall", "hold"] = "fall"
    """``fall``: vetoes when the suite is shown to lose more than ``tolerance``. ``hold``: vetoes unless the suite is shown to lose
    less than ``tolerance`` (non-inferiority); needs a tolerance, and items enough to show it."""
    level: float = Field(0.05, gt=0, lt=1)
    """One-sided level of each decision. ``fall``: most vetoes without cause, over all guards together (Holm). ``hold``: most
    challengers let through that lose more than ``tolerance``, for each guard."""

    @model_validator(mode="after")
    def _can_hold(self) -> "GuardConfig":
        if self.rule == "hold" and self.tolerance == 0:
            raise fault(
                "a tolerance above 0 beside rule: hold", "tolerance 0",
                "set tolerance, e.g. 0.02: no number of items shows a loss of exactly nothing",
            )  # fmt: skip
        return self


class LimitConfig(Strict):
    """What a challenger's answers may cost."""

    measure: Measure
    """Mean per item: ``completion_tokens``, ``tokens`` (prompt and completion), ``completion_chars``, ``latency_s``."""
    increase: float = Field(ge=0)
    """Largest increase that is let through: 0.2 = 20 %."""
    suite: Name | None = None
    """Suite whose gate split is measured; default: the gate's."""
    against: Literal["champion", "first"] = "champion"
    """``first``: the first model, so that small increases do not add up."""


class GateConfig(_ItemsConfig):
    """When a challenger becomes champion."""

    suite: Name | None = None
    """Suite whose gate split decides; default: the first."""
    level: float = Field(0.05, gt=0, lt=1)
    """Largest chance that a run promotes, ever, a challenger that is no better: over all its decisions together
    (``per: run``) or in each one (``per: decision``). One-sided."""
    per: Literal["run", "decision"] = "run"
    """What ``level`` is for."""
    decisions: int = Field(0, ge=0)
    """Decisions over which the run's level is spread; 0 = the recipe's iterations times its trainings. Later ones get less,
    but never nothing."""
    min_effect: float = Field(0.0, ge=0, le=1)
    """Smallest measured gain (0 to 1) worth a promotion; 0 = any significant gain."""
    guards: tuple[GuardConfig, ...] = ()
    limits: tuple[LimitConfig, ...] = ()
