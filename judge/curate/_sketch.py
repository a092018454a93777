"""Rows as sketches, in files: some rows a file, which tasks on any machine write and map into memory."""

import os
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np

from .._tokens import Array, Units, hash_texts, in_batches, mix

BITS = 256
SPARE_FILES = 256
"""Files that a process has open beside its sketches."""


@dataclass(frozen=True)
class Scheme:
    """How rows are sketched, the same for all that are compared with each other.

    Attributes:
        words: length of the n-grams, in words; a shorter row is one n-gram.
        masks: uint64 of shape (bands, rows a band): with ``factors`` the permutations.
    """

    words: int
    masks: Array = field(repr=False)
    factors: Array = field(repr=False)

    @classmethod
    def make(cls, words: int, bands: int, rows: int, seed: int) -> Self:
        """Draw the permutations."""
        rng = np.random.default_rng(seed)
        masks = rng.integers(0, 1 << 64, (bands, rows), np.uint64)
        return cls(
            words, masks, rng.integers(0, 1 << 63, (bands, rows), np.uint64) * np.uint64(2) + np.uint64(1)
        )  # fmt: skip

    @classmethod
    def without_keys(cls, words: int) -> Self:
        """For the n-grams alone: the similarity of given pairs."""
        return cls.make(words, 0, 0, 0)


@dataclass(frozen=True)
class Sketch:
    """What is held of some rows.

    Attributes:
        bitmaps: uint64 of shape (rows, ``BITS`` / 64): the bits that the row's n-grams choose.
        numbers: uint64, equal for rows with the same numbers.
        keys: uint32 of shape (bands, rows): the key of each band; that of a row without words means nothing.
        sizes: int32, how many different n-grams each has.
        lost: int32, how many of these share a bit with another.
        grams: uint32, the n-grams of one row after the other.
    """

    bitmaps: Array
    numbers: Array
    keys: Array
    sizes: Array
    lost: Array
    grams: Array

    def save(self, path: Path) -> None:
        """Write a file: it is there whole or not at all, whoever else writes it."""
        unfinished = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}")
        with unfinished.open("wb") as stream:
            shape = [len(self.sizes), self.bitmaps.shape[1], len(self.keys), len(self.grams)]
            np.array(shape, np.int64).tofile(stream)
            for array in (self.bitmaps, self.numbers, self.keys, self.sizes, self.lost, self.grams):
                np.ascontiguousarray(array).tofile(stream)
        os.replace(unfinished, path)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return what a file has, mapped into memory."""
        whole = np.asarray(np.memmap(path, np.uint8, "r"))
        rows, words, bands, grams = whole[:32].view(np.int64).tolist()
        at = 32

        def take(kind: type, *shape: int) -> Array:
            nonlocal at
            start, at = at, at + int(np.prod(shape)) * np.dtype(kind).itemsize
            array: Array = whole[start:at].view(kind).reshape(shape)
            return array

        return cls(
            take(np.uint64, rows, words), take(np.uint64, rows), take(np.uint32, bands, rows), take(np.int32, rows),
            take(np.int32, rows), take(np.uint32, grams),
        )  # fmt: skip


def open_all(paths: Sequence[Path]) -> list[Sketch]:
    """Return the sketches of files; each keeps its file open, so that the system's limit on these is raised as far as it goes."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = len(paths) + SPARE_FILES
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(
                resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
            )
    return [Sketch.open(path) for path in paths]


def sketch_texts(texts: list[str], scheme: Scheme) -> tuple[Sketch, Array]:
    """Sketch rows; return with them a uint64 a row that is equal for rows of the same n-grams and numbers."""
    made = [_sketch_batch(batch, scheme) for batch in in_batches(texts)]
    names = ("bitmaps", "numbers", "keys", "sizes", "lost", "grams")
    joined = {n: np.concatenate([getattr(s, n) for s, _ in made], axis=1 if n == "keys" else 0) for n in names}
    return Sketch(**joined), np.concatenate([sets for _, sets in made])


def _sketch_batch(texts: list[str], scheme: Scheme) -> tuple[Sketch, Array]:
    hashed = hash_texts(texts)
    grams, sizes = _gram_sets(hashed.words, scheme.words)
    bitmaps = _make_bitmaps(grams, sizes)
    lost = sizes - np.bitwise_count(bitmaps).sum(axis=1, dtype=np.int64)
    own = np.where(hashed.numeric, mix(hashed.words.hashes), np.uint64(0))
    numbers = _sum_groups(own, np.diff(hashed.words.offsets))
    sets = _sum_groups(mix(grams), sizes) ^ mix(numbers)
    halves = (grams >> np.uint64(32)).astype(np.uint32)
    return Sketch(
        bitmaps, numbers, _make_keys(grams, sizes, scheme), sizes.astype(np.int32), lost.astype(np.int32), halves
    ), sets


def _make_keys(grams: Array, sizes: Array, scheme: Scheme) -> Array:
    """Return the key of each band, uint32 of shape (bands, rows)."""
    filled = sizes > 0
    keys = np.zeros((len(scheme.masks), len(sizes)), np.uint32)
    starts = (np.cumsum(sizes) - sizes)[filled]
    if not len(starts):
        return keys
    for band, (masks, factors) in enumerate(zip(scheme.masks, scheme.factors, strict=True)):
        key = np.zeros(len(starts), np.uint64)
        for mask, factor in zip(masks, factors, strict=True):
            key = mix(key ^ np.minimum.reduceat((grams ^ mask) * factor, starts))
        keys[band, filled] = (key >> np.uint64(32)).astype(np.uint32)
    return keys


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
    """Return ``BITS`` bits a row as uint64 of shape (rows, words)."""
    rows = np.repeat(np.arange(len(sizes)), sizes)
    bit = (grams >> np.uint64(32)) % np.uint64(BITS)
    bitmaps = np.zeros((len(sizes), BITS // 64), np.uint64)
    np.bitwise_or.at(bitmaps, (rows, (bit // np.uint64(64)).astype(np.int64)), np.uint64(1) << bit % np.uint64(64))
    return bitmaps


class Rows:
    """The rows of some sketches, numbered one sketch after the other."""

    def __init__(self, parts: list[Sketch]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *(len(p.sizes) for p in parts)])
        self._offsets = [np.concatenate([[0], np.cumsum(p.sizes, dtype=np.int64)]) for p in parts]
        self.sizes = np.concatenate([p.sizes for p in parts]).astype(np.int64)

    def keys_of(self, band: int) -> Array:
        """Return a band's key of every row, uint32."""
        keys: Array = np.concatenate([p.keys[band] for p in self._parts])
        return keys

    def share_key(self, bands: int, left: Array, right: Array) -> Array:
        """Say of each pair whether it has a key of the first ``bands`` in common."""
        first, second = np.empty((bands, len(left)), np.uint32), np.empty((bands, len(left)), np.uint32)
        for out, rows in ((first, left), (second, right)):
            for part, at, local in self._split(rows):
                out[:, at] = self._parts[part].keys[:bands, local]
        shared: Array = (first == second).any(axis=0)
        return shared

    def same_numbers(self, left: Array, right: Array) -> Array:
        """Say of each pair whether its numbers are the same."""
        same: Array = self._take(left, "numbers")[0] == self._take(right, "numbers")[0]
        return same

    def may_reach(self, left: Array, right: Array, threshold: float) -> Array:
        """Say of each pair whether its Jaccard similarity may be ``threshold``; False is certain.

        A common n-gram sets a common bit, and only as many of a row's n-grams as bits are missing share one.
        """
        (first, first_lost), (second, second_lost) = (self._take(side, "bitmaps", "lost") for side in (left, right))
        both = np.zeros(len(left), np.int64)
        for word in range(first.shape[1]):
            both += np.bitwise_count(first[:, word] & second[:, word])
        need = threshold / (1 + threshold) * (self.sizes[left] + self.sizes[right])
        enough: Array = both + np.minimum(first_lost, second_lost) >= need - 1e-9
        return enough

    def jaccard(self, left: Array, right: Array) -> Array:
        """Return the true Jaccard similarity of each pair, float64; 0 of two rows without words."""
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
        """Return the n-grams of ``rows``, of one after the other."""
        sizes = self.sizes[rows]
        starts = np.cumsum(sizes) - sizes
        grams = np.empty(int(sizes.sum()), np.uint32)
        for part, at, local in self._split(rows):
            n = sizes[at]
            within = np.arange(int(n.sum())) - np.repeat(np.cumsum(n) - n, n)
            grams[np.repeat(starts[at], n) + within] = self._parts[part].grams[
                np.repeat(self._offsets[part][local], n) + within
            ]
        return grams

    def _take(self, rows: Array, *names: str) -> list[Array]:
        """Return what the sketches say of ``rows``."""
        kinds = [getattr(self._parts[0], name) for name in names]
        out = [np.empty((len(rows), *kind.shape[1:]), kind.dtype) for kind in kinds]
        for part, at, local in self._split(rows):
            for array, name in zip(out, names, strict=True):
                array[at] = getattr(self._parts[part], name)[local]
        return out

    def _split(self, rows: Array) -> list[tuple[int, Array, Array]]:
        """Return of each sketch that has some of ``rows`` its number, the places in ``rows``, and their numbers in it."""
        if len(self._parts) == 1:
            return [(0, np.arange(len(rows)), rows)]
        parts = (np.searchsorted(self._starts, rows, "right") - 1).astype(np.uint16)
        order = np.argsort(parts, kind="stable")
        bounds = np.searchsorted(parts[order], np.arange(len(self._parts) + 1))
        return [
            (part, order[begin:end], rows[order[begin:end]] - self._starts[part])
            for part, (begin, end) in enumerate(pairwise(bounds.tolist()))
            if end > begin
        ]
