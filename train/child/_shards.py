"""Rows as Parquet shards, streamed to each process of a training: what is in memory does not grow with their number.

Row ``i`` of a training set is in lane ``i mod n`` of its ``n`` lanes, one file each; a value is JSON, so that what a row says is what
it said. In each epoch every row is read once by one process. Which row is the ``p``-th of all depends on the seed alone, not on how
many processes there are: of ``w`` processes the ``r``-th reads the places ``r, r + w, r + 2w, …``, from lanes of its own in each
epoch, since ``w`` divides ``n``. A training that goes on begins at the place where it was.

Shuffled rows are so within bounds: each lane draws the order of its groups of :data:`GROUP` rows and the order in each group anew for
each epoch, and neighbours come from different lanes.
"""

import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
LANES = 16
"""Files of a training set; more where a number of processes does not divide it."""
GROUP = 256
"""Rows of a lane that are in memory at once."""


@dataclass(frozen=True)
class Sharded:
    """A training set on disk.

    Attributes:
        folder: with the lanes in it.
        n_rows: all of them.
        n_lanes: how many files they are in.
    """

    folder: Path
    n_rows: int
    n_lanes: int

    def __len__(self) -> int:
        return self.n_rows

    def stream(self, *, seed: int, shuffled: bool, first: int, processes: int) -> Any:
        """Return the rows, again and again, as a ``datasets.IterableDataset`` of one shard a process.

        Args:
            seed: what the order is drawn by.
            shuffled: false = in their order.
            first: rows that all processes together have read already.
            processes: how many read.
        """
        import datasets

        given = {"parts": list(range(processes)), "processes": processes, "first": first, "seed": seed}
        more = {"folder": str(self.folder), "n_rows": self.n_rows, "n_lanes": self.n_lanes, "shuffled": shuffled}
        return datasets.IterableDataset.from_generator(_read, gen_kwargs={**given, **more})


class Lanes:
    """Writes rows to lanes in turn; the folder is there whole when this closes, or not at all.

    Args:
        folder: a new one.
        columns: what is kept of a row.
        processes: how many will read.
    """

    def __init__(self, folder: Path, columns: Sequence[str], processes: int) -> None:
        self._folder = folder
        self._partial = folder.with_name(folder.name + ".part")
        self._schema = pa.schema([(name, pa.string()) for name in columns])
        self._n = 0
        self._held: list[list[Row]] = [[] for _ in range(math.lcm(LANES, processes))]
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        self._writers = [pq.ParquetWriter(_lane(self._partial, i), self._schema) for i in range(len(self._held))]

    def add(self, row: Row) -> None:
        """Take the next row."""
        lane = self._n % len(self._held)
        given = {
            name: json.dumps(row[name], ensure_ascii=False) for name in self._schema.names if row.get(name) is not None
        }
        self._held[lane].append(given)
        self._n += 1
        if len(self._held[lane]) == GROUP:
            self._flush(lane)

    def close(self) -> Sharded:
        """Write what is held, and give the folder its name."""
        for lane, writer in enumerate(self._writers):
            self._flush(lane)
            writer.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        os.replace(self._partial, self._folder)
        return Sharded(self._folder, self._n, len(self._held))

    def _flush(self, lane: int) -> None:
        if self._held[lane]:
            self._writers[lane].write_table(pa.Table.from_pylist(self._held[lane], schema=self._schema))
            self._held[lane] = []


def _lane(folder: Path, number: int) -> Path:
    return folder / f"lane-{number:05d}.parquet"


def _read(
    parts: Sequence[int], processes: int, first: int, seed: int, folder: str, n_rows: int, n_lanes: int, shuffled: bool
) -> Iterator[Row]:
    """Yield the rows of one process without end; ``first`` is a multiple of ``processes``."""
    (part,) = parts
    lanes = [_Lane(_lane(Path(folder), i), [seed, i] if shuffled else None) for i in range(n_lanes)]
    place = first + part
    while True:
        epoch, i = divmod(place, n_rows)
        yield lanes[i % n_lanes].read(epoch, i // n_lanes)
        place += processes


class _Lane:
    """One file, read row by row in the order of an epoch, a group at a time.

    Args:
        path: the file.
        seed: what the order is drawn by; None = it is the file's.
    """

    def __init__(self, path: Path, seed: Sequence[int] | None) -> None:
        self._path = path
        self._seed = seed
        self._epoch = -1
        self._order = self._ends = np.arange(0)
        self._at = -1
        self._group: list[Row] = []

    def read(self, epoch: int, index: int) -> Row:
        """Return the row that is ``index``-th in an epoch."""
        if epoch != self._epoch:
            self._begin(epoch)
        place = int(np.searchsorted(self._ends, index, side="right"))
        if place != self._at:
            self._group, self._at = self._load(int(self._order[place])), place
        row = self._group[index - (int(self._ends[place - 1]) if place else 0)]
        return {name: json.loads(value) for name, value in row.items() if value is not None}

    def _begin(self, epoch: int) -> None:
        """Find the order of an epoch's groups, and the number of rows up to the end of each."""
        with pq.ParquetFile(self._path) as file:
            sizes = np.array([file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)])
        self._epoch, self._at = epoch, -1
        self._order = self._draw(len(sizes), 0)
        self._ends = np.cumsum(sizes[self._order])

    def _load(self, group: int) -> list[Row]:
        with pq.ParquetFile(self._path) as file:
            rows: list[Row] = file.read_row_group(group).to_pylist()
        return [rows[i] for i in self._draw(len(rows), 1 + group)]

    def _draw(self, n: int, what: int) -> Any:
        return (
            np.arange(n)
            if self._seed is None
            else np.random.default_rng([*self._seed, self._epoch, what]).permutation(n)
        )
