"""Decontamination: no evaluation item in training data.

An evaluation item is the text of its question. Both sides are lower-cased and reduced to words and numbers, so that
case, spacing and punctuation do not matter. A training row is contaminated when it holds at least ``overlap`` of an
item's word ``ngram``-grams (13 words as in the GPT-3 paper, arXiv 2005.14165); an item shorter than that must stand
in the row whole.

Not found here: paraphrases, and items whose names were changed.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from ..config import DecontaminateConfig

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class EvalText:
    """The text of one evaluation item, and where it belongs."""

    suite: str
    split: str
    item_id: str
    text: str


class Decontaminator:
    """Finds evaluation items in training rows."""

    def __init__(self, items: Iterable[EvalText], config: DecontaminateConfig) -> None:
        self._items = list(items)
        self._overlap = config.overlap
        self._index: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._size: list[int] = []
        for position, item in enumerate(self._items):
            words = normalize(item.text)
            n = min(config.ngram, len(words))
            grams = set(_ngrams(words, n))
            self._size.append(len(grams))
            for gram in grams:
                self._index[n][gram].append(position)

    def find(self, text: str) -> EvalText | None:
        """Return the item that ``text`` holds most of, when that is at least ``overlap``; None otherwise."""
        words = normalize(text)
        hits: Counter[int] = Counter()
        for n, index in self._index.items():
            for gram in set(_ngrams(words, n)):
                hits.update(index.get(gram, ()))
        found = [(count / self._size[i], -i) for i, count in hits.items() if count >= self._overlap * self._size[i]]
        return self._items[-max(found)[1]] if found else None


def normalize(text: str) -> list[str]:
    """Return the lower-cased words and numbers of ``text``."""
    return _WORD.findall(text.lower())


def _ngrams(words: list[str], n: int) -> Iterable[str]:
    if n == 0:
        return ()
    return (" ".join(words[i : i + n]) for i in range(len(words) - n + 1))
