"""Duplicates: exact, near and semantic ones, within a set and against earlier sets, and which row of them stays.

The rule: rows are taken best score first (then the earlier one), and a row goes when it is similar to one that stays. So
every row that goes has a kept one at least as similar as the threshold, and no chain of small steps empties a set.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .._mapper import HERE, Mapper
from .._tokens import Array, fold
from ._minhash import Edges, GramSets, MinHashIndex


@dataclass(frozen=True)
class Duplicate:
    """Row ``row`` goes, because it is like row ``kept``: 1 = the same."""

    row: int
    kept: int
    similarity: float


def exact_key(text: str) -> bytes:
    """Return 12 bytes that are equal for texts that differ in case, white space and Unicode's compatibility forms only."""
    return hashlib.blake2b(" ".join(fold(text).split()).encode("utf-8", "surrogatepass"), digest_size=12).digest()


def short_key(text: str) -> int:
    """Return the first 64 bits of :func:`exact_key`: among ``n`` different texts about ``n² / 2^65`` pairs share one."""
    return int.from_bytes(exact_key(text)[:8], "little")


Scores = Sequence[float | None] | Array
"""One a row: None, or NaN in an array, is no score."""


def rank_rows(scores: Scores, n_earlier: int = 0) -> Array:
    """Return the rank of each row, int64: earlier sets first, then the best score; rows without one come last."""
    value = (
        scores.astype(np.float64)
        if isinstance(scores, np.ndarray)
        else np.array([np.nan if s is None else float(s) for s in scores], np.float64)
    )
    value = np.where(np.isnan(value), -np.inf, value)
    if n_earlier:
        value[:n_earlier] = np.inf
    order = np.lexsort((np.arange(len(value)), -value))
    rank = np.empty(len(value), np.int64)
    rank[order] = np.arange(len(value))
    return rank


def find_exact(texts: Iterable[str], scores: Scores, *, n_earlier: int = 0) -> list[Duplicate]:
    """Return the rows that equal a better one; the first ``n_earlier`` texts are of earlier sets and stay.

    Memory: 8 bytes a row for its key, and some arrays of that size while they are compared.
    """
    keys = np.fromiter((short_key(t) for t in texts), np.uint64)
    _, group = np.unique(keys, return_inverse=True)
    return keep_groups(group, rank_rows(scores, n_earlier), n_earlier)


def keep_groups(group: Array, rank: Array, n_earlier: int = 0) -> list[Duplicate]:
    """Return, of each group of equal rows, all but the one of best rank; rows of earlier sets are never among them."""
    order = np.lexsort((rank, group))
    first = np.ones(len(order), bool)
    first[1:] = group[order[1:]] != group[order[:-1]]
    best = order[first][np.cumsum(first) - 1] if len(order) else order
    goes = ~first & (order >= n_earlier)
    found = sorted(zip(order[goes].tolist(), best[goes].tolist(), strict=True))
    return [Duplicate(row, kept, 1.0) for row, kept in found]


def find_near(
    texts: Iterable[str],
    scores: Scores,
    threshold: float,
    *,
    words: int = 2,
    same_numbers: bool = False,
    labels: Sequence[str | None] | Array | None = None,
    parts: Iterable[str] | None = None,
    n_earlier: int = 0,
    seed: int = 0,
    mapper: Mapper = HERE,
) -> list[Duplicate]:
    """Return the rows that are near duplicates of a better one, by :class:`MinHashIndex`; ``mapper`` does the work.

    ``parts``, one a row: a part of each text that has to be as similar too. Of two solutions of one long problem nearly all is
    the problem: what tells them apart is the solution.

    ``labels``, one a row, or their numbers in an array: rows whose labels differ are no duplicates, since a small change that turns the label teaches most.
    """
    with MinHashIndex(threshold, words=words, same_numbers=same_numbers, seed=seed, mapper=mapper) as index:
        index.add(texts)
        rank = rank_rows(scores, n_earlier)
        edges = index.find(rank, fixed=n_earlier)
    if parts is not None and len(edges.left):
        with GramSets(words, mapper=mapper) as grams:
            grams.add(parts)
            edges = edges.take(grams.jaccard(edges.left, edges.right) >= threshold)
    if labels is not None:
        coded = labels if isinstance(labels, np.ndarray) else _encode(labels)
        edges = edges.take(coded[edges.left] == coded[edges.right])
    return keep_greedily(edges, rank, n_earlier)


def _encode(labels: Sequence[str | None]) -> Array:
    codes: dict[str | None, int] = {}
    return np.array([codes.setdefault(label, len(codes)) for label in labels], np.int64)


def keep_greedily(edges: Edges, rank: Array, n_earlier: int = 0) -> list[Duplicate]:
    """Return the rows that go when rows are taken by rank and one similar to a kept row goes, with the most similar one;
    of equally similar ones with the best.
    """
    order = np.lexsort((rank[edges.left], -edges.jaccard, rank[edges.right]))
    gone: dict[int, Duplicate] = {}
    for i in order.tolist():
        kept, row = int(edges.left[i]), int(edges.right[i])
        similarity = float(edges.jaccard[i])
        if row < n_earlier or row in gone:
            continue
        if kept not in gone:
            gone[row] = Duplicate(row, kept, similarity)
        elif similarity == 1.0:  # a copy goes with the row that stands for it
            gone[row] = Duplicate(row, gone[kept].kept, gone[kept].similarity)
    return sorted(gone.values(), key=lambda d: d.row)


Embed = Callable[[Sequence[str]], Array]
"""Texts to float vectors of shape (texts, d)."""


def find_semantic(
    vectors: Array, scores: Scores, threshold: float, *, n_earlier: int = 0, block: int = 2048
) -> list[Duplicate]:
    """Return the rows whose embedding has a cosine of at least ``threshold`` to a better row's.

    All pairs are compared, ``block`` rows at a time: n² / 2 products of d numbers, ``block * n`` floats of memory.

    Args:
        vectors: float array (n, d), any scale; rows of zeros are like none.
        scores: one a row; the best one of each cluster stays.
        threshold: cosine, -1 to 1.
        n_earlier: rows of earlier sets, the first ones: they stay.
        block: rows compared at a time.
    """
    rank = rank_rows(scores, n_earlier)
    parts = list(_similar(normalize_rows(vectors), threshold, rank, block))
    merged = [np.concatenate(p) if p else np.zeros(0, np.int64) for p in zip(*parts, strict=True)] or [
        np.zeros(0, int)
    ] * 3
    return keep_greedily(Edges(merged[0], merged[1], merged[2]), rank, n_earlier)


def _similar(unit: Array, threshold: float, rank: Array, block: int) -> Iterator[tuple[Array, Array, Array]]:
    order = np.argsort(rank, kind="stable")
    for start in range(0, len(unit), block):
        rows = order[start : start + block]
        before = order[: start + len(rows)]
        cosines = unit[rows] @ unit[before].T
        at, other = np.nonzero(cosines >= threshold)
        earlier = other < start + at
        at, other = at[earlier], other[earlier]
        yield before[other], rows[at], cosines[at, other].astype(np.float64)


def normalize_rows(vectors: Array) -> Array:
    """Return ``vectors`` as float32 of length 1; zeros stay zeros."""
    vectors = np.asarray(vectors, np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True) if len(vectors) else np.ones((0, 1))
    unit: Array = vectors / np.where(length == 0, 1, length)
    return unit
