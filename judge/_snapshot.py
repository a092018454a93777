"""Dataset snapshots: the exact rows that a training stage reads, decontaminated, in TRL's columns.

A snapshot is a JSONL file and its rows in the store; its id hashes the rows in their order. The same store, recipe and
iteration give the same snapshot.
"""

import json
import os
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import SelectConfig
from ..schema import DropRow, Message, content_id, utc_now
from ..store import Store
from ._decontaminate import Decontaminator
from ._rows import insert_drops
from ._verify import MATH_JUDGE

SFT_FORMAT = "trl/prompt-completion"
DPO_FORMAT = "trl/prompt-chosen-rejected"


@dataclass(frozen=True)
class Snapshot:
    """A frozen training set."""

    snapshot_id: str
    path: Path
    n_rows: int


@dataclass(frozen=True)
class _Row:
    input_id: str
    sample_id: str
    pair_id: str | None
    prompt: list[Message]
    texts: dict[str, str]
    """TRL column to text: ``completion``, or ``chosen`` and ``rejected``."""

    @property
    def full_text(self) -> str:
        return "\n".join([*(str(m["content"]) for m in self.prompt), *self.texts.values()])

    def as_trl(self) -> dict[str, Any]:
        columns = {name: [{"role": "assistant", "content": text}] for name, text in self.texts.items()}
        return {"prompt": self.prompt, **columns}


def snapshot_sft(
    store: Store, run_id: str, iteration: int, *, select: SelectConfig, decontaminator: Decontaminator, seed: int
) -> Snapshot:
    """Freeze the accepted samples of an iteration, with replay from earlier ones, for SFT."""
    step = "sft/snapshot"
    fresh = _read_accepted(store, run_id, iteration)
    replayed = _choose_replay(store, run_id, iteration, round(select.replay * len(fresh)), seed)
    inputs = [("accepted samples", len(fresh)), ("replayed samples", len(replayed))]
    store.fix_plan(run_id, iteration, step, inputs)
    drops: list[DropRow] = []
    kept: list[_Row] = []
    texts: set[tuple[str, str]] = set()
    per_problem: Counter[str] = Counter()
    entered = [*fresh, *replayed]
    contaminated = decontaminator.find_all(row.full_text for row, _ in entered)
    for i, ((row, problem_id), found) in enumerate(zip(entered, contaminated, strict=True)):
        reason = None
        if (problem_id, row.texts["completion"]) in texts:
            reason = "duplicate"
        elif i < len(fresh) and per_problem[problem_id] >= select.per_problem:
            reason = "more than select.per_problem"
        elif found:
            reason = f"contaminated: {found.suite}/{found.split}"
        if reason:
            drops.append(_drop(run_id, iteration, step, row, reason))
            continue
        texts.add((problem_id, row.texts["completion"]))
        per_problem[problem_id] += 1
        kept.append(row)
    insert_drops(store, drops)
    return _freeze(store, run_id, iteration, "sft", SFT_FORMAT, kept)


def snapshot_dpo(store: Store, run_id: str, iteration: int, *, decontaminator: Decontaminator) -> Snapshot:
    """Freeze the pairs of an iteration for DPO."""
    step = "dpo/snapshot"
    pairs = _read_pairs(store, run_id, iteration)
    store.fix_plan(run_id, iteration, step, [("pairs", len(pairs))])
    drops: list[DropRow] = []
    kept: list[_Row] = []
    for row, found in zip(pairs, decontaminator.find_all(p.full_text for p in pairs), strict=True):
        if found:
            drops.append(_drop(run_id, iteration, step, row, f"contaminated: {found.suite}/{found.split}"))
        else:
            kept.append(row)
    insert_drops(store, drops)
    return _freeze(store, run_id, iteration, "dpo", DPO_FORMAT, kept)


def _drop(run_id: str, iteration: int, step: str, row: _Row, reason: str) -> DropRow:
    drop_id = content_id("drop", [run_id, iteration, step, row.input_id])
    return DropRow(drop_id, run_id, iteration, step, reason, row.input_id, None, row.full_text)


_ACCEPTED = """
    SELECT s.sample_id, r.messages, s.completion, s.problem_id
    FROM samples s JOIN requests r USING (request_id)
    WHERE s.run_id = ? AND s.iteration = ? AND s.step = 'solve'
      AND EXISTS (SELECT 1 FROM verdicts v WHERE v.sample_id = s.sample_id AND v.passed AND v.judge = ?)
    ORDER BY s.problem_id, s.draw
"""

_EARLIER = """
    SELECT s.sample_id, any_value(r.messages), any_value(s.completion), any_value(s.problem_id)
    FROM snapshots n JOIN snapshot_rows x USING (snapshot_id)
    JOIN samples s ON s.sample_id = x.sample_id JOIN requests r USING (request_id)
    WHERE n.run_id = ? AND n.iteration < ? AND n.stage = 'sft'
    GROUP BY s.sample_id ORDER BY s.sample_id
"""

_PAIRS = """
    SELECT p.pair_id, p.chosen_sample_id, r.messages, c.completion, j.completion
    FROM pairs p
    JOIN samples c ON c.sample_id = p.chosen_sample_id
    JOIN samples j ON j.sample_id = p.rejected_sample_id
    JOIN requests r ON r.request_id = c.request_id
    WHERE p.run_id = ? AND p.iteration = ?
    ORDER BY p.pair_id
"""


def _read_accepted(store: Store, run_id: str, iteration: int) -> list[tuple[_Row, str]]:
    rows = store.query(_ACCEPTED, [run_id, iteration, MATH_JUDGE])
    return [(_Row(s, s, None, json.loads(m), {"completion": c}), p) for s, m, c, p in rows]


def _choose_replay(store: Store, run_id: str, iteration: int, n: int, seed: int) -> list[tuple[_Row, str]]:
    rows = store.query(_EARLIER, [run_id, iteration]) if n and iteration > 1 else []
    chosen = random.Random(f"{seed}/replay/{iteration}").sample(rows, min(n, len(rows)))
    return [(_Row(s, s, None, json.loads(m), {"completion": c}), p) for s, m, c, p in chosen]


def _read_pairs(store: Store, run_id: str, iteration: int) -> list[_Row]:
    rows = store.query(_PAIRS, [run_id, iteration])
    return [_Row(p, s, p, json.loads(m), {"chosen": c, "rejected": j}) for p, s, m, c, j in rows]


def _freeze(store: Store, run_id: str, iteration: int, stage: str, fmt: str, rows: list[_Row]) -> Snapshot:
    snapshot_id = content_id(
        "snap", [run_id, iteration, stage, fmt, [[r.sample_id, r.pair_id, r.as_trl()] for r in rows]]
    )
    path = store.project.snapshots / f"{snapshot_id}.jsonl"
    if not path.exists():
        partial = path.with_suffix(".part")
        with partial.open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps(r.as_trl(), ensure_ascii=False) + "\n" for r in rows)
        os.replace(partial, path)
    record = {
        "snapshot_id": snapshot_id, "run_id": run_id, "iteration": iteration, "stage": stage, "n_rows": len(rows),
        "format": fmt, "path": str(path.relative_to(store.project.root)), "created_at": utc_now(),
    }  # fmt: skip
    members = [
        {"snapshot_id": snapshot_id, "ordinal": i, "sample_id": r.sample_id, "pair_id": r.pair_id}
        for i, r in enumerate(rows)
    ]
    store.insert("snapshot_rows", members, key="snapshot_id")
    store.insert("snapshots", [record], key="snapshot_id")
    return Snapshot(snapshot_id, path, len(rows))
