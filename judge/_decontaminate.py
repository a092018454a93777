"""Decontamination: no evaluation item in training data.

An evaluation item is the text of its question. A training row is contaminated by

* ``ngram``: at least ``overlap`` of an item's n-grams of ``ngram`` words (13 as in the GPT-3 paper, arXiv 2005.14165), or of
  its n-grams of four times as many letters and digits, which do not see where spaces stand;
* ``whole``: an item shorter than one such n-gram, whole. Its letters count, not its spaces; an item of up to 23 letters
  begins and ends where words do, and one of fewer than three words is a sentence or line of its own;
* ``renamed``: the same n-grams after words that are no common words of the items (names, as a rule) were masked, when
  all the item's numbers stand in the row;
* ``near``: at least ``near`` of the words, in their order, of an item of ``ngram`` words or more, its numbers all among them and no
  others between.

Case, spacing, punctuation, HTML entities and Unicode's compatibility forms do not matter. Many rows are searched at once: see
:meth:`Decontaminator.find_all`.

Not found by these: paraphrases, translations, items that lost a number, and a shorter item with any word changed (but for names, by
``renamed``): one word makes *X was a film* another claim. With an embedding model (``embed``) a row, or a line
of it, whose cosine with an item is ``config.embedding`` or more is a match too (:func:`find_embedded`).
"""

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from ..config import DecontaminateConfig
from ._grams import GramIndex, Hits, WholeIndex
from ._mapper import HERE, Mapper
from ._masked import common_words, mask, mask_items
from ._tokens import Array, Batch, fold, hash_texts, in_batches

_WORD = re.compile(r"[^\W_]+")
_NUMBER = re.compile(r"\d+")

KINDS = ("ngram", "whole", "renamed", "near")
"""Kinds of matches, the plainest first; a row is reported with the first that applies."""

NEAR = 0.8
"""Share of an item's words that make a row a near match; 0 = disabled."""
LETTERS_A_WORD = 4
SEED_WORDS = 4
"""Near matches begin with windows of so many words …"""
COMMON_SEED = 5
"""… that stand in at most so many items."""
MOST_CANDIDATES = 5
MOST_LINES = 16
"""Lines of a row that are embedded one by one."""


@dataclass(frozen=True)
class EvalText:
    """The text of one evaluation item, and where it belongs."""

    suite: str
    split: str
    item_id: str
    text: str


@dataclass(frozen=True)
class Match:
    """What a training row holds of an evaluation item.

    Attributes:
        item: the evaluation item.
        kind: one of :data:`KINDS`, or ``embedding``.
        share: of the item's n-grams (``ngram``, ``renamed``) or words (``near``) that the row has; the cosine for
            ``embedding``; 1 for ``whole``.
    """

    item: EvalText
    kind: str
    share: float

    @property
    def suite(self) -> str:
        """The item's suite."""
        return self.item.suite

    @property
    def split(self) -> str:
        """The item's split."""
        return self.item.split

    @property
    def item_id(self) -> str:
        """The item's id."""
        return self.item.item_id

    @property
    def evidence(self) -> str:
        """Suite, split, item, kind and share, for a person."""
        return f"{self.suite}/{self.split} {self.item_id}: {self.kind}, {self.share:.2f}"


@dataclass
class _Found:
    """The best match of each row of a batch so far."""

    share: dict[int, float]
    item: dict[int, int]

    def offer(self, row: int, item: int, share: float) -> None:
        if share > self.share.get(row, 0.0) or (share == self.share[row] and item < self.item[row]):
            self.share[row], self.item[row] = share, item


class Decontaminator:
    """Finds evaluation items in training rows.

    Args:
        items: the evaluation items; those without a letter or digit match nothing.
        config: length of the n-grams, and the share of them that counts.
        near: share of an item's words that makes a near match; 0 = disabled.
        renamed: whether items with other names are looked for.
        embed: texts to vectors, for ``config.embedding``; without it nothing is compared by embeddings.
        mapper: has the rows searched; with embeddings that is done here.
    """

    def __init__(
        self, items: Iterable[EvalText], config: DecontaminateConfig, *, near: float = NEAR, renamed: bool = True,
        embed: Callable[[Sequence[str]], Any] | None = None, mapper: Mapper = HERE,
    ) -> None:  # fmt: skip
        self._embed, self._cosine = embed if config.embedding else None, config.embedding
        self._mapper = mapper if self._embed is None else HERE
        self._vectors: Array | None = None
        self._items = [replace(i, text=unescape(i.text)) for i in items]
        self._overlap, self._near, self._renamed = config.overlap, near, renamed
        self._n, self._n_letters = config.ngram, LETTERS_A_WORD * config.ngram
        batch = hash_texts([i.text for i in self._items])
        n_words = np.diff(batch.words.offsets)
        n_letters = np.diff(batch.letters.offsets)
        long = (n_words >= self._n) & (n_letters >= self._n_letters)
        self._words = GramIndex(batch.words, self._n, n_words >= self._n)
        self._letters = GramIndex(batch.letters, self._n_letters, long)
        self._whole = WholeIndex(batch, ~long & (n_letters > 0))
        self._seeds = GramIndex(batch.words, SEED_WORDS, (n_words >= self._n) & (near > 0), most_items=COMMON_SEED)
        self._vocabulary = common_words([i.text for i in self._items])
        self._masked = self._index_masked(batch) if renamed else []

    @property
    def n_items(self) -> int:
        """How many items are looked for."""
        return len(self._items)

    def find(self, text: str) -> Match | None:
        """Return the item that ``text`` holds, or holds most of; None when it holds none."""
        return self.find_all([text])[0]

    def find_all(self, texts: Iterable[str]) -> list[Match | None]:
        """Return for each text the item that it holds, searched in batches of about 260,000 characters."""
        if not self._items:
            return [None for _ in texts]
        parts = in_batches(texts, self._mapper.part_chars)
        return [match for found in self._mapper.map(_find_in_part, parts, self) for match in found]

    def find_in_part(self, texts: Iterable[str]) -> list[Match | None]:
        """Return the same, searched in this process."""
        return [match for batch in in_batches(map(unescape, texts)) for match in self._find_batch(batch)]

    def __getstate__(self) -> dict[str, Any]:
        """Return what a task elsewhere needs."""
        return {**vars(self), "_mapper": HERE, "_embed": None}

    def _find_batch(self, texts: list[str]) -> list[Match | None]:
        batch = hash_texts(texts)
        found: list[Match | None] = [None] * len(texts)
        for kind, search in zip(KINDS, (self._by_ngram, self._by_whole, self._by_mask, self._by_words), strict=True):
            best = _Found({}, {})
            search(batch, best)
            for row, item in best.item.items():
                if found[row] is None:
                    found[row] = Match(self._items[item], kind, best.share[row])
        if self._embed is not None:
            self._find_by_embedding(texts, found)
        return found

    def _find_by_embedding(self, texts: list[str], found: list[Match | None]) -> None:
        """Compare what nothing else matched, each row as a whole and line by line."""
        assert self._embed is not None
        if self._vectors is None:
            self._vectors = np.asarray(self._embed([i.text for i in self._items]), np.float32)
        parts = [(row, part) for row, text in enumerate(texts) if found[row] is None for part in _parts(text)]
        if not parts:
            return
        vectors = np.asarray(self._embed([part for _, part in parts]), np.float32)
        matches = find_embedded(vectors, self._vectors, self._items, threshold=self._cosine)
        for (row, _), match in zip(parts, matches, strict=True):
            best = found[row]
            if match and (best is None or match.share > best.share):
                found[row] = match

    def _by_ngram(self, batch: Batch, best: _Found) -> None:
        for index, units in ((self._words, batch.words), (self._letters, batch.letters)):
            self._offer(index.find(units), index, best)

    def _offer(self, hits: Hits, index: GramIndex, best: _Found) -> None:
        share = hits.counts / index.sizes[hits.items]
        for i in np.flatnonzero(share >= self._overlap).tolist():
            best.offer(int(hits.rows[i]), int(hits.items[i]), float(share[i]))

    def _by_whole(self, batch: Batch, best: _Found) -> None:
        for row, item in self._whole.find(batch):
            best.offer(row, item, 1.0)

    def _by_mask(self, batch: Batch, best: _Found) -> None:
        if not self._masked:
            return
        masked = mask(batch, self._vocabulary)
        for index in self._masked:
            seen = _Found({}, {})
            self._offer(index.find(masked), index, seen)
            for row, item in seen.item.items():
                if _numbers(self._items[item].text) <= _numbers(_text_of(batch, row)):
                    best.offer(row, item, seen.share[row])

    def _index_masked(self, batch: Batch) -> list[GramIndex]:
        """Index the items by masked n-grams; an item shorter than one is one n-gram."""
        units, fit = mask_items([i.text for i in self._items], batch, self._vocabulary, self._n)
        sizes = np.minimum(np.diff(units.offsets), self._n)
        return [GramIndex(units, int(n), fit & (sizes == n)) for n in np.unique(sizes[fit])]

    def _by_words(self, batch: Batch, best: _Found) -> None:
        if not self._near:
            return
        hits = self._seeds.find(batch.words)
        enough = hits.counts >= np.maximum(3, 0.3 * self._seeds.sizes[hits.items])
        order = np.lexsort((-hits.counts[enough], hits.rows[enough]))
        rows, items = hits.rows[enough][order], hits.items[enough][order]
        tried: Counter[int] = Counter()
        for row, item in zip(rows.tolist(), items.tolist(), strict=True):
            tried[row] += 1
            if tried[row] > MOST_CANDIDATES:
                continue
            share = align(split_words(self._items[item].text), _words_of(batch, row))
            if share >= self._near:
                best.offer(row, item, share)


def _find_in_part(texts: list[str], decontaminator: Decontaminator) -> list[Match | None]:
    return decontaminator.find_in_part(texts)


def unescape(text: str) -> str:
    """Return ``text`` with HTML's entities as the characters that they stand for, those that were escaped twice too."""
    for _ in range(2):
        if "&" not in text:
            break
        text = html.unescape(text)
    return text


def _parts(text: str) -> list[str]:
    """Return a text, and its lines where it has several, the first :data:`MOST_LINES` with a word."""
    lines = [line for line in text.split("\n") if _WORD.search(line)]
    return [text, *lines[:MOST_LINES]] if len(lines) > 1 else [text]


def find_embedded(
    rows: Array, items: Array, texts: Sequence[EvalText], *, threshold: float = 0.9, batch: int = 4096
) -> list[Match | None]:
    """Return for each row the item whose embedding is nearest, when their cosine is at least ``threshold``.

    Args:
        rows: float array (n, d), embeddings of training rows; any scale.
        items: float array (m, d), embeddings of the items by the same model.
        texts: the ``m`` items.
        threshold: cosine, -1 to 1.
        batch: rows that are compared at a time: ``batch * m`` floats of memory.
    """
    unit = _normalise(items)
    out: list[Match | None] = []
    for start in range(0, len(rows), batch):
        cosines = _normalise(rows[start : start + batch]) @ unit.T
        nearest = cosines.argmax(axis=1) if len(texts) else np.zeros(len(cosines), int)
        best = [float(c[i]) if len(texts) else -1.0 for c, i in zip(cosines, nearest, strict=True)]
        out += [
            Match(texts[i], "embedding", c) if c >= threshold and len(texts) else None
            for i, c in zip(nearest.tolist(), best, strict=True)
        ]
    return out


def split_words(text: str) -> list[str]:
    """Return the folded words and numbers of ``text``."""
    return _WORD.findall(fold(text))


def align(item: Sequence[str], row: Sequence[str]) -> float:
    """Return the share of the item's words that a stretch of the row has in their order.

    It is 0 when the stretch does not have exactly the item's numbers in their order, or is more than a quarter longer
    than the item.
    """
    wanted = [w for w in item if w[0].isdigit()]
    if wanted and not _is_subsequence(wanted, row):
        return 0.0
    blocks = [b for b in SequenceMatcher(None, row, item, autojunk=False).get_matching_blocks() if b.size]
    if not blocks:
        return 0.0
    start, end = blocks[0].a, blocks[-1].a + blocks[-1].size
    if end - start > 1.25 * len(item) + 2:
        return 0.0
    if [w for w in row[start:end] if w[0].isdigit()] != wanted:
        return 0.0
    return sum(b.size for b in blocks) / len(item)


def _is_subsequence(wanted: Sequence[str], row: Sequence[str]) -> bool:
    rest = iter(row)
    return all(any(word == w for word in rest) for w in wanted)


def _normalise(vectors: Array) -> Array:
    vectors = np.asarray(vectors, np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Array = vectors / np.where(length == 0, 1, length)
    return unit


def _text_of(batch: Batch, row: int) -> str:
    first, end = batch.words.offsets[row], batch.words.offsets[row + 1]
    return batch.text[batch.spans[first, 0] : batch.spans[end - 1, 1]] if end > first else ""


def _words_of(batch: Batch, row: int) -> list[str]:
    return [batch.word(i) for i in range(batch.words.offsets[row], batch.words.offsets[row + 1])]


def _numbers(text: str) -> "Counter[str]":
    return Counter(_NUMBER.findall(text))
