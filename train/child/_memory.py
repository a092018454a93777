"""Memory that ran out, told so that the same command can do with less."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import OutOfMemoryError

_MARKS = (
    "DefaultCPUAllocator",
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "Cannot allocate memory",
)
DEFAULT_BATCH = 8
"""transformers' own micro-batch."""


@contextmanager
def told_when_out_of_memory(method: str, args: dict[str, Any]) -> Iterator[None]:
    """Turn an allocation that failed into what to lower.

    Raises:
        OutOfMemoryError: memory ran out in the block.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        batch, steps = (
            args.get("per_device_train_batch_size", DEFAULT_BATCH),
            args.get("gradient_accumulation_steps", 1),
        )
        raise OutOfMemoryError(
            f"training {method}", expected=f"memory for a micro-batch of {batch} rows",
            received=(str(error) or type(error).__name__).split("\n")[0][:300],
            cure=_cure(method, batch, steps),
        ) from error  # fmt: skip


def _cure(method: str, batch: int, steps: int) -> str:
    key = f"train.{method}"
    smaller = (
        f"lower {key}.per_device_train_batch_size to {max(1, batch // 2)} and raise gradient_accumulation_steps to "
        f"{steps * 2} (train.oom_retries: 2 does so by itself)"
        if batch > 1
        else f"lower {key}.max_length"
    )
    return f"{smaller}, set {key}.gradient_checkpointing: true, or train an adapter (train.peft)"


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(mark in str(error) for mark in _MARKS)
