"""Rows that are measured on (``train.heldout``) are never trained on: a score on what a model has seen says what it remembers.

A training row is one of them when it asks the same, whatever it answers; without a question, when it says the same. A prompt that most
held-out rows share (*Tell a story.*) is no question: of such rows the answers have to be equal too. Case, spacing, stops and what the
system says do not matter; signs do: ``1 + 1`` is not ``1 - 1``. Paraphrases are not found.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ._form import Row
from .methods import content_of

_STOPS = re.compile(r"""[\s.,;:!?"'’…]+""")
_SYSTEM = ("system", "developer")


class Unseen:
    """Finds held-out rows among others.

    Args:
        rows: those that are measured on.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        keys = [_key(row) for row in rows]
        counts = Counter(asked for asked, _ in keys)
        self._shared = {asked for asked, n in counts.items() if n > 1 and 2 * n > len(rows)}
        self._numbers: dict[tuple[str, str], int] = {}
        for number, key in enumerate(keys, 1):
            self._numbers.setdefault(self._identity(key), number)

    def find(self, row: Row) -> int | None:
        """Return the number, from 1, of the held-out row that a row is; None = of none."""
        key = self._identity(_key(row))
        return self._numbers.get(key) if any(key) else None

    def _identity(self, key: tuple[str, str]) -> tuple[str, str]:
        asked, said = key
        return (asked, said if not asked or asked in self._shared else "")


def _key(row: Row) -> tuple[str, str]:
    """Return what a row asks and what it says, as far as texts tell; a row with images or tools asks about these."""
    asked, said = _split(row)
    beside = {name: row[name] for name in ("images", "image", "tools") if row.get(name)}
    more = json.dumps(beside, sort_keys=True, default=str) if beside else ""
    return (f"{_fold(asked)}{more}", _fold(said))


def _split(row: Row) -> tuple[str, str]:
    """Return a row's question and its answer; of a row without a prompt the question is what comes before the last answer."""
    prompt = row.get("prompt")
    answer = next((row[c] for c in ("completion", "chosen") if row.get(c) is not None), None)
    if prompt is not None:
        return _text(prompt), _text(answer)
    whole = row.get("messages") if answer is None else answer
    if not isinstance(whole, list):
        return "", _text(row.get("text") if whole is None else whole)
    last = max((i for i, m in enumerate(whole) if isinstance(m, dict) and m.get("role") == "assistant"), default=0)
    return _text(whole[:last]), _text(whole[last:])


def _text(said: Any) -> str:
    if isinstance(said, list):
        return "\n".join(content_of(m) for m in said if isinstance(m, dict) and m.get("role") not in _SYSTEM)
    return "" if said is None else str(said)


def _fold(text: str) -> str:
    return _STOPS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()
