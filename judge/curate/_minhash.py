"""Near duplicates by MinHash and LSH (Broder 1997; Leskovec, Rajaraman and Ullman, *Mining of Massive Datasets*, ch. 3),
each candidate verified by the true Jaccard similarity of its word n-grams.

A pair is found with the probability that :func:`choose_bands` promises, and never without being at least ``threshold`` similar.
The work is cut twice, so that tasks anywhere may do it: texts are sketched part by part, each into a file of its own; then
each band is searched by itself, over all files. What comes of it does not depend on the parts.

Memory: some 50 bytes a row, whatever the length of its text; sketches, some 350 bytes a row, lie in temporary files that the
system maps in and out.

Why not a library: ``bench/near_duplicates.py`` and its figures in docs/curate.md; and it adds no dependency.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from .._mapper import HERE, Mapper
from .._tokens import Array, in_batches
from ._sketch import Rows, Scheme, open_all, sketch_texts

PERMUTATIONS = 256
RECALL = 0.95
"""Probability with which a pair that is just ``threshold`` similar becomes a candidate; more similar ones do more often."""
BUCKET = 128
"""Rows of one bucket that are compared with all later ones of it; in a larger bucket the later rows are not compared
with each other: the best rows, which stay, come first."""
PAIRS = 1 << 18
"""Candidate pairs that are verified at a time."""
ROWS_A_SEARCH = 1 << 22
"""Rows of a band that one task searches: a larger set is cut by the bands' keys."""


@dataclass(frozen=True)
class Edges:
    """Pairs of similar rows: ``left`` comes before ``right`` in rank; int64, int64 and float64 of one length."""

    left: Array
    right: Array
    jaccard: Array

    @classmethod
    def join(cls, parts: Iterable["Edges"]) -> Self:
        """Return the pairs of all ``parts``."""
        given = [Edges(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)), *parts]
        return cls(*(np.concatenate([getattr(p, name) for p in given]) for name in ("left", "right", "jaccard")))

    def take(self, which: Array) -> "Edges":
        """Return the pairs that a mask or places choose."""
        return Edges(self.left[which], self.right[which], self.jaccard[which])


def choose_bands(threshold: float, permutations: int = PERMUTATIONS, recall: float = RECALL) -> tuple[int, int]:
    """Return (bands, rows a band): the most selective split that finds a pair at ``threshold`` with ``recall``."""
    best = (permutations, 1)
    for rows in range(1, permutations + 1):
        bands = permutations // rows
        if 1 - (1 - threshold**rows) ** bands < recall:
            return best
        best = (bands, rows)
    return best


@dataclass(frozen=True)
class _Search:
    """What the search of a band needs to know.

    Attributes:
        sketches: files.
        rank: file with an int64 a row: 0 is the row that is kept first.
        filled: file with the rows that are compared, int64: those with words, one for all that are equal.
        fixed: rows that are not compared with each other, the first.
    """

    sketches: tuple[Path, ...]
    rank: Path
    filled: Path
    fixed: int
    threshold: float
    same_numbers: bool

    def find(self, band: int, share: int, shares: int) -> Iterator[Edges]:
        """Yield the pairs of a band that no earlier band has; of the keys that fall to ``share``."""
        rows = Rows(open_all(self.sketches))
        rank, filled = np.load(self.rank, "r"), np.load(self.filled, "r")
        keys = rows.keys_of(band)
        for left, right in _pairs_of(keys, rank, filled if shares == 1 else filled[keys[filled] % shares == share]):
            maybe = (right >= self.fixed) | (left >= self.fixed)
            maybe &= rows.may_reach(left, right, self.threshold)
            left, right = left[maybe], right[maybe]
            if self.same_numbers:
                same = rows.same_numbers(left, right)
                left, right = left[same], right[same]
            fresh = ~rows.share_key(band, left, right)
            left, right = left[fresh], right[fresh]
            jaccard = rows.jaccard(left, right)
            yield Edges(left, right, jaccard).take(jaccard >= self.threshold)


def _search_band(task: tuple[int, int, int], search: _Search) -> Edges:
    return Edges.join(part for part in search.find(*task) if len(part.left))


def _sketch_part(part: tuple[int, list[str]], scheme: Scheme, folder: Path) -> tuple[Path, Array, Array]:
    """Write the sketch of some texts; return its file, and each row's size and mark (see :func:`sketch_texts`)."""
    number, texts = part
    sketch, sets = sketch_texts(texts, scheme)
    path = folder / f"{number:06d}.sketch"
    sketch.save(path)
    return path, sketch.sizes, sets


def _compare_part(pairs: tuple[Array, Array], paths: tuple[Path, ...]) -> Array:
    rows = Rows(open_all(paths))
    left, right = pairs
    empty = rows.sizes[left] + rows.sizes[right] == 0
    return np.where(empty, 1.0, rows.jaccard(left, right))


class _Sketches(AbstractContextManager["_Sketches"]):
    """Files of sketches; a context manager, since they are temporary."""

    def __init__(self, scheme: Scheme, mapper: Mapper) -> None:
        self._scheme, self._mapper = scheme, mapper
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._paths: list[Path] = []
        self._sizes: list[Array] = []
        self._sets: list[Array] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the files."""
        self._stack.close()

    def add(self, texts: Iterable[str]) -> None:
        """Add rows; they are numbered in the order in which they come."""
        folder = self._open()
        parts = enumerate(in_batches(texts, self._mapper.part_chars), len(self._paths))
        for path, sizes, sets in self._mapper.map(_sketch_part, parts, self._scheme, folder):
            self._paths.append(path)
            self._sizes.append(sizes)
            self._sets.append(sets)

    def _open(self) -> Path:
        if self._folder is None:
            self._folder = self._stack.enter_context(self._mapper.folder())
        return self._folder

    @property
    def _place(self) -> Mapper:
        """Where the files are looked at: of one alone, here."""
        return self._mapper if len(self._paths) > 1 else HERE


class MinHashIndex(_Sketches):
    """Rows as sketches; a context manager, since they lie in temporary files.

    Args:
        threshold: Jaccard similarity of word n-grams, 0 to 1, from which on two rows are near duplicates.
        words: length of the n-grams, in words; a shorter row is one n-gram.
        same_numbers: rows whose numbers differ are no duplicates, however similar.
        seed: of the permutations.
        mapper: where the work is done.
    """

    def __init__(
        self, threshold: float, *, words: int = 2, same_numbers: bool = False, seed: int = 0, mapper: Mapper = HERE
    ) -> None:
        self._bands, rows = choose_bands(threshold)
        super().__init__(Scheme.make(words, self._bands, rows, seed), mapper)
        self.threshold, self._same_numbers = threshold, same_numbers

    def find(self, rank: Array | None = None, *, fixed: int = 0) -> Edges:
        """Return the pairs of rows that are at least ``threshold`` similar.

        Of rows with the same n-grams and numbers, the one of best rank stands for the others: they have one pair each, with it.

        Args:
            rank: int64, one a row, all different: 0 is the row that is kept first; None: the order of adding.
            fixed: rows of an earlier set, the first that were added: not compared with each other.
        """
        if not self._paths:
            return Edges.join([])
        sizes = np.concatenate(self._sizes)
        rank = np.arange(len(sizes)) if rank is None else np.asarray(rank, np.int64)
        same, filled = _represent(np.concatenate(self._sets), rank, np.flatnonzero(sizes > 0))
        folder = self._open()
        search = _Search(
            tuple(self._paths), folder / "rank.npy", folder / "filled.npy", fixed, self.threshold, self._same_numbers
        )
        np.save(search.rank, rank)
        np.save(search.filled, filled)
        shares = -(-len(filled) // ROWS_A_SEARCH) or 1
        tasks = ((band, share, shares) for band in range(self._bands) for share in range(shares))
        return Edges.join([same, *self._place.map(_search_band, tasks, search)])


class GramSets(_Sketches):
    """Sets of word n-grams alone, for the similarity of given pairs.

    Args:
        words: length of the n-grams, in words.
        mapper: where the work is done.
    """

    def __init__(self, words: int = 2, *, mapper: Mapper = HERE) -> None:
        super().__init__(Scheme.without_keys(words), mapper)

    def jaccard(self, left: Array, right: Array) -> Array:
        """Return the Jaccard similarity of each pair of rows, float64; two rows without words are the same."""
        slices = [slice(start, start + PAIRS) for start in range(0, len(left), PAIRS)]
        pairs = ((left[s], right[s]) for s in slices)
        return np.concatenate([np.zeros(0), *self._place.map(_compare_part, pairs, tuple(self._paths))])


def _represent(sets: Array, rank: Array, filled: Array) -> tuple[Edges, Array]:
    """Return the pairs of equal sets with the one of best rank, and the rows that stand for all."""
    order = filled[np.lexsort((rank[filled], sets[filled]))]
    first = np.ones(len(order), bool)
    first[1:] = sets[order[1:]] != sets[order[:-1]]
    best = order[first][np.cumsum(first) - 1]
    return Edges(best[~first], order[~first], np.ones(int((~first).sum()))), order[first]


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
