"""Doing rows over: inputs whose requests failed, or whose completions were cut off, and nothing else.

What is done over leaves its table for ``retired``, whole, so that nothing is lost and nothing counts twice.
"""

from collections.abc import Sequence
from typing import Any

from ..store import Store, keep_here
from ._plan import Step

KINDS = ("failed", "truncated")

_FAILED = """
    SELECT DISTINCT d.input_id FROM drops d LEFT JOIN requests q ON q.request_id = d.request_id
    WHERE d.run_id = $1 AND d.iteration = $2 AND d.step IN ($3, $3 || '/items') AND d.request_id IS NOT NULL
      AND q.answered_at IS NULL
"""
_CUT = """
    SELECT DISTINCT x.input_id FROM (
        SELECT input_id, request_id FROM drops WHERE run_id = $1 AND iteration = $2 AND step = $3
        UNION ALL
        SELECT s.input_id, s.request_id FROM samples s WHERE s.run_id = $1 AND s.iteration = $2 AND s.step = $3
          AND NOT EXISTS (SELECT 1 FROM samples f WHERE f.input_id = s.sample_id)
    ) x JOIN requests q ON q.request_id = x.request_id
    WHERE list_contains(from_json(q.details -> '$.finish_reasons', '["VARCHAR"]'), 'length')
"""
_TRAINED_ON = """
    WITH RECURSIVE line(input_id, sample_id) AS (
        SELECT input_id, sample_id FROM samples WHERE run_id = $1 AND iteration = $2 AND step = $3
        UNION ALL
        SELECT l.input_id, s.sample_id FROM line l JOIN samples s ON s.input_id = l.sample_id
        WHERE s.run_id = $1 AND s.iteration = $2)
    SELECT DISTINCT l.input_id FROM line l JOIN snapshot_rows r USING (sample_id)
"""
_BEGUN = """
    SELECT DISTINCT row ->> 'input_id' FROM retired
    WHERE row ->> 'run_id' = $1 AND (row ->> 'iteration')::INTEGER = $2 AND row ->> 'step' IN ($3, $3 || '/items')
      AND tbl IN ('samples', 'drops')
    EXCEPT SELECT coalesce(input_id, problem_id) FROM samples WHERE run_id = $1 AND iteration = $2 AND step = $3
    EXCEPT SELECT input_id FROM drops WHERE run_id = $1 AND iteration = $2 AND step = $3
"""
"""Inputs whose outcomes were taken back by a retry that was interrupted."""
_GONE = """
    CREATE OR REPLACE TEMP TABLE gone AS
    WITH RECURSIVE g(sample_id) AS (
        SELECT sample_id FROM samples WHERE run_id = $1 AND iteration = $2 AND step = $3
          AND input_id IN (SELECT unnest($4::VARCHAR[]))
        UNION
        SELECT s.sample_id FROM samples s JOIN g ON s.input_id = g.sample_id WHERE s.run_id = $1 AND s.iteration = $2)
    SELECT sample_id FROM g
"""
"""The samples of the inputs, and all that later steps made of these."""


def retire(store: Store, step: Step, kinds: Sequence[str]) -> list[str]:
    """Take the outcomes of a step that are to be done over out of their tables, and what later steps made of them; return
    the inputs, those of a retry that was interrupted included.

    Args:
        kinds: ``failed``: every attempt of a request failed. ``truncated``: a completion met the limit of tokens; rows
            that later steps stand on are left alone. Inputs with a row in a snapshot are left alone too.
    """
    scope = [step.run_id, step.iteration, step.name]
    inputs = _find_outcomes(store, scope, kinds)
    if inputs:
        with store.write() as connection:
            connection.execute(_GONE, [*scope, inputs]).fetchall()
            for table, condition, parameters in _tables(scope, inputs):
                _move(connection, table, condition, parameters)
            connection.execute("DROP TABLE gone").fetchall()
    return sorted({*inputs, *_find_begun(store, scope)})


def find_retries(store: Store, step: Step, kinds: Sequence[str]) -> list[str]:
    """Return the inputs that :func:`retire` would return, and leave everything where it is."""
    scope = [step.run_id, step.iteration, step.name]
    return sorted({*_find_outcomes(store, scope, kinds), *_find_begun(store, scope)})


def _find_outcomes(store: Store, scope: Sequence[Any], kinds: Sequence[str]) -> list[str]:
    queries = {"failed": _FAILED, "truncated": _CUT}
    kept = {str(i) for (i,) in store.query(_TRAINED_ON, scope)}
    return sorted({str(i) for kind in kinds for (i,) in store.query(queries[kind], scope)} - kept)


def _find_begun(store: Store, scope: Sequence[Any]) -> set[str]:
    return {str(i) for (i,) in store.query(_BEGUN, scope)}


def _move(connection: Any, table: str, condition: str, parameters: Sequence[Any]) -> None:
    """Move rows to ``retired``, out of the store's file: shards that hold some are brought back."""
    target = keep_here(connection, table, condition, parameters)
    moved = f"INSERT INTO retired SELECT '{table}', to_json(t), now()::TIMESTAMP FROM {target} t WHERE {condition}"
    connection.execute(moved, parameters).fetchall()
    connection.execute(f"DELETE FROM {target} AS t WHERE {condition}", parameters).fetchall()


def retire_failures(store: Store, run_id: str) -> None:
    """Take failed requests of other runs out of the way: this run may ask them anew, and an id names one row."""
    failed = """
        t.answered_at IS NULL AND t.run_id <> $1 AND t.engine <> 'local'
        AND NOT EXISTS (SELECT 1 FROM samples s WHERE s.request_id = t.request_id)
    """
    if store.query(f"SELECT 1 FROM requests t WHERE {failed} LIMIT 1", [run_id]):
        with store.write() as connection:
            _move(connection, "requests", failed, [run_id])


def _tables(scope: Sequence[Any], inputs: Sequence[str]) -> list[tuple[str, str, list[Any]]]:
    """Return what leaves which table: the outcomes of ``inputs``, and all that later steps made of them."""
    parameters = [*scope, list(inputs)]
    gone = "IN (SELECT sample_id FROM gone)"
    turn = "t.run_id = $1 AND t.iteration = $2"
    here = f"{turn} AND t.step IN ($3, $3 || '/items') AND t.input_id IN (SELECT unnest($4::VARCHAR[]))"
    below = f"{turn} AND t.input_id {gone}"
    return [
        ("pairs", f"t.chosen_sample_id {gone} OR t.rejected_sample_id {gone}", []),
        ("verdicts", f"t.sample_id {gone}", []),
        ("plans", f"{turn} AND t.step = $3 || '/items' AND t.input_id IN (SELECT unnest($4::VARCHAR[]))", parameters),
        ("plans", below, parameters[:2]),
        ("drops", here, parameters),
        ("drops", below, parameters[:2]),
        ("requests", f"{here} AND t.answered_at IS NULL", parameters),
        ("requests", f"{below} AND t.answered_at IS NULL", parameters[:2]),
        ("samples", f"t.sample_id {gone}", []),
    ]
