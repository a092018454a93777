"""Near duplicates by MinHash and LSH (Broder 1997; Leskovec, Rajaraman and Ullman, *Mining of Massive Datasets*, ch. 3),
each candidate verified by the true Jaccard similarity of its word n-grams.

Memory: about 250 bytes a row, twice that while it searches (the keys of the bands, a
bitmap), whatever the length of its text; the n-grams themselves
lie in a temporary file, 4 bytes each, that the system maps in and out. A pair is found with the probability that
:func:`choose_bands` promises, and never without being at least ``threshold`` similar.

Why not a library: ``bench/near_duplicates.py`` and its figures in docs/curate.md; and it adds no dependency.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self

import numpy as np

from .._tokens import Array, Units, hash_texts, in_batches, mix

PERMUTATIONS = 256
RECALL = 0.95
"""Probability with which a pair that is just ``threshold`` similar becomes a candidate; more similar ones do more often."""
BITS = 256
BUCKET = 128
"""Rows of one bucket that are compared with all later ones of it; in a larger bucket the later rows are not compared
with each other: the best rows, which stay, come first."""
PAIRS = 1 << 18
"""Candidate pairs that are verified at a time."""


@dataclass(frozen=True)
class Edges:
    """Pairs of similar rows: ``left`` comes before ``right`` in rank; int64, int64 and float64 of one length."""

    left: Array
    right: Array
    jaccard: Array


def choose_bands(threshold: float, permutations: int = PERMUTATIONS, recall: float = RECALL) -> tuple[int, int]:
    """Return (bands, rows a band): the most selective split that finds a pair at ``threshold`` with ``recall``."""
    best = (permutations, 1)
    for rows in range(1, permutations + 1):
        bands = permutations // rows
        if 1 - (1 - threshold**rows) ** bands < recall:
            return best
        best = (bands, rows)
    return best


class MinHashIndex(AbstractContextManager["MinHashIndex"]):
    """Rows as sketches, added batch by batch; a context manager, since it holds a temporary file.

    Args:
        threshold: Jaccard similarity of word n-grams, 0 to 1, from which on two rows are near duplicates.
        words: length of the n-grams, in words; a shorter row is one n-gram.
        same_numbers: rows whose numbers differ are no duplicates, however similar.
        seed: of the permutations.
    """

    def __init__(self, threshold: float, *, words: int = 2, same_numbers: bool = False, seed: int = 0) -> None:
        self.threshold, self._words, self._same_numbers = threshold, words, same_numbers
        self._bands, self._rows = choose_bands(threshold)
        rng = np.random.default_rng(seed)
        self._masks = rng.integers(0, 1 << 64, (self._bands, self._rows), np.uint64)
        self._factors = rng.integers(0, 1 << 63, (self._bands, self._rows), np.uint64) * np.uint64(2) + np.uint64(1)
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="flywheel-minhash-")  # noqa: SIM115
        self._keys: list[Array] = []
        self._bitmaps: list[Array] = []
        self._sizes: list[Array] = []
        self._numbers: list[Array] = []
        self._sets: list[Array] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()

    def add(self, texts: Iterable[str]) -> None:
        """Add rows; they are numbered in the order in which they come."""
        for batch in in_batches(texts):
            hashed = hash_texts(batch)
            grams, sizes = _gram_sets(hashed.words, self._words)
            self._sizes.append(sizes.astype(np.int32))
            self._keys.append(self._sketch(grams, sizes))
            self._bitmaps.append(_make_bitmaps(grams, sizes))
            numbers = np.where(hashed.numeric, mix(hashed.words.hashes), np.uint64(0))
            sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(numbers, dtype=np.uint64)])
            self._numbers.append(np.diff(sums[hashed.words.offsets]))
            self._sets.append(_sum_groups(mix(grams), sizes) ^ mix(self._numbers[-1]))
            (grams >> np.uint64(32)).astype(np.uint32).tofile(self._file)
        self._file.flush()

    def _sketch(self, grams: Array, sizes: Array) -> Array:
        """Return the key of each band, uint32 of shape (bands, rows); that of a row without words means nothing."""
        filled = sizes > 0
        keys = np.zeros((self._bands, len(sizes)), np.uint32)
        starts = (np.cumsum(sizes) - sizes)[filled]
        if not len(starts):
            return keys
        for band in range(self._bands):
            key = np.zeros(len(starts), np.uint64)
            for mask, factor in zip(self._masks[band], self._factors[band], strict=True):
                key = mix(key ^ np.minimum.reduceat((grams ^ mask) * factor, starts))
            keys[band, filled] = (key >> np.uint64(32)).astype(np.uint32)
        return keys

    def find(self, rank: Array | None = None, *, fixed: int = 0) -> Edges:
        """Return the pairs of rows that are at least ``threshold`` similar.

        Of rows with the same n-grams and numbers, the one of best rank stands for the others: they have one pair each, with it.

        Args:
            rank: int64, one a row, all different: 0 is the row that is kept first; None: the order of adding.
            fixed: rows of an earlier set, the first that were added: not compared with each other.
        """
        if not self._sizes:
            return Edges(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        sizes = np.concatenate(self._sizes).astype(np.int64)
        rank = np.arange(len(sizes)) if rank is None else np.asarray(rank, np.int64)
        rows = _Rows(self._file, sizes, np.concatenate(self._bitmaps), np.concatenate(self._numbers))
        self._bitmaps, self._numbers = [rows.bitmaps], [rows.numbers]
        self._keys = [np.concatenate(self._keys, axis=1)]
        self._sizes = [sizes.astype(np.int32)]
        self._sets = [np.concatenate(self._sets)]
        same, filled = _represent(self._sets[0], rank, np.flatnonzero(sizes > 0))
        parts = [same] + [
            part
            for band in range(self._bands)
            for part in self._verify_band(band, rows, rank, fixed, filled)
            if len(part.left)
        ]
        left, right, jaccard = (
            np.concatenate([getattr(p, name) for p in parts]) if parts else np.zeros(0, kind)
            for name, kind in (("left", np.int64), ("right", np.int64), ("jaccard", np.float64))
        )
        return Edges(left, right, jaccard)

    def _verify_band(self, band: int, rows: "_Rows", rank: Array, fixed: int, filled: Array) -> Iterator[Edges]:
        keys = self._keys[0]
        for left, right in _pairs_of(keys[band], rank, filled):
            maybe = (right >= fixed) | (left >= fixed)
            maybe &= rows.may_reach(left, right, self.threshold)
            if self._same_numbers:
                maybe &= rows.numbers[left] == rows.numbers[right]
            left, right = left[maybe], right[maybe]
            fresh = ~(keys[:band, left] == keys[:band, right]).any(axis=0)
            left, right = left[fresh], right[fresh]
            jaccard = rows.jaccard(left, right)
            found = jaccard >= self.threshold
            yield Edges(left[found], right[found], jaccard[found])


class GramSets(AbstractContextManager["GramSets"]):
    """Sets of word n-grams alone, for the similarity of given pairs: 4 bytes a row, and a temporary file.

    Args:
        words: length of the n-grams, in words.
    """

    def __init__(self, words: int = 2) -> None:
        self._words = words
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="flywheel-grams-")  # noqa: SIM115
        self._sizes: list[Array] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def add(self, texts: Iterable[str]) -> None:
        """Add rows; they are numbered in the order in which they come."""
        for batch in in_batches(texts):
            grams, sizes = _gram_sets(hash_texts(batch).words, self._words)
            self._sizes.append(sizes.astype(np.int32))
            (grams >> np.uint64(32)).astype(np.uint32).tofile(self._file)
        self._file.flush()

    def jaccard(self, left: Array, right: Array) -> Array:
        """Return the Jaccard similarity of each pair of rows, float64; two rows without words are the same."""
        sizes = np.concatenate(self._sizes).astype(np.int64) if self._sizes else np.zeros(0, np.int64)
        empty = np.zeros((len(sizes), 1), np.uint64)
        found = _Rows(self._file, sizes, empty, empty).jaccard(left, right)
        return np.where(sizes[left] + sizes[right] == 0, 1.0, found)


class _Rows:
    """What verification needs of the rows: their sets of n-grams, in a mapped file, and bitmaps of these."""

    def __init__(self, file: IO[bytes], sizes: Array, bitmaps: Array, numbers: Array) -> None:
        self.sizes, self.bitmaps, self.numbers = sizes, bitmaps, numbers
        self._offsets = np.concatenate([[0], np.cumsum(sizes)])
        total = int(self._offsets[-1])
        self._grams = np.memmap(file, np.uint32, "r", shape=(total,)) if total else np.zeros(0, np.uint32)
        self._lost = sizes - np.bitwise_count(bitmaps).sum(axis=1, dtype=np.int64)

    def may_reach(self, left: Array, right: Array, threshold: float) -> Array:
        """Say of each pair whether its Jaccard similarity may be ``threshold``; False is certain.

        A common n-gram sets a common bit, and only as many of a row's n-grams as bits are missing share one.
        """
        both = np.zeros(len(left), np.int64)
        for word in self.bitmaps.T:
            both += np.bitwise_count(word[left] & word[right])
        need = threshold / (1 + threshold) * (self.sizes[left] + self.sizes[right])
        enough: Array = both + np.minimum(self._lost[left], self._lost[right]) >= need - 1e-9
        return enough

    def jaccard(self, left: Array, right: Array) -> Array:
        """Return the true Jaccard similarity of each pair, float64."""
        out = np.empty(len(left))
        weight = np.cumsum(self.sizes[left] + self.sizes[right])
        start = 0
        while start < len(left):
            done = weight[start - 1] if start else 0
            end = max(start + 1, int(np.searchsorted(weight, done + (1 << 22), "right")))
            out[start:end] = self._jaccard(left[start:end], right[start:end])
            start = end
        return out

    def _jaccard(self, left: Array, right: Array) -> Array:
        n = len(left)
        grams = np.concatenate([self._gather(left), self._gather(right)]).astype(np.uint64)
        pair = np.concatenate([np.repeat(np.arange(n), self.sizes[side]) for side in (left, right)])
        keyed = np.sort(grams | pair.astype(np.uint64) << np.uint64(32))
        same = keyed[1:] == keyed[:-1]
        common = np.bincount((keyed[1:][same] >> np.uint64(32)).astype(np.int64), minlength=n)
        jaccard: Array = common / np.maximum(1, self.sizes[left] + self.sizes[right] - common)
        return jaccard

    def _gather(self, rows: Array) -> Array:
        sizes = self.sizes[rows]
        within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        grams: Array = self._grams[np.repeat(self._offsets[rows], sizes) + within]
        return grams


def _represent(sets: Array, rank: Array, filled: Array) -> tuple[Edges, Array]:
    """Return the pairs of equal sets with the one of best rank, and the rows that stand for all."""
    order = filled[np.lexsort((rank[filled], sets[filled]))]
    first = np.ones(len(order), bool)
    first[1:] = sets[order[1:]] != sets[order[:-1]]
    best = order[first][np.cumsum(first) - 1]
    return Edges(best[~first], order[~first], np.ones(int((~first).sum()))), order[first]


def _sum_groups(values: Array, sizes: Array) -> Array:
    """Return the sum of each group of uint64 ``values``, modulo 2^64."""
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(values, dtype=np.uint64)])
    ends = np.cumsum(sizes)
    groups: Array = sums[ends] - sums[ends - sizes]
    return groups


def _gram_sets(words: Units, n: int) -> tuple[Array, Array]:
    """Return the distinct n-grams of each text, one text after the other, and how many each has."""
    counts = np.diff(words.offsets)
    hashes, at = words.hash_windows(n)
    rows = words.text_of[at]
    short = np.flatnonzero((counts > 0) & (counts < n))
    if len(short):
        hashes = np.concatenate([hashes, words.hash_spans(words.offsets[short], counts[short])])
        rows = np.concatenate([rows, short])
    order = np.lexsort((hashes, rows))
    hashes, rows = hashes[order], rows[order]
    new = np.ones(len(rows), bool)  # n-grams are stored by their upper half, so these have to differ
    half = hashes >> np.uint64(32)
    new[1:] = (half[1:] != half[:-1]) | (rows[1:] != rows[:-1])
    return hashes[new], np.bincount(rows[new], minlength=len(counts))


def _make_bitmaps(grams: Array, sizes: Array) -> Array:
    """Return ``BITS`` bits a row as uint64 of shape (rows, words): the bits that the row's n-grams choose."""
    rows = np.repeat(np.arange(len(sizes)), sizes)
    bit = (grams >> np.uint64(32)) % np.uint64(BITS)
    bitmaps = np.zeros((len(sizes), BITS // 64), np.uint64)
    np.bitwise_or.at(bitmaps, (rows, (bit // np.uint64(64)).astype(np.int64)), np.uint64(1) << bit % np.uint64(64))
    return bitmaps


def _pairs_of(keys: Array, rank: Array, filled: Array) -> Iterator[tuple[Array, Array]]:
    """Yield the pairs of rows with equal keys, the one of better rank first, about ``PAIRS`` at a time."""
    order = filled[np.lexsort((rank[filled], keys[filled]))]
    ordered = keys[order]
    begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(order) else np.zeros(0, int)
    sizes = np.diff(np.append(begins, len(order)))
    many = sizes > 1
    begins, sizes = begins[many], sizes[many]
    small = sizes <= BUCKET
    for begin, size in zip(begins[~small].tolist(), sizes[~small].tolist(), strict=True):
        for leader in range(begin, begin + BUCKET):
            for start in range(leader + 1, begin + size, PAIRS):
                right = order[start : min(start + PAIRS, begin + size)]
                yield np.full(len(right), order[leader]), right
    begins, sizes = begins[small], sizes[small]
    for step in range(1, int(sizes.max(initial=1))):
        wide = sizes > step
        begins, sizes = begins[wide], sizes[wide]
        for part in _split(sizes - step):
            at = np.repeat(begins[part], sizes[part] - step) + _within(sizes[part] - step)
            yield order[at], order[at + step]


def _within(counts: Array) -> Array:
    at: Array = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return at


def _split(counts: Array) -> Iterator[slice]:
    """Cut ``counts`` into slices whose sums are about ``PAIRS``."""
    if len(counts):
        edges = np.searchsorted(np.cumsum(counts), np.arange(PAIRS, int(counts.sum()) + PAIRS, PAIRS))
        start = 0
        for end in np.unique(np.append(np.minimum(edges + 1, len(counts)), len(counts))).tolist():
            if end > start:
                yield slice(start, end)
                start = end
