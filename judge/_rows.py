"""Row helpers that pairs and snapshots share."""

from collections.abc import Sequence
from dataclasses import asdict

from ..schema import DropRow, content_id
from ..store import Store

BATCH = 10_000


def drop_rows(store: Store, run_id: str, iteration: int, step: str, reason: str, input_id: str, n: int) -> None:
    """Record that a whole step was left out: its ``n`` inputs (0 too) entered, and went no further."""
    store.fix_plan(run_id, iteration, step, [(input_id, n)])
    drop_id = content_id("drop", [run_id, iteration, step, input_id])
    insert_drops(store, [DropRow(drop_id, run_id, iteration, step, reason, input_id, None, None, n)])


def insert_drops(store: Store, drops: Sequence[DropRow]) -> None:
    """Write drops that are cheap to find again; each once."""
    store.insert("drops", [asdict(d) for d in drops], key="drop_id")


def replace_drops(store: Store, run_id: str, iteration: int, step: str, drops: Sequence[DropRow]) -> None:
    """Make ``drops`` the drops of a step that is computed from the store alone; those of an earlier computation that has come
    out differently (a retry, other rules) are taken back.
    """
    where, key = "run_id = ? AND iteration = ? AND step = ?", [run_id, iteration, step]
    known = set(store.query(f"SELECT input_id, reason FROM drops WHERE {where}", key))
    if known - {(d.input_id, d.reason) for d in drops}:
        with store.write() as connection:
            connection.execute(f"DELETE FROM drops WHERE {where}", key).fetchall()
    for start in range(0, len(drops), BATCH):
        insert_drops(store, drops[start : start + BATCH])
