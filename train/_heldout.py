"""What a training measured on held-out rows, before and after, as scores: for models that lm-eval cannot score.

As every score, each has a row an item where the method has them; prompt and answer of an item are in ``requests``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..schema import RequestRow, canonical_json, content_id, utc_now
from ..store import Store, insert_new

OF_ANSWERS = ("accuracy", "macro_f1", "rougeL")
"""Metrics that compare an answer with the row's."""
MEASURES = (*OF_ANSWERS, "loss", "mean_token_accuracy")
"""All; of them a loss is better when lower, and is any number from 0."""
WHOLE = ("macro_f1",)
"""Metrics that are no mean of their items: an item says beside its value what they are computed of."""
SUITE, SPLIT, STEP, ENGINE = "heldout", "report", "heldout", "trainer"

Row = dict[str, Any]


def record_heldout(
    store: Store, method: str, metrics: Mapping[str, Any], content: str, rows: Sequence[tuple[int, Row]],
    items: Sequence[Sequence[Row]], *, before_id: str, after_id: str,
) -> None:  # fmt: skip
    """Write the scores of a checkpoint and of its parent on the same rows, with their items, each once.

    Args:
        store: where to.
        method: what was trained; the scores' task.
        metrics: of the training, with ``before``, ``after`` and ``heldout_n``.
        content: content id of the held-out rows.
        rows: those that were measured on, each with its place in the file.
        items: of the measurements before and after, ``target filtered value`` of each of ``rows``; empty where there are none.
        before_id: the checkpoint that the training started from.
        after_id: the checkpoint that it made.
    """
    for checkpoint_id, measured, of_rows in (
        (before_id, metrics["before"], items[0]),
        (after_id, metrics["after"], items[1]),
    ):
        found = [(row, {**_target(row[1]), **item}) for row, item in zip(rows, of_rows, strict=True)] if of_rows else []
        itemised = [m for m in OF_ANSWERS if m in measured] or ["loss"]
        requests = [_request(checkpoint_id, content, method, i, row, item) for (i, row), item in found]
        scores, details = [], []
        for name in MEASURES:
            if name in measured:
                scores.append(_score(checkpoint_id, content, method, name, measured, metrics["heldout_n"]))
                score_id = scores[-1]["score_id"]
                details += (
                    []
                    if name not in itemised
                    else [
                        _item(score_id, name, asked, i, item)
                        for asked, ((i, _), item) in zip(requests, found, strict=True)
                    ]
                )
        with store.write() as connection:  # a score comes with all its items or not at all
            for table, lines, key in (
                ("requests", [asdict(r) for r in requests], "request_id"),
                ("score_items", details, "score_id"),
                ("scores", scores, "score_id"),
            ):
                if lines:
                    insert_new(connection, table, lines, key=key)


def _score(checkpoint_id: str, content: str, method: str, name: str, measured: Mapping[str, Any], n: int) -> Row:
    return {
        "score_id": content_id("score", [checkpoint_id, SUITE, SPLIT, content, method, name]),
        "checkpoint_id": checkpoint_id, "suite": SUITE, "split": SPLIT, "task": method, "task_version": "1",
        "suite_hash": content, "metric": name, "score": measured[name], "stderr": measured.get(f"{name}_stderr"),
        "n": n, "settings": json.dumps({"rows": content, "higher_is_better": name != "loss"}), "created_at": utc_now(),
    }  # fmt: skip


def _target(row: Row) -> Row:
    """Return the text that a row wants said, of which only the loss is measured; nothing is answered."""
    said = row.get("completion", row.get("messages", row.get("text")))
    if isinstance(said, list):
        said = said[-1].get("content")
    return {"target": said if isinstance(said, str) else canonical_json(said), "filtered": None}


def _request(checkpoint_id: str, content: str, method: str, ordinal: int, row: Row, item: Row) -> RequestRow:
    said = row["prompt"] if "prompt" in row else row["messages"][:-1] if "messages" in row else row["text"]
    answers = [] if item["filtered"] is None else [item["filtered"]]
    messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
    return RequestRow(
        request_id=content_id("req", [STEP, checkpoint_id, content, method, ordinal]), run_id=None, iteration=None, step=STEP,
        input_id=None, template_id=None, engine=ENGINE, model=method, checkpoint_id=checkpoint_id,
        messages=canonical_json(messages), sampling="{}", n_draws=len(answers), completions=canonical_json(answers), attempts=1,
        prompt_tokens=0, completion_tokens=0, latency_s=None, created_at=utc_now(), answered_at=utc_now(),
    )  # fmt: skip


def _item(score_id: str, name: str, asked: RequestRow, ordinal: int, item: Row) -> Row:
    detail = {"of": [item["target"], item["filtered"]]} if name in WHOLE else None
    return {
        "score_id": score_id, "item_id": content_id("item", json.loads(asked.messages)), "ordinal": ordinal,
        "request_id": asked.request_id, "target": item["target"], "filtered": item["filtered"], "value": item["value"],
        "detail": detail and json.dumps(detail, ensure_ascii=False),
    }  # fmt: skip
