"""Rubrics: after the model's completions are there, a judge is asked about them, all at once."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..llm import OpenAIEngine, Request, Sampling
from ..schema import content_id
from ._grade import Grader

STEP = "eval/judge"


def judge_answers(
    task: Any, grader: Grader, judge: Mapping[str, Any], lm: Any, instances: Sequence[Any], texts: Sequence[str]
) -> None:
    """Ask a judge for each rubric of each item, and leave its verdicts with the task.

    Args:
        task: a :class:`~flywheel.eval._checked.CheckedTask`.
        grader: turns rubrics into questions, and replies into grades.
        judge: how the endpoint is asked.
        lm: keeps the answers on record.
        instances: lm-eval's requests.
        texts: their completions.
    """
    asked: dict[str, list[Request]] = {}
    open_items: list[tuple[tuple[str, str], Mapping[str, Any], Mapping[str, Any], list[Request]]] = []
    engines: dict[str, OpenAIEngine] = {}
    for instance, text in zip(instances, texts, strict=True):
        for check in json.loads(instance.doc["checks"]):
            if "rubric" not in check:
                continue
            model = check["model"]
            engine = engines.setdefault(
                model, OpenAIEngine(base_url=judge["base_url"], model=model, **judge["manners"])
            )
            row = {
                "prompt": json.loads(instance.doc["messages"]),
                "completion": text,
                "reference": check.get("expected"),
            }
            questions = grader.questions(check["rubric"], row)
            requests = [_as_request(q, engine) for q in questions]
            asked.setdefault(model, []).extend(requests)
            open_items.append(((content_id("item", instance.doc), check["as"]), check["rubric"], row, requests))
    for model, requests in asked.items():
        unique = list({r.request_id: r for r in requests}.values())
        lm.answer_by(engines[model], unique, step=STEP, engine="openai", model=model)
    for key, rubric, judged, requests in open_items:
        task.verdicts[key] = grader.read_replies(
            rubric, judged, [_as_reply(lm.answers[r.request_id]) for r in requests]
        )


def _as_request(question: Mapping[str, Any], engine: OpenAIEngine) -> Request:
    sampling = Sampling(n=question["n"], temperature=question["temperature"], max_tokens=question["max_tokens"])
    return Request(
        tuple(question["messages"]), sampling, engine.identity, scope=STEP, top_logprobs=question["top_logprobs"]
    )


def _as_reply(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {**answer["choice"], "request_id": answer["request_id"], "error": answer["error"]}
