"""Pairs whose prompt stands twice: as text, and as the beginning of both conversations (UltraFeedback binarized, and sets like it).

TRL takes the shared beginning of the conversations for the prompt (``trl.extract_prompt``); so do we, where it has that text.
"""

from typing import Any

from ._form import Row
from .methods import content_of


def split_shared(row: Row) -> Row:
    """Return a pair with its shared beginning as the prompt's messages; any other row as it is.

    The prompt ends before the first message that differs, and not with the assistant: what it says is the answer.
    """
    prompt, chosen, rejected = (row.get(c) for c in ("prompt", "chosen", "rejected"))
    if not isinstance(prompt, str) or not _is_talk(chosen) or not _is_talk(rejected):
        return row
    assert isinstance(chosen, list) and isinstance(rejected, list)
    n = 0
    while n < min(len(chosen), len(rejected)) - 1 and chosen[n] == rejected[n]:
        n += 1
    while n and chosen[n - 1].get("role") == "assistant":
        n -= 1
    asked = [content_of(m).strip() for m in chosen[:n] if m.get("role") == "user"]
    if prompt.strip() not in asked:
        return row  # another text than the conversations begin with: nobody knows which is meant
    return {**row, "prompt": chosen[:n], "chosen": chosen[n:], "rejected": rejected[n:]}


def _is_talk(said: Any) -> bool:
    return isinstance(said, list) and bool(said) and all(isinstance(m, dict) for m in said)
