"""Batches when memory runs out: fewer rows at once, more steps before an update, the same rows in each update."""

from typing import Any

DEFAULT_BATCH = 8
"""transformers' own micro-batch."""


def smaller_batch(args: dict[str, Any]) -> dict[str, Any] | None:
    """Return arguments with a smaller micro-batch and the same effective batch; None when one row is the batch already."""
    batch = int(args.get("per_device_train_batch_size", DEFAULT_BATCH))
    steps = int(args.get("gradient_accumulation_steps", 1))
    factor = next((f for f in range(2, batch + 1) if batch % f == 0), None)
    if factor is None:
        return None
    return {**args, "per_device_train_batch_size": batch // factor, "gradient_accumulation_steps": steps * factor}
