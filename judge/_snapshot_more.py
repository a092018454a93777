"""Snapshots beside SFT's and DPO's: labelled completions for KTO, prompts with references for GRPO, rows of a user's own.

As those, each is a JSONL file and its rows in the store, decontaminated, known by the rows in their order. Rows of a user's own
are curated by the recipe's rules too.
"""

import json
import os
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from ..schema import DropRow, content_id, texts_in, utc_now
from ..store import Store
from ._decontaminate import Decontaminator
from ._own_rows import OwnCuration, OwnRow, Parts, curate_own, fit_config
from ._rows import insert_drops, replace_drops
from ._snapshot import Snapshot, members_of, record_snapshot
from ._training_rows import WORD

FEW_ROWS = 10_000
"""So many rows of one's own are frozen within a second or two, in which the store stays open."""


@dataclass(frozen=True)
class TrainRow:
    """A row for a trainer: its columns, and the sample that it comes from."""

    sample_id: str
    columns: dict[str, Any]


_NOT_LEARNED = """NOT EXISTS (
        SELECT 1 FROM snapshots n JOIN snapshot_rows w USING (snapshot_id) JOIN people_verdicts y ON y.sample_id = w.sample_id
        WHERE n.run_id = $1 AND n.stage = 'kto' AND n.iteration < $2 AND w.sample_id = s.sample_id AND n.created_at > y.created_at)"""
"""In no earlier iteration's training set with the label that a person gave it."""
_LABELLED = f"""
    WITH word AS ({WORD})
    SELECT s.sample_id, coalesce(s.prompt, r.messages), s.completion, coalesce(h.passed, v.passed) AS said, s.problem_id
    FROM samples s JOIN requests r USING (request_id)
    LEFT JOIN (SELECT DISTINCT ON (sample_id) * FROM verdicts WHERE judge = $3 ORDER BY sample_id, created_at DESC) v ON v.sample_id = s.sample_id
    LEFT JOIN word h ON h.sample_id = s.sample_id
    WHERE s.run_id = $1 AND s.problem_id IS NOT NULL AND said IS NOT NULL
      AND ((s.iteration = $2 AND s.step = 'solve')
           OR (h.is_own AND s.step IN ('solve', 'people') AND s.iteration <= $2 AND {_NOT_LEARNED}))
    ORDER BY s.problem_id, h.is_own IS NOT TRUE, s.draw, s.sample_id
"""

_PROMPTS = """
    SELECT min(s.sample_id), any_value(r.messages), any_value(p.answer), any_value(p.fields)
    FROM samples s JOIN requests r USING (request_id)
    JOIN (SELECT DISTINCT ON (problem_id) * FROM problems) p ON p.problem_id = s.problem_id
    WHERE s.run_id = ? AND s.iteration = ? AND s.step = 'solve'
    GROUP BY s.problem_id ORDER BY s.problem_id
"""


def snapshot_kto(
    store: Store, run_id: str, iteration: int, *, judge: str, per_problem: int, decontaminator: Decontaminator
) -> Snapshot:
    """Freeze the completions that the verifier called right or wrong, for KTO; at most so many of a problem a label. A person's
    word counts more: also one on an earlier iteration's completion, once, since its training set was frozen.
    """
    rows, keys = [], []
    for sample_id, messages, completion, passed, problem_id in store.query(_LABELLED, [run_id, iteration, judge]):
        said = [{"role": "assistant", "content": completion}]
        rows.append(TrainRow(sample_id, {"prompt": json.loads(messages), "completion": said, "label": passed}))
        keys.append((problem_id, passed))
    counts: Counter[Any] = Counter()
    seen: set[str] = set()

    def reject(i: int) -> str | None:
        text = json.dumps(rows[i].columns)
        if text in seen:
            return "duplicate"
        if counts[keys[i]] >= per_problem:
            return "more than select.per_problem"
        seen.add(text)
        counts[keys[i]] += 1
        return None

    verified = [("verified samples", len(rows))]
    return _freeze(
        store, run_id, iteration, "kto", "trl/prompt-completion-label", rows, verified, decontaminator, reject
    )


def snapshot_grpo(store: Store, run_id: str, iteration: int, *, decontaminator: Decontaminator) -> Snapshot:
    """Freeze the iteration's problems with their answers and further columns, for GRPO: the completions are drawn in training."""
    rows = [
        TrainRow(sample_id, _problem_columns(json.loads(fields or "{}"), json.loads(messages), answer))
        for sample_id, messages, answer, fields in store.query(_PROMPTS, [run_id, iteration])
    ]
    tried = [("problems tried", len(rows))]
    return _freeze(store, run_id, iteration, "grpo", "trl/prompt-answer", rows, tried, decontaminator)


def _problem_columns(fields: dict[str, Any], messages: list[dict[str, Any]], answer: str) -> dict[str, Any]:
    """Return what a reward reads of a problem, as the verifier of ``solve`` does: a reference that is no text is ``expected``."""
    return {**fields, "prompt": messages, "answer": fields.get("expected", answer)}


def snapshot_own(
    store: Store, run_id: str, iteration: int, method: str, source: str, given: Sequence[OwnRow], *,
    decontaminator: Decontaminator, rules: OwnCuration, seed: int = 0,
) -> Snapshot:  # fmt: skip
    """Freeze the rows of a user's file, curated, each a sample that names its source; unreadable ones are drops.

    Raises:
        RecipeError: ``rules`` hold what cannot apply to rows of the method.
    """
    is_short = len(given) <= FEW_ROWS and rules.embed is None
    with store.kept_open() if is_short else nullcontext():
        return _snapshot_own(store, run_id, iteration, method, source, given, decontaminator, rules, seed)


def _snapshot_own(
    store: Store, run_id: str, iteration: int, method: str, source: str, given: Sequence[OwnRow],
    decontaminator: Decontaminator, rules: OwnCuration, seed: int,
) -> Snapshot:  # fmt: skip
    step = f"{method}/rows"
    fit_config(rules.config, method, seed)
    store.fix_plan(run_id, iteration, step, [(source, len(given))])
    rows, parts, samples, drops = [], [], [], []
    for ordinal, row in enumerate(given):
        sample_id = content_id("smp", [run_id, step, source, ordinal, row.raw])
        if row.columns is None:
            drop_id = content_id("drop", [run_id, iteration, step, sample_id])
            drops.append(DropRow(drop_id, run_id, iteration, step, row.fault or "no row", sample_id, None, row.raw))
            continue
        rows.append(TrainRow(sample_id, row.columns))
        parts.append(rules.read_parts(row.columns, method))
        samples.append(_own_sample(sample_id, run_id, iteration, step, source, ordinal, row, parts[-1]))
    insert_drops(store, drops)
    store.insert("samples", samples, key="sample_id")
    kept = _curate_own(store, run_id, iteration, method, source, rows, parts, rules, seed)
    return _freeze(
        store, run_id, iteration, method, "own rows", kept, [("curated rows", len(kept))], decontaminator, again=True
    )


def _own_sample(
    sample_id: str, run_id: str, iteration: int, step: str, source: str, ordinal: int, row: OwnRow, parts: Parts
) -> dict[str, Any]:  # fmt: skip
    columns = row.columns or {}
    completion = answer_of(columns) if parts.completion is None else parts.completion
    prompt = None if parts.messages is None else json.dumps(parts.messages, ensure_ascii=False)
    return {
        "sample_id": sample_id, "request_id": None, "draw": ordinal, "run_id": run_id, "iteration": iteration,
        "step": step, "problem_id": None, "completion": completion, "finish_reason": None,
        "logprob": None, "source": source, "created_at": utc_now(), "input_id": None, "item": 0, "prompt": prompt,
        "fields": row.raw, "parser": None,
    }  # fmt: skip


def _curate_own(
    store: Store, run_id: str, iteration: int, method: str, source: str, rows: Sequence[TrainRow], parts: Sequence[Parts],
    rules: OwnCuration, seed: int,
) -> list[TrainRow]:  # fmt: skip
    """Return the rows that stay, in the order of training; the others are drops with their evidence."""
    step = f"{method}/curate"
    store.replan(run_id, iteration, step, [(source, len(rows))])
    made = curate_own([r.sample_id for r in rows], parts, method, rules, seed)
    drops = [
        DropRow(
            content_id("drop", [run_id, iteration, step, rows[i].sample_id]), run_id, iteration, step, reason,
            rows[i].sample_id, None, "\n".join(texts_in(rows[i].columns)), evidence=evidence,
        )
        for i, reason, evidence in made.gone
    ]  # fmt: skip
    replace_drops(store, run_id, iteration, step, drops)
    return [rows[i] for i in made.kept]


def answer_of(columns: dict[str, Any]) -> str:
    """Return what a row teaches to say, as text."""
    found = next((columns[c] for c in ("completion", "chosen", "messages", "text", "prompt") if columns.get(c)), "")
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _freeze(
    store: Store, run_id: str, iteration: int, stage: str, fmt: str, rows: Sequence[TrainRow],
    inputs: Sequence[tuple[str, int]], decontaminator: Decontaminator, reject: Any = lambda i: None, *, again: bool = False,
) -> Snapshot:  # fmt: skip
    """Write the rows that are no evaluation items and that ``reject`` gives no reason against.

    ``again``: what enters depends on rules that may change; the newest outcome stands.
    """
    step = f"{stage}/snapshot"
    (store.replan if again else store.fix_plan)(run_id, iteration, step, inputs)
    texts = ["\n".join(texts_in(row.columns)) for row in rows]
    drops: list[DropRow] = []
    kept: list[TrainRow] = []
    for i, (row, found) in enumerate(zip(rows, decontaminator.find_all(texts), strict=True)):
        reason = f"contaminated: {found.suite}/{found.split}" if found else reject(i)
        if reason is None:
            kept.append(row)
            continue
        drop_id = content_id("drop", [run_id, iteration, step, row.sample_id])
        drops.append(DropRow(drop_id, run_id, iteration, step, reason, row.sample_id, None, texts[i]))
    if again:
        replace_drops(store, run_id, iteration, step, drops)
    else:
        insert_drops(store, drops)
    return _write(store, run_id, iteration, stage, fmt, kept)


def _write(
    store: Store, run_id: str, iteration: int, stage: str, fmt: str, rows: Sequence[TrainRow]
) -> Snapshot:  # fmt: skip
    snapshot_id = content_id("snap", [run_id, iteration, stage, fmt, [[r.sample_id, r.columns] for r in rows]])
    path = store.project.snapshots / f"{snapshot_id}.jsonl"
    if not path.exists():
        partial = path.with_suffix(".part")
        with partial.open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(r.columns, ensure_ascii=False) + "\n" for r in rows)
        os.replace(partial, path)
    members = members_of([(r.sample_id, None) for r in rows], 0)
    return record_snapshot(store, run_id, iteration, stage, fmt, snapshot_id, path, members)
