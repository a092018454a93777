"""Which requests the store has answers to, in 8 bytes each, and the answers themselves on demand.

Ids are compared by 64 bits of their MD5, which DuckDB computes as well; what seems known is then looked up by its whole
id, so that a collision costs a query and never an answer.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ..llm import Choice, Reply, Request
from ..store import Store


def number_of(key: str) -> int:
    """Return what DuckDB's ``md5_number_upper`` gives for ``key``."""
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest()[:8], "little")


class KeySet:
    """A frozen set of ids, 8 bytes each.

    Args:
        sql: a query of one column of ids.
    """

    def __init__(self, store: Store, sql: str, parameters: Sequence[Any] = ()) -> None:
        import numpy as np

        with store.read() as connection:
            query = f"SELECT DISTINCT md5_number_upper(k) AS n FROM ({sql}) t(k) ORDER BY n"
            found = connection.sql(query, params=list(parameters)).to_arrow_table()
        self._numbers = found.column("n").to_numpy() if found.num_rows else np.empty(0, np.uint64)
        self._search = np.searchsorted

    def __len__(self) -> int:
        return len(self._numbers)

    def __contains__(self, key: object) -> bool:
        if not len(self._numbers):
            return False
        number = number_of(str(key))
        at = int(self._search(self._numbers, number))
        return at < len(self._numbers) and int(self._numbers[at]) == number


def fetch_replies(store: Store, requests: Sequence[Request]) -> dict[str, Reply]:
    """Return the answered ones of ``requests`` by id, as they are on record."""
    by_id = {r.request_id: r for r in requests}
    rows = store.query(
        """
        SELECT request_id, completions, details, attempts, prompt_tokens, completion_tokens, latency_s,
               created_at::VARCHAR, answered_at::VARCHAR
        FROM requests WHERE answered_at IS NOT NULL AND request_id IN (SELECT unnest(?::VARCHAR[]))
        """,
        [list(by_id)],
    )
    return {row[0]: _read_reply(by_id[row[0]], row) for row in rows}


def _read_reply(request: Request, row: tuple[Any, ...]) -> Reply:
    _, completions, details, attempts, prompt_tokens, completion_tokens, latency_s, created_at, answered_at = row
    texts = json.loads(completions)
    more = json.loads(details) if details else {}
    reasons = more.get("finish_reasons") or ["stop"] * len(texts)
    calls = more.get("tool_calls") or [()] * len(texts)
    logprobs = more.get("logprobs") or [None] * len(texts)
    choices = tuple(
        Choice(text, reason, 0, logprob, tuple(call))
        for text, reason, call, logprob in zip(texts, reasons, calls, logprobs, strict=True)
    )
    return Reply(
        request, choices, attempts, prompt_tokens, completion_tokens, latency_s or 0.0, created_at, answered_at
    )
