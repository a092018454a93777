"""Evaluation as a stage: a model and suites in, scores and one row per item out. What is scored already is not scored
again.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..llm import ResolvedModel
from ..schema import RequestRow, canonical_json, content_id, utc_now
from ..stage import Event, clear_stage, run_stage
from ..store import Store, insert_new
from ._shares import CHILD, answer_shares
from ._suites import Split

STEP = "eval"
_HOW_FAST = ("concurrency", "timeout_s", "max_attempts", "patience_s")


@dataclass(frozen=True)
class Subject:
    """Who is scored, and through which engine.

    Attributes:
        checkpoint_id: what its scores are filed under; of an endpoint's model it is made of the model's name.
        name: as the user or the endpoint calls it.
        engine: what the evaluation process needs to make the engine, as JSON holds it: ``kind`` (``local``, ``vllm``,
            ``openai``, ``recorded``), ``batch_size``, and the kind's own: of ``local`` how many ``processes``.
        model: the weights; None of an endpoint and of recorded answers.
        recorded: recorded answers by split, in the order of its rows.
    """

    checkpoint_id: str
    name: str
    engine: Mapping[str, Any]
    model: ResolvedModel | None = None
    recorded: Mapping[tuple[str, str], Sequence[str]] | None = None

    @property
    def kind(self) -> str:
        """The engine's kind."""
        return str(self.engine["kind"])

    def hash_of(self, split: Split) -> str:
        """Return what a split's measurement by this engine is filed under.

        The same checkpoint through another engine may answer otherwise to the last bit, so that is another measurement.
        """
        return content_id("suite", [split.suite_hash, self.kind]) if self.kind == "vllm" else split.suite_hash


def evaluate_subject(
    store: Store,
    subject: Subject,
    splits: Sequence[Split],
    *,
    grader: str | None,
    judge: Mapping[str, Any] | None = None,
    run_id: str | None,
    iteration: int | None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> None:
    """Score ``subject`` on ``splits``, which the store has no scores of (see :func:`unscored`).

    Args:
        store: where scores go.
        subject: who is scored.
        splits: on what.
        grader: who runs verifiers in the evaluation process, as ``module:name``.
        judge: how to ask the endpoint of judges: ``base_url`` and ``manners``; needed by suites with rubrics.
        run_id: the run that asks.
        iteration: of it.
        on_event: called with each event of the process.

    Raises:
        StageError: the evaluation process failed.
        RecipeError: a suite's task cannot be served.
        EndpointError: the endpoint does not answer, or refuses.
    """
    contract = {
        **_contract(store, subject, splits, grader),
        "judge": dict(judge) if judge and _is_judged(splits) else None,
    }
    work = store.project.work / content_id("eval", _without_manners(contract))
    if (n := subject.engine.get("processes", 1)) > 1:
        answer_shares(contract, work, n, on_event)
    result = run_stage(CHILD, contract, work, on_event=on_event)
    with store.write() as connection:
        for scored in result["results"]:
            split = next(s for s in splits if (s.suite.name, s.name) == (scored["suite"], scored["split"]))
            _record(connection, subject, split, scored, run_id, iteration)
    clear_stage(work)


def _without_manners(contract: dict[str, Any]) -> dict[str, Any]:
    """Return what of a contract shapes answers: one that is done by more endpoints or processes finds those of before."""
    judge = contract["judge"]
    return {**contract, "engine": _what_answers(contract["engine"]), "judge": judge and _what_answers(judge)}


def _what_answers(engine: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in engine.items() if k not in ("base_url", "processes")}
    if "manners" in kept:
        kept["manners"] = {k: v for k, v in kept["manners"].items() if k not in _HOW_FAST}
    return kept


def _is_judged(splits: Sequence[Split]) -> bool:
    return any('"rubric"' in str(row.get("checks")) for s in splits for row in s.rows)


def unscored(store: Store, subject: Subject, splits: Sequence[Split]) -> list[Split]:
    """Return the splits that the store has no scores of, for this subject."""
    return [s for s in splits if not _has_scores(store, subject, s)]


def _has_scores(store: Store, subject: Subject, split: Split) -> bool:
    return bool(
        store.query(
            "SELECT 1 FROM scores WHERE checkpoint_id = ? AND suite = ? AND split = ? AND suite_hash = ?",
            [subject.checkpoint_id, split.suite.name, split.name, subject.hash_of(split)],
        )
    )


def _contract(store: Store, subject: Subject, splits: Sequence[Split], grader: str | None) -> dict[str, Any]:
    recorded = subject.recorded or {}
    return {
        "model": asdict(subject.model) if subject.model else None,
        "engine": dict(subject.engine),
        "grader": grader,
        "project": str(store.project.root),
        "splits": [
            {
                "suite": s.suite.name, "split": s.name, "suite_hash": subject.hash_of(s),
                "num_fewshot": s.suite.num_fewshot, "apply_chat_template": s.suite.apply_chat_template,
                "doc_to_text": s.suite.doc_to_text,
                "recorded": recorded.get((s.suite.name, s.name)),
                "parts": [
                    {
                        "task": p.found.name, "task_file": str(p.found.file), "overrides": dict(p.found.overrides),
                        "rows": str(p.path), "fewshot": str(p.fewshot_path) if p.fewshot_path else None, "n": p.n,
                        "max_gen_toks": p.max_gen_toks,
                    }
                    for p in s.parts
                ],
            }
            for s in splits
        ],
    }  # fmt: skip


def _record(
    connection: Any,
    subject: Subject,
    split: Split,
    scored: dict[str, Any],
    run_id: str | None,
    iteration: int | None,
) -> None:
    """Write requests, scores and items inside the caller's transaction: a score comes with all its items or not at all."""
    requests = [_request_row(a, subject, run_id, iteration) for a in scored["answers"]]
    scores, items = [], []
    for score in scored["scores"]:
        suite_hash = scored["suite_hash"]
        score_id = content_id(
            "score", [subject.checkpoint_id, split.suite.name, split.name, suite_hash, score["metric"]]
        )
        settings = {
            **split.suite.model_dump(mode="json"), "num_fewshot": scored["num_fewshot"], "engine": subject.kind,
            "higher_is_better": score.get("higher_is_better", True), "max_gen_toks": split.max_gen_toks, "cut": score["cut"],
        }  # fmt: skip
        scores.append(
            {
                "score_id": score_id, "checkpoint_id": subject.checkpoint_id, "suite": split.suite.name,
                "split": split.name, "task": split.suite.task, "task_version": split.version,
                "suite_hash": suite_hash, "metric": score["metric"], "score": float(score["score"]),
                "stderr": score["stderr"], "n": len(score["items"]), "settings": json.dumps(settings),
                "created_at": utc_now(),
            }
        )  # fmt: skip
        items += [{"score_id": score_id, **item} for item in score["items"]]
    columns = ("score_id", "item_id", "ordinal", "request_id", "target", "filtered", "value", "detail")
    if requests:
        insert_new(connection, "requests", [asdict(r) for r in requests], key="request_id")
    insert_new(connection, "score_items", [{c: i[c] for c in columns} for i in items], key="score_id")
    insert_new(connection, "scores", scores, key="score_id")


def _request_row(answer: dict[str, Any], subject: Subject, run_id: str | None, iteration: int | None) -> RequestRow:
    choice, details = answer["choice"], answer.get("details")
    return RequestRow(
        request_id=answer["request_id"], run_id=run_id, iteration=iteration, step=answer.get("step", STEP), input_id=None,
        template_id=None, engine=answer.get("engine", subject.kind), model=answer.get("model", subject.name),
        checkpoint_id=None if "model" in answer else subject.checkpoint_id, messages=canonical_json(answer["messages"]),
        sampling=canonical_json(answer["sampling"]), n_draws=1, completions=canonical_json([choice["text"]]), attempts=1,
        prompt_tokens=answer["prompt_tokens"], completion_tokens=choice["n_tokens"], latency_s=answer["latency_s"],
        created_at=answer["created_at"], answered_at=answer["answered_at"], error=answer["error"],
        details=canonical_json(details) if details else None,
    )  # fmt: skip
