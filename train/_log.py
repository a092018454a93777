"""Lines that a trainer logs, in the store: of a training that ends, and of one that fails up to its fault."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ..errors import FlywheelError
from ..stage import Event
from ..store import Store, insert_new

_OURS = ("event", "tokens")
"""Keys of an event that the trainer's line does not have."""


class LogKeeper:
    """Keeps the lines that go by, one a step: an attempt that begins again at a saved state replaces those after it.

    Args:
        on_event: what is called with each event in turn.
    """

    def __init__(self, on_event: Callable[[Event], None]) -> None:
        self._on_event = on_event
        self._lines: dict[int, Event] = {}

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if event["event"] == "log":
            self._lines[event["step"]] = {k: v for k, v in event.items() if k not in _OURS}
        self._on_event(event)

    def save(self, store: Store, checkpoint_id: str) -> None:
        """Write the lines down after those of an earlier attempt; a store that cannot be written hides no fault."""
        if not self._lines:
            return
        with suppress(FlywheelError):
            sql = "SELECT entry FROM train_log WHERE checkpoint_id = ? AND step < ? ORDER BY step"
            earlier = store.query(sql, [checkpoint_id, min(self._lines)])
            write_log(store, checkpoint_id, [*(json.loads(e) for (e,) in earlier), *self._lines.values()])


def write_log(store: Store, checkpoint_id: str, lines: Sequence[dict[str, Any]]) -> None:
    """Make ``lines`` the log of a checkpoint; those of an attempt that failed are taken back."""
    rows = [
        {
            "checkpoint_id": checkpoint_id, "step": e.get("step", 0), "epoch": e.get("epoch"), "loss": e.get("loss"),
            "learning_rate": e.get("learning_rate"), "entry": json.dumps(e),
        }
        for e in lines
    ]  # fmt: skip
    with store.write() as connection:
        connection.execute("DELETE FROM train_log WHERE checkpoint_id = ?", [checkpoint_id]).fetchall()
        if rows:
            insert_new(connection, "train_log", rows, key="checkpoint_id")
