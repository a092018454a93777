"""Which requests the store has answers to, in 8 bytes each, and the answers themselves on demand.

Ids are compared by 64 bits of their MD5, which DuckDB computes as well; what seems known is then looked up by its whole
id, so that a collision costs a query and never an answer.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from ..llm import Choice, Reply, Request, TokenChances
from ..store import Store

MOST_RECENT = 50_000


def number_of(key: str) -> int:
    """Return what DuckDB's ``md5_number_upper`` gives for ``key``."""
    return int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest()[:8], "little")


class KeySet:
    """A set of ids, 8 bytes each.

    Args:
        sql: a query of one column of ids.
    """

    def __init__(self, store: Store, sql: str, parameters: Sequence[Any] = ()) -> None:
        import numpy as np

        with store.read() as connection:
            query = f"SELECT DISTINCT md5_number_upper(k) AS n FROM ({sql}) t(k) ORDER BY n"
            found = connection.sql(query, params=list(parameters)).to_arrow_table()
        self._numbers = found.column("n").to_numpy() if found.num_rows else np.empty(0, np.uint64)
        self._numpy = np
        self._recent: set[int] = set()

    def __len__(self) -> int:
        return len(self._numbers) + len(self._recent)

    def __contains__(self, key: object) -> bool:
        if not len(self):
            return False
        number = number_of(str(key))
        if number in self._recent:
            return True
        at = int(self._numbers.searchsorted(self._numpy.uint64(number)))
        return at < len(self._numbers) and int(self._numbers[at]) == number

    def add(self, key: str) -> None:
        """Put ``key`` in."""
        self._recent.add(number_of(key))
        if len(self._recent) >= MOST_RECENT:
            self._merge()

    def _merge(self) -> None:
        """Move the recent ones to their places among the others; ``union1d`` would take four times their memory for it."""
        recent = self._numpy.fromiter(self._recent, self._numpy.uint64, len(self._recent))
        recent.sort()
        at = self._numbers.searchsorted(recent)
        is_new = self._numbers.searchsorted(recent, "right") == at
        self._numbers = self._numpy.insert(self._numbers, at[is_new], recent[is_new])
        self._recent.clear()


def fetch_replies(store: Store, requests: Sequence[Request]) -> dict[str, Reply]:
    """Return the replies to ``requests`` that are on record, by id; those that failed for good too."""
    by_id = {r.request_id: r for r in requests}
    return {key: read_reply(by_id[key], row) for key, row in fetch_rows(store, list(by_id)).items()}


def fetch_rows(store: Store, request_ids: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Return what :func:`read_reply` reads, of the requests that are on record."""
    rows = store.query(
        """
        SELECT request_id, completions, details, attempts, prompt_tokens, completion_tokens, latency_s,
               created_at::VARCHAR, answered_at::VARCHAR, error
        FROM requests WHERE request_id IN (SELECT unnest(?::VARCHAR[]))
        """,
        [list(request_ids)],
    )
    return {str(row[0]): row for row in rows}


def read_reply(request: Request, row: tuple[Any, ...]) -> Reply:
    """Return a reply that is on record."""
    _, completions, details, attempts, prompt_tokens, completion_tokens, latency_s, created_at, answered_at, error = row
    texts = json.loads(completions)
    more = json.loads(details) if details else {}
    reasons = more.get("finish_reasons") or ["stop"] * len(texts)
    calls = more.get("tool_calls") or [()] * len(texts)
    logprobs = more.get("logprobs") or [None] * len(texts)
    tokens = more.get("tokens") or [()] * len(texts)
    choices = tuple(
        Choice(text, reason, 0, logprob, tuple(call), _read_tokens(chances))
        for text, reason, call, logprob, chances in zip(texts, reasons, calls, logprobs, tokens, strict=True)
    )
    return Reply(
        request, choices, attempts, prompt_tokens, completion_tokens, latency_s or 0.0, created_at, answered_at, error
    )


def _read_tokens(tokens: Sequence[Any]) -> tuple[TokenChances, ...]:
    return tuple((token, tuple((text, logprob) for text, logprob in likely)) for token, likely in tokens)
