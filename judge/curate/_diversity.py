"""How various a set is, and the n best rows that are not alike.

Sources: distinct-n, Li et al., arXiv 1510.03055; self-repetition, Salkar et al., AACL 2022; selection, DEITA (Liu et al.,
arXiv 2312.15685): best score first, a row is left out when one that is chosen already is too near.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from .._tokens import Array, hash_texts, in_batches, low_half
from ._duplicates import Scores, normalize_rows, rank_rows

DIMENSIONS = 256
SKETCH = 1 << 16
"""Distinct n-grams that are counted exactly; beyond, the number is estimated from so many smallest hashes (error 0.4 %)."""


class DistinctCounter:
    """Counts distinct hashes in bounded memory: exactly up to ``SKETCH``, then by k minimum values (Beyer et al., 2007)."""

    def __init__(self) -> None:
        self._smallest = np.zeros(0, np.uint64)

    def add(self, hashes: Array) -> None:
        """Count ``hashes``, uint64."""
        self._smallest = np.unique(np.concatenate([self._smallest, np.unique(hashes)[:SKETCH]]))[:SKETCH]

    @property
    def count(self) -> int:
        """Distinct hashes so far."""
        if len(self._smallest) < SKETCH:
            return len(self._smallest)
        return round((SKETCH - 1) / (float(self._smallest[-1]) / 2.0**64))


@dataclass(frozen=True)
class Diversity:
    """Figures of a set.

    Attributes:
        rows: how many texts.
        words: how many words they have.
        distinct: share of different n-grams among all, by n.
        self_repetition: share of texts that hold a 4-gram which another text holds too.
    """

    rows: int
    words: int
    distinct: dict[int, float]
    self_repetition: float


def measure_diversity(texts: Iterable[str], sizes: Sequence[int] = (1, 2, 3, 4)) -> Diversity:
    """Measure ``texts`` in one pass; memory of 16 MB, whatever their number. 4-grams collide in 2^24 buckets."""
    counters = {n: DistinctCounter() for n in sizes}
    totals = dict.fromkeys(sizes, 0)
    owner = np.full(1 << 24, -1, np.int32)  # bucket of a 4-gram: the one text that has it, or -2 = several
    row, words, firsts = 0, 0, []
    for batch in in_batches(texts):
        units = hash_texts(batch).words
        words += len(units.hashes)
        for n in sizes:
            hashes, _ = units.hash_windows(n)
            counters[n].add(hashes)
            totals[n] += len(hashes)
        hashes, at = units.hash_windows(4)
        bucket, of = low_half(hashes, 24), units.text_of[at].astype(np.int32) + row
        free = owner[bucket] == -1
        owner[bucket[free]] = of[free]
        shared = owner[bucket] != of
        firsts.append(np.unique(of[shared]))
        firsts.append(np.unique(owner[bucket[shared]]))
        row += len(batch)
    repeated = np.unique(np.concatenate(firsts)) if firsts else np.zeros(0)
    distinct = {n: counters[n].count / totals[n] if totals[n] else 0.0 for n in sizes}
    return Diversity(row, words, distinct, len(repeated) / row if row else 0.0)


def measure_entropy(texts: Iterable[str], n: int = 2) -> float | None:
    """Return the entropy, in nats, of the distribution of the n-grams of words of ``texts``; None where there is no n-gram.

    Memory is that of the n-grams, 8 bytes each.
    """
    parts = [hash_texts(batch).words.hash_windows(n)[0] for batch in in_batches(texts)]
    _, counts = np.unique(np.concatenate(parts), return_counts=True) if parts else (None, np.zeros(0))
    if not len(counts):
        return None
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def embed_lexically(texts: Iterable[str], dimensions: int = DIMENSIONS) -> Array:
    """Return hashed TF-IDF vectors, float32 of shape (texts, dimensions), length 1: the embedding that needs no model.

    Words are hashed to a column and a sign (Weinberger et al., arXiv 0902.2206); weights are (1 + log tf) * idf. Memory is
    that of the result and of two passes' counts: 12 bytes a distinct word of each text, in batches.
    """
    counted: list[tuple[Array, Array, int]] = []
    frequency = np.zeros(1 << 20, np.int64)
    for batch in in_batches(texts):
        units = hash_texts(batch).words
        keys = np.unique(np.stack([units.text_of.astype(np.uint64), units.hashes], axis=1), axis=0, return_counts=True)
        hashes = (keys[0][:, 1] >> np.uint64(32)).astype(np.uint32)
        np.add.at(frequency, hashes & np.uint32((1 << 20) - 1), 1)
        counted.append(
            (np.stack([keys[0][:, 0].astype(np.uint32), hashes], axis=1), keys[1].astype(np.uint32), len(batch))
        )
    total = sum(n for _, _, n in counted)
    out = np.zeros((total, dimensions), np.float32)
    idf = np.log((1 + total) / (1 + frequency)) + 1
    row = 0
    for pairs, counts, n in counted:
        weight = (1 + np.log(counts)) * idf[pairs[:, 1] & np.uint32((1 << 20) - 1)]
        sign = np.where(pairs[:, 1] >> np.uint32(31), 1.0, -1.0)
        np.add.at(out, (pairs[:, 0].astype(np.int64) + row, (pairs[:, 1] >> np.uint32(8)) % dimensions), sign * weight)
        row += n
    return normalize_rows(out)


def cluster_topics(vectors: Array, k: int, *, seed: int = 0) -> Array:
    """Return the cluster of each row, int64: mini-batch k-means (scikit-learn, which lm-eval brings)."""
    from sklearn.cluster import MiniBatchKMeans  # type: ignore[import-untyped]

    k = min(k, len(np.unique(vectors, axis=0)))
    if k < 2:
        return np.zeros(len(vectors), np.int64)
    labels: Array = MiniBatchKMeans(k, random_state=seed, n_init=3, batch_size=4096).fit_predict(vectors)
    return labels.astype(np.int64)


def name_topics(texts: Sequence[str], topics: Array, most: int = 5) -> list[list[str]]:
    """Return for each topic the words that stand in far more of its texts than of all."""
    from collections import Counter

    from .._decontaminate import split_words

    everywhere: Counter[str] = Counter()
    inside: list[Counter[str]] = [Counter() for _ in range(int(topics.max(initial=-1)) + 1)]
    for text, topic in zip(texts, topics.tolist(), strict=True):
        words = {w for w in split_words(text) if len(w) > 2}
        everywhere.update(words)
        inside[topic].update(words)
    return [
        [w for w, _ in sorted(c.items(), key=lambda i: (-i[1] * (i[1] / everywhere[i[0]]), i[0]))[:most]]
        for c in inside
    ]


def measure_coverage(vectors: Array, reference: Array, *, cosine: float = 0.8, block: int = 2048) -> float:
    """Return the share of ``reference`` rows that have a row of ``vectors`` at a cosine of at least ``cosine``."""
    if not len(reference) or not len(vectors):
        return 0.0
    unit = normalize_rows(vectors)
    covered = sum(
        int((normalize_rows(reference[i : i + block]) @ unit.T).max(axis=1).__ge__(cosine).sum())
        for i in range(0, len(reference), block)
    )
    return covered / len(reference)


@dataclass(frozen=True)
class Selection:
    """Chosen rows, best first, and for each row that was left out for a chosen one: that one and the cosine."""

    chosen: list[int]
    alike: dict[int, tuple[int, float]]


def select_diverse(vectors: Array, scores: Scores, n: int, distance: float) -> Selection:
    """Choose up to ``n`` rows, best score first, each at a cosine distance of at least ``distance`` to all chosen before.

    Fewer than ``n`` rows are chosen when no more are far enough apart.

    Args:
        vectors: float array (rows, d), any scale.
        scores: one a row; None comes last.
        n: the budget.
        distance: 1 - cosine; 0 = nothing is too near but what is the same.
    """
    unit = normalize_rows(vectors)
    order = np.argsort(rank_rows(scores), kind="stable")
    chosen = np.zeros((min(n, len(unit)), unit.shape[1] if unit.ndim == 2 else 0), np.float32)
    picked: list[int] = []
    alike: dict[int, tuple[int, float]] = {}
    for row in order.tolist():
        if len(picked) >= n:
            break
        cosines = chosen[: len(picked)] @ unit[row]
        nearest = int(cosines.argmax()) if len(picked) else -1
        if nearest >= 0 and 1 - float(cosines[nearest]) < distance - 1e-6:
            alike[row] = (picked[nearest], float(cosines[nearest]))
        else:
            chosen[len(picked)] = unit[row]
            picked.append(row)
    return Selection(picked, alike)
