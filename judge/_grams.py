"""Indexes of hashed windows: which items' windows stand in which rows."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ._tokens import Array, Batch, Units

FILTER_BITS = 22
SEED_LETTERS = 12
FREE_LETTERS = 24
"""From so many letters on an item is found whole also where no word begins or ends."""
SENTENCE_WORDS = 3
"""An item of fewer words than this has to be a sentence or a line of its own."""
_CLOSERS = "\"'’”»)]}*_`"
_OPENERS = "\"'‘“«([{*_`#>-"
_ENDS = ".!?\n:;。！？"


@dataclass(frozen=True)
class Hits:
    """How many different windows (``counts``) of each item stand in each row; three int64 arrays of one length."""

    rows: Array
    items: Array
    counts: Array


class GramIndex:
    """Windows of ``n`` units of some items.

    Args:
        units: the items' units.
        n: units a window.
        chosen: bool, one an item; items that are not chosen, or have no window, are never found.
        most_items: windows that stand in more items are left out; 0 = none is left out.
    """

    def __init__(self, units: Units, n: int, chosen: Array, *, most_items: int = 0) -> None:
        self._n = n
        hashes, at = units.hash_windows(n)
        items = units.text_of[at] if len(at) else at
        inside = chosen[items] if len(at) else np.zeros(0, bool)
        pairs = np.unique(np.stack([hashes[inside], items[inside].astype(np.uint64)], axis=1), axis=0)
        self._keys, starts, counts = np.unique(pairs[:, 0], return_index=True, return_counts=True)
        if most_items:
            rare = np.repeat(counts <= most_items, counts)
            pairs = pairs[rare]
            self._keys, starts, counts = np.unique(pairs[:, 0], return_index=True, return_counts=True)
        self._starts, self._counts, self._posted = starts, counts, pairs[:, 1].astype(np.int64)
        self.sizes = np.bincount(self._posted, minlength=len(chosen))
        """Different windows of each item, int64."""
        self._filter = make_filter(self._keys)

    def find(self, units: Units) -> Hits:
        """Return which items' windows stand in which texts of ``units``."""
        if not len(self._keys):
            none = np.zeros(0, np.int64)
            return Hits(none, none, none)
        hashes, at = units.hash_windows(self._n)
        maybe = self._filter[low_bits(hashes)]
        hashes, at = hashes[maybe], at[maybe]
        key = np.searchsorted(self._keys, hashes)
        found = self._keys[np.minimum(key, len(self._keys) - 1)] == hashes
        rows = units.text_of[at[found]]
        pairs = np.unique(rows * len(self._keys) + key[found])
        return self._expand(pairs // len(self._keys), pairs % len(self._keys))

    def _expand(self, rows: Array, keys: Array) -> Hits:
        """Count, for each row and item, the windows that they share."""
        counts = self._counts[keys]
        total = int(counts.sum())
        offset = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        items = self._posted[np.repeat(self._starts[keys], counts) + offset]
        both, n = np.unique(np.repeat(rows, counts) * len(self.sizes) + items, return_counts=True)
        return Hits(both // len(self.sizes), both % len(self.sizes), n)


class WholeIndex:
    """Items that must stand in a row whole: found by their first letters, then compared by the hash of all of them.

    Args:
        batch: the items.
        chosen: bool, one an item.
    """

    def __init__(self, batch: Batch, chosen: Array) -> None:
        units = batch.letters
        self._ids = np.flatnonzero(chosen)
        starts = units.offsets[:-1][self._ids]
        self._lengths = np.diff(units.offsets)[self._ids]
        self._hashes = units.hash_spans(starts, self._lengths)
        self._short = np.diff(batch.words.offsets)[self._ids] < SENTENCE_WORDS
        seeds = np.minimum(self._lengths, SEED_LETTERS)
        self._seeds = {}
        for n in np.unique(seeds).tolist():
            group = np.flatnonzero(seeds == n)
            keys = units.hash_spans(starts[group], n)
            order = np.argsort(keys, kind="stable")
            self._seeds[n] = (keys[order], group[order], make_filter(keys))

    def find(self, batch: Batch) -> Iterator[tuple[int, int]]:
        """Yield (row, item) for every item that stands whole in a text of ``batch``."""
        letters = batch.letters
        for n, (keys, group, bits) in self._seeds.items():
            hashes, at = letters.hash_windows(n)
            maybe = bits[low_bits(hashes)]
            hashes, at = hashes[maybe], at[maybe]
            left, right = np.searchsorted(keys, hashes), np.searchsorted(keys, hashes, "right")
            counts = right - left
            place = np.repeat(at, counts)
            offset = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
            which = group[np.repeat(left, counts) + offset]
            yield from self._verify(batch, place, which)

    def _verify(self, batch: Batch, place: Array, which: Array) -> Iterator[tuple[int, int]]:
        letters, length = batch.letters, self._lengths[which]
        fits = letters.room[place] >= length
        place, which, length = place[fits], which[fits], length[fits]
        same = letters.hash_spans(place, length) == self._hashes[which]
        bounded = batch.first[place] & batch.last[place + length - 1]
        same &= bounded | (length >= FREE_LETTERS)
        for at, i, n in zip(place[same].tolist(), which[same].tolist(), length[same].tolist(), strict=True):
            if not self._short[i] or _is_sentence(batch, at, n):
                yield int(letters.text_of[at]), int(self._ids[i])


def _is_sentence(batch: Batch, at: int, n: int) -> bool:
    """Say whether the ``n`` letters from ``at`` on are bounded by line breaks, sentence ends or the ends of the text."""
    start, end = int(batch.spans[batch.word_of[at], 0]), int(batch.spans[batch.word_of[at + n - 1], 1])
    before = batch.text[max(0, start - 20) : start].rstrip(" \t" + _OPENERS)
    after = batch.text[end : end + 20].lstrip(" \t" + _CLOSERS)
    return (not before or before[-1] in _ENDS) and (not after or after[0] in _ENDS)


def make_filter(keys: Array) -> Array:
    """Return a table of bools that says, by the low bits of a hash, whether it may be among ``keys``."""
    table = np.zeros(1 << FILTER_BITS, bool)
    table[low_bits(keys)] = True
    return table


def low_bits(hashes: Array) -> Array:
    """Return the place of each hash in the table of :func:`make_filter`."""
    return hashes & np.uint64((1 << FILTER_BITS) - 1)
