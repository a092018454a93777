"""How many tokens a text has: an estimate that needs no download, or a tokenizer's own count.

The estimate counts what byte-pair encodings tend to make one token: up to seven letters of a Latin word, up to three
digits, one ideograph, kana or hangul syllable, up to three letters of any other script, up to four equal punctuation
marks, an indentation, a run of newlines. For two parts it counts at most one less than for the whole.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

CountTokens = Callable[[str], int]

_TOKEN = re.compile(
    r"[A-Za-z\u00c0-\u024f]{1,7}|\d{1,3}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]|[^\W\d_]{1,3}|_+"
    r"|([^\w\s])\1{0,3}|[ \t]{2,}|\n{2,}"
)


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a model's tokenizer makes of ``text``."""
    return len(_TOKEN.findall(text))


def load_counter(tokenizer: str | None) -> CountTokens:
    """Return the estimate, or for a folder with a ``tokenizer.json`` that tokenizer's count."""
    return _count_with(tokenizer) if tokenizer else estimate_tokens


@cache
def _count_with(folder: str) -> CountTokens:
    from tokenizers import Tokenizer

    tokenizer: Any = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    tokenizer.no_truncation()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
