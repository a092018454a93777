"""What is watched over the iterations, and which problems these take: keys of the recipe."""

from typing import Any, Literal

from pydantic import Field, model_validator

from ._strict import Strict, fault


class ThresholdConfig(Strict):
    """How far a measure may go the wrong way."""

    against: Literal["first", "before"] = "first"
    """What it is compared with: the run's first iteration, or the one before."""
    warn: float = Field(0.0, ge=0)
    """Change above which it is told; 0 = disabled."""
    stop: float = Field(0.0, ge=0)
    """Change above which the run ends, with exit code 1; 0 = disabled."""

    @model_validator(mode="after")
    def _warn_first(self) -> "ThresholdConfig":
        if self.stop and self.warn > self.stop:
            raise fault(
                f"at most stop = {self.stop:g}", f"warn = {self.warn:g}", "warn before the run stops", ("warn",)
            )
        return self


def _default(warn: float) -> Any:
    return Field(default_factory=lambda: ThresholdConfig(warn=warn))


class WatchConfig(Strict):
    """Thresholds of the collapse watch. A measure's keys may be given in part: ``length: {stop: 1.0}`` still warns."""

    diversity: ThresholdConfig = _default(0.3)
    """Fall of distinct-2, as a share of what it was."""
    length: ThresholdConfig = _default(0.5)
    """Change of the mean length, up or down, as a share."""
    entropy: ThresholdConfig = _default(0.3)
    """Fall of the entropy, as a share."""
    repeats: ThresholdConfig = _default(0.3)
    """Rise of the share of repeated completions (0.3: from 10 to 40 %)."""
    disagreement: ThresholdConfig = _default(0.15)
    """Rise of the share of samples on which a judge and the verifier disagree."""
    gap: ThresholdConfig = _default(0.15)
    """Rise of the pass rate on training problems over the gate score."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        """Keep the default warning of a measure that only its other keys are given of, no higher than its stop."""
        if not isinstance(given, dict):
            return given
        filled = dict(given)
        for name, keys in given.items():
            if name in cls.model_fields and isinstance(keys, dict) and "warn" not in keys:
                usual = cls.model_fields[name].get_default(call_default_factory=True).warn
                stop = keys.get("stop")
                warn = min(usual, stop) if isinstance(stop, int | float) and stop > 0 else usual
                filled[name] = {**keys, "warn": warn}
        return filled

    def items(self) -> list[tuple[str, ThresholdConfig]]:
        """Return the measures by name, with their thresholds."""
        return [(name, getattr(self, name)) for name in type(self).model_fields]


class ChooseConfig(Strict):
    """Which problems an iteration after the first takes, by how they were solved when they were tried last.

    Shares are of ``solve.problems`` (and of ``on_policy.problems``); the rest are problems that were never tried. All 0 =
    disabled: each iteration takes the next problems of one order.
    """

    sometimes: float = Field(0.0, ge=0, le=1)
    """Problems between the bounds: what there is to learn from."""
    always: float = Field(0.0, ge=0, le=1)
    """Problems at or above ``high``: so that forgetting is seen."""
    never: float = Field(0.0, ge=0, le=1)
    """Problems at or below ``low``."""
    low: float = Field(0.0, ge=0, lt=1)
    """Pass rate up to which a problem counts as never solved."""
    high: float = Field(1.0, gt=0, le=1)
    """Pass rate from which a problem counts as always solved."""

    @model_validator(mode="after")
    def _fits(self) -> "ChooseConfig":
        total = self.sometimes + self.always + self.never
        if total > 1 + 1e-9:
            raise fault("shares that sum to at most 1", f"{total:g}", "lower one; what is left is for new problems")
        if self.low >= self.high:
            raise fault(f"below high = {self.high:g}", f"low = {self.low:g}", "leave room between them", ("low",))
        return self

    @property
    def is_on(self) -> bool:
        """Whether anything is chosen by pass rate."""
        return bool(self.sometimes or self.always or self.never)
