"""Row helpers that pairs and snapshots share."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from ..schema import DropRow, content_id
from ..store import Store


def fix_plan(store: Store, run_id: str, iteration: int, step: str, inputs: Mapping[str, int]) -> None:
    """Write down how many inputs ``step`` has, by kind; a step that has a plan keeps it."""
    found = store.query(
        "SELECT count(*) FROM plans WHERE run_id = ? AND iteration = ? AND step = ?", [run_id, iteration, step]
    )
    if found == [(0,)]:
        rows = [
            {"run_id": run_id, "iteration": iteration, "step": step, "ordinal": i, "input_id": kind, "n": n}
            for i, (kind, n) in enumerate(inputs.items())
        ]
        store.insert_all("plans", rows)


def drop_rows(store: Store, run_id: str, iteration: int, step: str, reason: str, input_id: str, n: int) -> None:
    """Record that a whole step was left out: its ``n`` inputs entered, and went no further."""
    if n:
        fix_plan(store, run_id, iteration, step, {input_id: n})
        drop_id = content_id("drop", [run_id, iteration, step, input_id])
        insert_drops(store, [DropRow(drop_id, run_id, iteration, step, reason, input_id, None, None, n)])


def insert_drops(store: Store, drops: Sequence[DropRow]) -> None:
    """Write drops that are cheap to find again; each once."""
    store.insert("drops", [asdict(d) for d in drops], key="drop_id")
