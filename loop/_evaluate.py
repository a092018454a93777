"""Evaluation with its progress shown, and the scores that it left."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..config import EngineConfig
from ..errors import NotFoundError
from ..eval import Split, Subject, evaluate_subject, unscored
from ..llm import ResolvedModel
from ..stage import Event
from ..store import Store
from ._describe import describe_scores
from ._engines import describe_local
from ._report_to import Reporter

GRADER = "flywheel.judge:Grading"
"""Who runs verifiers in the evaluation process."""


def local_subject(model: ResolvedModel, engine: EngineConfig) -> Subject:
    """Return a checkpoint as it is scored in process."""
    assert model.checkpoint_id is not None
    return Subject(model.checkpoint_id, model.name, describe_local(engine), model)


def evaluate(
    store: Store, reporter: Reporter, subject: Subject, what: str, splits: Sequence[Split], *,
    judge: Mapping[str, Any], run_id: str, iteration: int,
) -> None:  # fmt: skip
    """Score a subject on the splits that it has no scores on yet.

    Args:
        store: where scores go.
        reporter: who is told.
        subject: who is scored.
        what: how it is called in progress: ``sft``, ``dpo``, …
        splits: on what.
        judge: how the endpoint of judges is asked.
        run_id: the run that asks.
        iteration: of it.
    """
    wanted = unscored(store, subject, splits)
    if not wanted:
        return
    if subject.model is None and "manners" not in subject.engine and subject.recorded is None:
        raise NotFoundError(
            f"{what} on {wanted[0].suite.name}/{wanted[0].name}", expected="scores in the store: its weights are not here",
            received="none", cure="score it first: flywheel eval --answers FILE, or --engine openai",
        )  # fmt: skip
    n = sum(len(s.rows) for s in wanted)
    reporter.begin(f"[{iteration}] eval {what}", unit="items", total=n)
    done: dict[str, int] = {}
    tokens = 0

    def show(event: Event) -> None:
        nonlocal tokens
        if event["event"] == "note":
            reporter.update(note=event["note"])
        elif event["event"] == "progress":
            done[event["what"]] = event["done"]
            reporter.update(done=sum(done.values()), total=n, tokens=event["tokens"] - tokens)
            tokens = event["tokens"]

    evaluate_subject(
        store, subject, wanted, grader=GRADER, judge=judge, run_id=run_id, iteration=iteration, on_event=show
    )
    reporter.end(describe_scores(store, subject, splits))


def read_scores(store: Store, subject: Subject, splits: Sequence[Split]) -> list[tuple[Any, ...]]:
    """Return (suite, split, metric, score, stderr, n, whether higher is better) of a subject on ``splits``."""
    hashes = [subject.hash_of(s) for s in splits]
    return store.query(
        "SELECT suite, split, metric, score, stderr, n, coalesce((settings ->> '$.higher_is_better')::BOOLEAN, true) FROM scores WHERE checkpoint_id = ? AND list_contains(?, suite_hash) ORDER BY ALL",
        [subject.checkpoint_id, hashes],
    )
