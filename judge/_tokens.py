"""Texts as arrays of hashes: the words and the letters of many texts at once, with no Python loop over them.

Guarantees: equal words have equal hashes, on every machine and in every process; case, spacing, punctuation and
Unicode's compatibility forms (NFKC) do not matter. Hashes have 64 bits and are not cryptographic: among ``n`` different
units about ``n² / 2^65`` pairs collide, one pair in 10,000 million units.

A *unit* is a word or a letter (a digit is a letter here); a *window* is some neighbouring units of one text.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

BATCH_CHARS = 1 << 18
"""Characters that are worked on at a time: some 100 bytes of memory each. One longer text is one batch."""

_BASE = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
_WORD_CHARS = re.compile(r"[^\W_]")


def fold(text: str) -> str:
    """Return ``text`` as it is compared: NFKC, casefolded."""
    return text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


@dataclass(frozen=True)
class Units:
    """Hashed units of several texts, one text after the other.

    Attributes:
        hashes: uint64, one a unit.
        offsets: int64; the units of text ``i`` are ``hashes[offsets[i]:offsets[i + 1]]``.
    """

    hashes: Array
    offsets: Array

    @cached_property
    def _sums(self) -> Array:
        """Prefix sums of ``hash * base^position``: the hash of any window is a difference of two of them."""
        sums = np.zeros(len(self.hashes) + 1, np.uint64)
        np.cumsum(self.hashes * powers(len(self.hashes))[0][: len(self.hashes)], out=sums[1:])
        return sums

    @cached_property
    def text_of(self) -> Array:
        """The text that each unit belongs to, int64."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @cached_property
    def room(self) -> Array:
        """How many units each one has from itself to the end of its text, int64."""
        ends: Array = self.offsets[1:][self.text_of]
        return ends - np.arange(len(self.hashes))

    def hash_windows(self, n: int) -> tuple[Array, Array]:
        """Return the hashes of all windows of ``n`` units, and the position of each one's first unit."""
        at = np.flatnonzero(self.room >= n)
        return self.hash_spans(at, n), at

    def hash_spans(self, at: Array, n: int | Array) -> Array:
        """Return the hashes of the windows that begin at ``at`` and have ``n`` units."""
        return mix((self._sums[at + n] - self._sums[at]) * powers(len(self.hashes))[1][at])


@dataclass(frozen=True)
class Batch:
    """Several texts, hashed.

    Attributes:
        words: a unit a word or number.
        letters: a unit a letter or digit; nothing between words.
        first: for each letter, whether a word begins there.
        last: for each letter, whether a word ends there.
        spans: int64 of shape (words, 2); each word's characters in ``text``, end exclusive.
        text: the folded texts, a line break after each.
    """

    words: Units
    letters: Units
    first: Array
    last: Array
    spans: Array
    text: str

    @cached_property
    def word_of(self) -> Array:
        """The word that each letter belongs to, int64."""
        at: Array = np.cumsum(self.first) - 1
        return at

    @cached_property
    def numeric(self) -> Array:
        """For each word, whether it begins with a digit."""
        codes = np.frombuffer(self.text.encode("utf-32-le", "surrogatepass"), np.uint32)
        begin = codes[self.spans[:, 0]] if len(self.spans) else codes[:0]
        digit: Array = (begin >= 48) & (begin <= 57)
        return digit

    def word(self, i: int) -> str:
        """Return the text of word ``i``."""
        start, end = self.spans[i]
        return self.text[start:end]


def hash_texts(texts: list[str]) -> Batch:
    """Hash the words and letters of ``texts``, in memory of some 100 bytes a character."""
    folded = [fold(t) for t in texts]
    text = "\n".join([*folded, ""])
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    bounds = np.concatenate([[0], np.cumsum([len(t) + 1 for t in folded])]).astype(np.int64)
    inside = _letter_table()[codes]
    edge = np.diff(inside.astype(np.int8), prepend=0)
    starts, ends = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1)
    at = np.flatnonzero(inside)
    hashes = mix(codes[at].astype(np.uint64) + np.uint64(1))
    letters = Units(hashes, np.searchsorted(at, bounds))
    first_letter = np.searchsorted(at, starts)
    words = letters.hash_spans(first_letter, ends - starts)
    first, last = np.zeros(len(at), bool), np.zeros(len(at), bool)
    first[first_letter], last[first_letter + (ends - starts) - 1] = True, True
    spans = np.stack([starts, ends], axis=1)
    return Batch(Units(words, np.searchsorted(starts, bounds)), letters, first, last, spans, text)


def in_batches(texts: Iterable[str], most_chars: int = BATCH_CHARS) -> Iterator[list[str]]:
    """Cut ``texts`` into lists of at most ``most_chars`` characters, or of one text."""
    batch: list[str] = []
    chars = 0
    for text in texts:
        if batch and chars + len(text) > most_chars:
            yield batch
            batch, chars = [], 0
        batch.append(text)
        chars += len(text)
    if batch:
        yield batch


def mix(values: Array) -> Array:
    """Spread the bits of uint64 ``values`` (the finaliser of MurmurHash3)."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    mixed: Array = values ^ (values >> np.uint64(33))
    return mixed


def low_half(hashes: Array, bits: int) -> Array:
    """Return the lowest ``bits`` bits of uint64 ``hashes``, int64."""
    return (hashes & np.uint64((1 << bits) - 1)).astype(np.int64)


def powers(n: int) -> tuple[Array, Array]:
    """Return the powers of the base and of its inverse, modulo 2^64, for exponents 0 to at least ``n - 1``."""
    return _powers(1 << max(16, int(n).bit_length()))


@lru_cache(maxsize=2)
def _powers(n: int) -> tuple[Array, Array]:
    up, down = np.full(n, _BASE), np.full(n, _INVERSE)
    up[0] = down[0] = 1
    return np.cumprod(up), np.cumprod(down)


@lru_cache(maxsize=1)
def _letter_table() -> Array:
    """Say of each code point whether it is a letter or digit."""
    table = np.zeros(0x110000, bool)
    table[[m.start() for m in _WORD_CHARS.finditer("".join(map(chr, range(0x110000))))]] = True
    return table
