"""What a flow has done so far."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Stop:
    """Why a flow ended early. ``signal``: the number of the signal that asked for it; None: a budget."""

    reason: str
    signal: int | None = None

    def __str__(self) -> str:
        return self.reason


@dataclass
class Progress:
    """What a flow has done so far.

    Attributes:
        done: inputs with an outcome, by step; planned: inputs that are known, by step.
    """

    planned: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    samples: int = 0
    drops: int = 0
    requests: int = 0
    reused: int = 0
    completion_tokens: int = 0
    stopped: Stop | None = None
    told_tokens: int = 0

    def take_tokens(self) -> int:
        """Return the completion tokens since the last call."""
        new = self.completion_tokens - self.told_tokens
        self.told_tokens = self.completion_tokens
        return new
