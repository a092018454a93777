"""Row helpers that pairs and snapshots share."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from ..schema import DropRow
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


def insert_drops(store: Store, drops: Sequence[DropRow]) -> None:
    """Write drops that are cheap to find again; each once."""
    store.insert("drops", [asdict(d) for d in drops], key="drop_id")
