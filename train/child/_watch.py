"""Follows a trainer: tells each step and log line, saves by the clock, stops at the first loss that is no number."""

import math
import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from ...stage import Emit
from ._args import world_size

MOST_SHARE = 0.02
"""Most of the training time that goes into saving by the clock."""


class Watch(TrainerCallback):
    """See the module.

    What is saved ends a stretch of the log: a resumed training then logs what an undisturbed one does. States are saved
    after what they would be resumed from was found to be finite.

    Args:
        emit: tells the parent.
        tokens_per_row: mean, for the rate.
        save_every_s: seconds between states that are saved by the clock; 0 = not by the clock.
        offset: steps of earlier stages of a curriculum.
        n_streamed: rows of an epoch where they are streamed, of which a trainer does not know how many there are; 0 = they are not.
    """

    def __init__(
        self, emit: Emit, tokens_per_row: float, save_every_s: float, offset: int, n_streamed: int = 0
    ) -> None:
        self._emit = emit
        self._tokens_per_row = tokens_per_row
        self._save_every_s = save_every_s if world_size() == 1 else 0.0
        self._offset = offset
        self._n_streamed = n_streamed
        self._saved_at = time.monotonic()
        self._save_s = 0.0
        self._n_tokens = 0.0
        self.fault: str | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self._saved_at = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell the step; decide whether it is logged and saved."""
        rows = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        if self._n_streamed:
            state.epoch = state.global_step * rows / self._n_streamed
        self._emit(
            {
                "event": "step", "step": self._offset + state.global_step, "total": self._offset + state.max_steps,
                "tokens": round(rows * self._tokens_per_row),
            }
        )  # fmt: skip
        last = state.global_step >= state.max_steps
        if self._is_due() and not last and state.logging_steps and state.global_step % state.logging_steps == 0:
            control.should_save = True
        if control.should_save or last:
            control.should_log = True
        self._saving_from = time.monotonic()

    def _is_due(self) -> bool:
        waited = time.monotonic() - self._saved_at
        return bool(self._save_every_s) and waited >= max(self._save_every_s, self._save_s / MOST_SHARE)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note how long saving takes."""
        self._saved_at = time.monotonic()
        self._save_s = self._saved_at - self._saving_from
        self._emit({"event": "saved", "step": self._offset + state.global_step})

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Tell the line; stop, unsaved, when it shows that training has gone astray."""
        if not logs or "loss" not in logs:
            return
        told = {k: v for k, v in logs.items() if isinstance(v, int | float) and math.isfinite(v)}
        if not self._tokens_per_row and "num_tokens" in told:  # rows that are made into tokens only in training
            told["tokens"] = round(told["num_tokens"] - self._n_tokens)
            self._n_tokens = told["num_tokens"]
        bad = next((k for k in ("loss", "grad_norm") if not math.isfinite(logs.get(k, 0.0))), None)
        fault = {} if bad is None else {"fault": f"a {bad} of {logs[bad]}"}
        self._emit({"event": "log", **told, **fault, "step": self._offset + state.global_step})
        if bad is not None and self.fault is None:
            self.fault = f"a {bad} of {logs[bad]} at step {state.global_step}"
            control.should_save, control.should_training_stop = False, True


class DrawsGoOn(TrainerCallback):
    """Lets random draws (dropout) go on where a saved state left off, after the first batch of a stream was read.

    The trainer does so itself where it skips rows; where the stream begins at the right row it restores them too early: that the
    stream is opened draws a number.

    Args:
        trainer: the one that goes on.
        state: folder of the state.
    """

    def __init__(self, trainer: Any, state: Path) -> None:
        self._trainer = trainer
        self._state: Path | None = state

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Restore them, once."""
        if self._state is not None:
            self._trainer._load_rng_state(str(self._state))
            self._state = None


def tokens_per_row(rows: Any) -> float:
    """Return the mean number of tokens of a prepared row, all its sequences together, over the first thousand; 0 of a stream."""
    if not hasattr(rows, "select"):
        return 0.0
    columns = [c for c in rows.column_names if c.endswith("ids")]
    some = rows.select(range(min(len(rows), 1000)))
    return sum(len(ids) for c in columns for ids in some[c]) / max(1, len(some))


def mean_loss(log: list[dict[str, Any]]) -> float | None:
    """Return the mean loss of a step, from the lines of the log: the same whether the training was interrupted or not."""
    total, last = 0.0, 0
    for entry in log:
        if "loss" in entry:
            total, last = total + entry["loss"] * (entry["step"] - last), entry["step"]
    return total / last if last else None
