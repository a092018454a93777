"""Rows that are measured on (``train.heldout``) are never trained on: a score on what a model has seen says what it remembers.

A training row is one of them when it asks the same, whatever it answers; without a question, when it says the same. A prompt that most
held-out rows share (*Tell a story.*) is no question: of such rows the answers have to be equal too. Case, spacing, stops and what the
system says do not matter; signs do: ``1 + 1`` is not ``1 - 1``. Paraphrases are not found.
"""

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ._form import Row
from .methods import content_of

_STOPS = str.maketrans(dict.fromkeys(""".,;:!?"'’…""", " "))
_SYSTEM = ("system", "developer")


class Unseen:
    """Finds held-out rows among others.

    Args:
        rows: those that are measured on.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        asked = Counter(_asked(row, _split(row)[0]) for row in rows)
        self._shared = {text for text, n in asked.items() if n > 1 and 2 * n > len(rows)}
        self._numbers: dict[tuple[str, str], int] = {}
        for number, row in enumerate(rows, 1):
            self._numbers.setdefault(self._identify(row), number)

    def find(self, row: Row) -> int | None:
        """Return the number, from 1, of the held-out row that a row is; None = of none."""
        key = self._identify(row)
        return self._numbers.get(key) if any(key) else None

    def _identify(self, row: Row) -> tuple[str, str]:
        prompt, answer = _split(row)
        asked = _asked(row, prompt)
        return (asked, _fold(answer) if not asked or asked in self._shared else "")


def _asked(row: Row, prompt: str) -> str:
    """Return what a row asks, as far as texts tell; one with images or tools asks about these."""
    beside = {name: row[name] for name in ("images", "image", "tools") if row.get(name)}
    return _fold(prompt) + (json.dumps(beside, sort_keys=True, default=str) if beside else "")


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
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(plain.casefold().translate(_STOPS).split())
