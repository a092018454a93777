"""Items with their names masked: what an item is when it is told of somebody else."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ._tokens import Array, Batch, Units, fold, hash_texts, mix

MASKED_WORDS = 5
"""Fewest unmasked words and numbers of an item that is looked for with its names changed …"""
CONTENT_WORDS = 3
"""… and how many of them tell something: no function words, and no words of many items."""
LONG_WORDS = 8
"""Words of an item with two numbers, which tell it as well."""
FUNCTION_WORDS = """
    a about after all also an and any are as at be because been before being both but by can could did do does doing down during
    each few for from had has have having he her here hers him his how i if in into is it its itself just many me more most much
    my no nor not now of off on once one only or other our out over own part s same she should so some such than that the their
    them then there these they this those through to too under until up very was we were what when where which while who whom
    whose why will with would you your
"""
"""Of English. Of any language, words that many of the items have tell nothing either."""
OFTEN = 0.02
"""Share of the items (five at least) whose having a word makes it one that tells nothing."""
_SLOT = np.uint64(0x5107)

_LOWER_OR_NAME = re.compile(r"(?:(?<=[a-z,;:’'\"(] )|(?<=[a-z],\s))([A-Z][^\W\d_]*)|(?<![^\W_])([a-z][^\W\d_]*)")


def common_words(texts: Sequence[str]) -> Array:
    """Return the hashes, sorted, of the words that items write in lower case at least as often as capitalised in
    mid-sentence: what is not a name.
    """
    lower: Counter[str] = Counter()
    for text in texts:
        for name, word in _LOWER_OR_NAME.findall(text):
            lower[fold(name or word)] += -1 if name else 1
    words = [w for w, n in lower.items() if n >= 0]
    hashes = hash_texts([" ".join(words)]).words.hashes
    return np.unique(hashes)


def named_in(texts: Sequence[str], batch: Batch) -> Array:
    """Say of each word of the items whether its item writes it capitalised in mid-sentence."""
    named = np.zeros(len(batch.words.hashes), bool)
    for i, text in enumerate(texts):
        names = {fold(name) for name, _ in _LOWER_OR_NAME.findall(text) if name}
        for at in range(batch.words.offsets[i], batch.words.offsets[i + 1]) if names else ():
            named[at] = batch.word(at) in names
    return named


def mask(batch: Batch, vocabulary: Array) -> Units:
    return _collapse(batch, _is_unknown(batch, vocabulary))


def _is_unknown(batch: Batch, vocabulary: Array) -> Array:
    at = np.searchsorted(vocabulary, batch.words.hashes)
    known = (
        vocabulary[np.minimum(at, len(vocabulary) - 1)] == batch.words.hashes
        if len(vocabulary)
        else np.zeros(len(at), bool)
    )
    unknown: Array = ~known & ~batch.numeric
    return unknown


def _collapse(batch: Batch, masked: Array) -> Units:
    """Put one slot for each run of masked words."""
    hashes = np.where(masked, mix(np.array([_SLOT]))[0], batch.words.hashes)
    begins = np.zeros(len(masked), bool)
    starts = batch.words.offsets[:-1]
    begins[starts[starts < len(masked)]] = True
    before = np.concatenate([[False], masked[:-1]])
    kept = ~(masked & before & ~begins)
    return Units(hashes[kept], np.concatenate([[0], np.cumsum(kept)])[batch.words.offsets])


def mask_items(texts: Sequence[str], batch: Batch, vocabulary: Array, ngram: int) -> tuple[Units, Array]:
    """Return the items' masked units, and which items are told from others by what is left of them.

    Left must be :data:`MASKED_WORDS` words of which :data:`CONTENT_WORDS` tell something, or :data:`LONG_WORDS` words and two
    numbers, or ``ngram`` words: "… was a part of the …" is no item.
    """
    masked = _is_unknown(batch, vocabulary) | (named_in(texts, batch) & ~batch.numeric)
    content = ~masked & ~np.isin(batch.words.hashes, _words_that_tell_nothing(batch))
    sums = (np.concatenate([[0], np.cumsum(x)])[batch.words.offsets] for x in (~masked, masked, batch.numeric, content))
    kept, slots, numbers, telling = (np.diff(s) for s in sums)
    is_told = (
        (kept >= MASKED_WORDS) & (telling >= CONTENT_WORDS) | (kept >= LONG_WORDS) & (numbers >= 2) | (kept >= ngram)
    )
    return _collapse(batch, masked), (slots > 0) & is_told


def _words_that_tell_nothing(batch: Batch) -> Array:
    """Return the hashes of function words, and of the words that stand in many of the items."""
    items = batch.words.text_of.astype(np.uint64)
    each = (
        np.unique(np.stack([batch.words.hashes, items], axis=1), axis=0) if len(items) else np.zeros((0, 2), np.uint64)
    )
    words, n = np.unique(each[:, 0], return_counts=True)
    often = words[n >= max(5, OFTEN * (len(batch.words.offsets) - 1))]
    return np.unique(np.concatenate([often, hash_texts([FUNCTION_WORDS]).words.hashes]))
