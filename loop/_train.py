"""Training with its progress shown; left out, on record, when there are too few rows."""

from typing import Any

from ..config import Recipe
from ..gen import Step
from ..judge import Snapshot, drop_rows
from ..llm import hash_model
from ..stage import Event
from ..store import Store
from ..train import Checkpoint, TrainJob, train_checkpoint
from ._describe import describe_training
from ._report_to import Reporter
from ._words import count


def train(
    store: Store, recipe: Recipe, reporter: Reporter, step: Step, parent: Checkpoint, snapshot: Snapshot, *, seed: int
) -> Checkpoint | None:  # fmt: skip
    """Train ``parent`` on a snapshot by the step's name, ``sft`` or ``dpo``; None when it has too few rows."""
    run_id, iteration, method = step.run_id, step.iteration, step.name
    if snapshot.n_rows < recipe.train.min_rows:
        reason = f"{count(snapshot.n_rows, 'row')}: fewer than train.min_rows = {recipe.train.min_rows}"
        drop_rows(store, run_id, iteration, f"{method}/train", reason, snapshot.snapshot_id, snapshot.n_rows)
        reporter.say(f"[{iteration}] {method} left out: {reason}")
        return None
    args: dict[str, Any] = dict((recipe.train.sft if method == "sft" else recipe.train.dpo) or {})
    if recipe.curate.difficulty.order != "given":
        args.setdefault("train_sampling_strategy", "sequential")  # a curriculum that is shuffled is none
    job = TrainJob(
        run_id, iteration, method, parent, hash_model(parent.path), snapshot.snapshot_id, snapshot.path, snapshot.n_rows,
        args, seed,
    )  # fmt: skip
    reporter.begin(f"[{iteration}] train {method}", unit="steps")

    def show(event: Event) -> None:
        if event["event"] == "step":
            reporter.update(done=event["step"], total=event["total"], tokens=event["tokens"])
        elif event["event"] == "log":
            reporter.update(note=f"loss {float(event['loss']):.4f}")

    made = train_checkpoint(store, job, on_event=show)
    reporter.end(describe_training(store, made, snapshot))
    return made
