"""Doing rows over: inputs whose requests failed, or whose completions were cut off, and nothing else.

What is done over leaves its table for ``retired``, whole, so that nothing is lost and nothing counts twice.
"""

from collections.abc import Sequence

from ..store import Store
from ._plan import Step

KINDS = ("failed", "truncated")

_FAILED = """
    SELECT DISTINCT d.input_id FROM drops d LEFT JOIN requests q ON q.request_id = d.request_id
    WHERE d.run_id = $1 AND d.iteration = $2 AND d.step = $3 AND d.request_id IS NOT NULL AND q.answered_at IS NULL
"""
_CUT = """
    SELECT DISTINCT x.input_id FROM (
        SELECT input_id, request_id FROM drops WHERE run_id = $1 AND iteration = $2 AND step = $3
        UNION ALL
        SELECT s.input_id, s.request_id FROM samples s WHERE s.run_id = $1 AND s.iteration = $2 AND s.step = $3
          AND NOT EXISTS (SELECT 1 FROM samples f WHERE f.input_id = s.sample_id)
          AND NOT EXISTS (SELECT 1 FROM snapshot_rows r WHERE r.sample_id = s.sample_id)
    ) x JOIN requests q ON q.request_id = x.request_id
    WHERE list_contains(from_json(q.details -> '$.finish_reasons', '["VARCHAR"]'), 'length')
"""


def retire(store: Store, step: Step, kinds: Sequence[str]) -> list[str]:
    """Take the outcomes of a step that are to be done over out of their tables; return the inputs.

    Args:
        kinds: ``failed``: every attempt of a request failed. ``truncated``: a completion met the limit of tokens; rows
            that later steps or a snapshot stand on are left alone.
    """
    queries = {"failed": _FAILED, "truncated": _CUT}
    scope = [step.run_id, step.iteration, step.name]
    inputs = sorted({str(i) for kind in kinds for (i,) in store.query(queries[kind], scope)})
    if inputs:
        with store.write() as connection:
            for table, condition in _tables(step.name):
                connection.execute(
                    f"INSERT INTO retired SELECT '{table}', to_json(t), now()::TIMESTAMP FROM {table} t WHERE {condition}",
                    [*scope, inputs],
                ).fetchall()
                connection.execute(f"DELETE FROM {table} AS t WHERE {condition}", [*scope, inputs]).fetchall()
    return inputs


def retire_failures(store: Store, run_id: str) -> None:
    """Take failed requests of other runs out of the way: this run may ask them anew, and an id names one row."""
    failed = """
        t.answered_at IS NULL AND t.run_id <> $1 AND t.engine = 'openai'
        AND NOT EXISTS (SELECT 1 FROM samples s WHERE s.request_id = t.request_id)
    """
    if store.query(f"SELECT 1 FROM requests t WHERE {failed} LIMIT 1", [run_id]):
        with store.write() as connection:
            connection.execute(
                f"INSERT INTO retired SELECT 'requests', to_json(t), now()::TIMESTAMP FROM requests t WHERE {failed}",
                [run_id],
            ).fetchall()
            connection.execute(f"DELETE FROM requests AS t WHERE {failed}", [run_id]).fetchall()


def _tables(name: str) -> list[tuple[str, str]]:
    here = "t.run_id = $1 AND t.iteration = $2 AND (t.step = $3 OR t.step = $3 || '/items') AND t.input_id IN (SELECT unnest($4::VARCHAR[]))"
    pairs = f"t.chosen_sample_id IN (SELECT sample_id FROM samples t WHERE {here})"
    items = "t.run_id = $1 AND t.iteration = $2 AND t.step = $3 || '/items' AND t.input_id IN (SELECT unnest($4::VARCHAR[]))"
    follows = f"t.run_id = $1 AND t.iteration = $2 AND t.input_id IN (SELECT sample_id FROM samples t WHERE {here})"
    failed = f"{here} AND t.answered_at IS NULL"
    return [
        ("pairs", pairs), ("plans", items), ("plans", follows), ("drops", here), ("samples", here), ("requests", failed),
    ]  # fmt: skip
