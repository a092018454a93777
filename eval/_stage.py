"""Evaluation as a stage: a checkpoint and suites in, scores and one row per item out. What is scored already is not
scored again.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from ..llm import ResolvedModel
from ..schema import RequestRow, canonical_json, content_id, utc_now
from ..stage import Event, clear_stage, run_stage
from ..store import Store, insert_new
from ._suites import Split
from ._task_files import task_version

CHILD = "flywheel.eval._child"
STEP = "eval"


def evaluate_checkpoint(
    store: Store,
    model: ResolvedModel,
    splits: Sequence[Split],
    *,
    run_id: str | None,
    iteration: int | None,
    batch_size: int,
    on_event: Callable[[Event], None] = lambda event: None,
) -> None:
    """Score ``model`` on ``splits``, which the store has no scores of (see :func:`unscored`).

    Raises:
        StageError: the evaluation process failed.
        RecipeError: a suite's task cannot be served.
    """
    assert model.checkpoint_id is not None
    contract = _contract(model, splits, batch_size)
    work = store.project.work / content_id("eval", contract)
    result = run_stage(CHILD, contract, work, on_event=on_event)
    with store.write() as connection:
        for scored in result["results"]:
            split = next(s for s in splits if (s.suite.name, s.name) == (scored["suite"], scored["split"]))
            _record(connection, model, split, scored, run_id, iteration)
    clear_stage(work)


def unscored(store: Store, checkpoint_id: str, splits: Sequence[Split]) -> list[Split]:
    """Return the splits that the store has no scores of, for this checkpoint."""
    return [s for s in splits if not _has_scores(store, checkpoint_id, s)]


def _has_scores(store: Store, checkpoint_id: str, split: Split) -> bool:
    return bool(
        store.query(
            "SELECT 1 FROM scores WHERE checkpoint_id = ? AND suite = ? AND split = ? AND suite_hash = ?",
            [checkpoint_id, split.suite.name, split.name, split.suite_hash],
        )
    )


def _contract(model: ResolvedModel, splits: Sequence[Split], batch_size: int) -> dict[str, Any]:
    return {
        "model": asdict(model),
        "batch_size": batch_size,
        "splits": [
            {
                "suite": s.suite.name, "split": s.name, "suite_hash": s.suite_hash, "task_file": str(s.task_file),
                "rows": str(s.path), "fewshot": str(s.fewshot_path) if s.fewshot_path else None,
                "num_fewshot": s.suite.num_fewshot, "apply_chat_template": s.suite.apply_chat_template,
                "doc_to_text": s.suite.doc_to_text, "max_gen_toks": s.suite.max_gen_toks,
            }
            for s in splits
        ],
    }  # fmt: skip


def _record(
    connection: Any,
    model: ResolvedModel,
    split: Split,
    scored: dict[str, Any],
    run_id: str | None,
    iteration: int | None,
) -> None:
    """Write requests, scores and items inside the caller's transaction: a score comes with all its items or not at all."""
    requests = [_request_row(a, model, run_id, iteration) for a in scored["answers"]]
    scores, items = [], []
    for score in scored["scores"]:
        score_id = content_id(
            "score", [model.checkpoint_id, split.suite.name, split.name, split.suite_hash, score["metric"]]
        )
        settings = {**split.suite.model_dump(mode="json"), "num_fewshot": scored["num_fewshot"]}
        scores.append(
            {
                "score_id": score_id, "checkpoint_id": model.checkpoint_id, "suite": split.suite.name,
                "split": split.name, "task": split.suite.task, "task_version": task_version(split.task_file),
                "suite_hash": split.suite_hash, "metric": score["metric"], "score": float(score["score"]),
                "stderr": score["stderr"], "n": len(score["items"]), "settings": json.dumps(settings),
                "created_at": utc_now(),
            }
        )  # fmt: skip
        items += [{"score_id": score_id, **item} for item in score["items"]]
    columns = ("score_id", "item_id", "ordinal", "request_id", "target", "filtered", "value")
    if requests:
        insert_new(connection, "requests", [asdict(r) for r in requests], key="request_id")
    insert_new(connection, "score_items", [{c: i[c] for c in columns} for i in items], key="score_id")
    insert_new(connection, "scores", scores, key="score_id")


def _request_row(answer: dict[str, Any], model: ResolvedModel, run_id: str | None, iteration: int | None) -> RequestRow:
    choice = answer["choice"]
    return RequestRow(
        request_id=answer["request_id"], run_id=run_id, iteration=iteration, step=STEP, input_id=None, template_id=None,
        engine="local", model=model.name, checkpoint_id=model.checkpoint_id, messages=canonical_json(answer["messages"]),
        sampling=canonical_json(answer["sampling"]), n_draws=1, completions=canonical_json([choice["text"]]), attempts=1,
        prompt_tokens=answer["prompt_tokens"], completion_tokens=choice["n_tokens"], latency_s=answer["latency_s"],
        created_at=answer["created_at"], answered_at=answer["answered_at"], error=answer["error"],
    )  # fmt: skip
