"""What a training measured on held-out rows, before and after, as scores: for models that lm-eval cannot score."""

import json
from collections.abc import Mapping
from typing import Any

from ..schema import content_id, utc_now
from ..store import Store

MEASURES = ("accuracy", "macro_f1", "rougeL")
"""Metrics from 0 to 1; a loss is in the checkpoint's metrics alone."""
SUITE, SPLIT = "heldout", "report"


def record_heldout(
    store: Store, method: str, metrics: Mapping[str, Any], content: str, *, before_id: str, after_id: str
) -> None:
    """Write the scores of a checkpoint and of its parent on the same rows, each once.

    Args:
        store: where to.
        method: what was trained; the scores' task.
        metrics: of the training, with ``before``, ``after`` and ``heldout_n``.
        content: content id of the held-out rows.
        before_id: the checkpoint that the training started from.
        after_id: the checkpoint that it made.
    """
    rows = [
        {
            "score_id": content_id("score", [checkpoint_id, SUITE, SPLIT, content, method, name]),
            "checkpoint_id": checkpoint_id, "suite": SUITE, "split": SPLIT, "task": method, "task_version": "1",
            "suite_hash": content, "metric": name, "score": measured[name], "stderr": measured.get(f"{name}_stderr"),
            "n": metrics["heldout_n"], "settings": json.dumps({"rows": content}), "created_at": utc_now(),
        }
        for checkpoint_id, measured in ((before_id, metrics["before"]), (after_id, metrics["after"]))
        for name in MEASURES
        if name in measured
    ]  # fmt: skip
    store.insert("scores", rows, key="score_id")
