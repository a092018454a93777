"""What shapes a training beside its method's arguments, and where it runs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Shape:
    """What the weights depend on; see :class:`flywheel.config.TrainConfig` for each."""

    peft: dict[str, Any] | None = None
    merge: bool = True
    quantization: dict[str, Any] | None = None
    rewards: dict[str, Any] | None = None
    """``entry`` (``module:function`` that makes reward functions), ``spec`` and ``folder`` (what it is given), ``columns`` (that
    rewards read), ``content`` (what stands behind names)."""
    curriculum: tuple[dict[str, Any], ...] = ()
    curriculum_by: str | None = None
    reasoning: str = "keep"
    accept: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    chat_template: str | None = None
    """Text of a template that replaces the model's own, and is saved with the checkpoint."""
    streaming: bool = False
    """Rows are read from shards, in an order of their own."""
    accelerate: str | None = None
    """Content of the user's accelerate config: the number of processes is part of the batch."""

    def identity(self) -> dict[str, Any]:
        """Return what differs from the defaults: what a later flywheel adds changes no id of today."""
        default = Shape()
        differs = {k: v for k, v in vars(self).items() if v != getattr(default, k)}
        if self.rewards is not None:  # the same rewards in a folder that has moved are the same
            differs["rewards"] = {k: self.rewards[k] for k in ("spec", "content")}
        return differs

    def contract(self) -> dict[str, Any]:
        """Return the keys of the training process's job."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items() if k != "accelerate"}


@dataclass(frozen=True)
class Heldout:
    """Rows that are measured on.

    Attributes:
        path: JSON lines, called by the id of their content.
        unread: lines of the source that were no rows, each with why.
    """

    path: Path
    unread: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Running:
    """Where a training runs, and what becomes of it when it fails; nothing here changes the weights."""

    python: str | None = None
    accelerate: Path | None = None
    oom_retries: int = 0
    save_every_s: float = 300.0
    heldout: Heldout | None = None
    unseen: Path | None = None
    """JSON lines of rows that must not be trained on: those that this training, or another of the recipe, is measured on."""
    root: Path = field(default_factory=Path)
    """Folder that paths of images start from."""
