"""Evaluation with its progress shown, and the scores that it left."""

from collections.abc import Sequence
from typing import Any

from ..eval import Split, evaluate_checkpoint, unscored
from ..llm import ResolvedModel
from ..stage import Event
from ..store import Store
from ..train import Checkpoint
from ._describe import describe_scores
from ._report_to import Reporter


def evaluate(
    store: Store, reporter: Reporter, checkpoint: Checkpoint, model: ResolvedModel, splits: Sequence[Split], *,
    only: Sequence[Split] | None, run_id: str, iteration: int, batch_size: int,
) -> None:  # fmt: skip
    """Score a checkpoint on the splits that it has no scores on yet.

    Args:
        splits: the run's.
        only: those to score; None: all.
    """
    wanted = unscored(store, checkpoint.checkpoint_id, splits if only is None else only)
    if not wanted:
        return
    n = sum(len(s.rows) for s in wanted)
    reporter.begin(f"[{iteration}] eval {checkpoint.stage}", unit="items", total=n)
    done: dict[str, int] = {}
    tokens = 0

    def show(event: Event) -> None:
        nonlocal tokens
        if event["event"] == "progress":
            done[event["what"]] = event["done"]
            reporter.update(done=sum(done.values()), total=n, tokens=event["tokens"] - tokens)
            tokens = event["tokens"]

    evaluate_checkpoint(store, model, wanted, run_id=run_id, iteration=iteration, batch_size=batch_size, on_event=show)
    reporter.end(describe_scores(store, checkpoint, splits))


def read_scores(store: Store, checkpoint: Checkpoint, splits: Sequence[Split]) -> list[tuple[Any, ...]]:
    """Return (suite, split, metric, score, stderr, n) of a checkpoint on ``splits``."""
    hashes = [s.suite_hash for s in splits]
    return store.query(
        "SELECT suite, split, metric, score, stderr, n FROM scores WHERE checkpoint_id = ? AND list_contains(?, suite_hash) ORDER BY ALL",
        [checkpoint.checkpoint_id, hashes],
    )
