"""The rows of a query in a temporary file: written in one go while the store's lock is held, read from then on through a
memory map, in bounded memory. The file has no name, so that nothing is left behind.
"""

import mmap
from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import pyarrow as pa

BATCH_ROWS = 10_000


class Spooled:
    """Rows of a query.

    Attributes:
        n: how many.
    """

    def __init__(self, table: Any) -> None:
        self._table = table
        self.n: int = table.num_rows

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield all rows, in order."""
        for batch in self._table.to_batches(max_chunksize=BATCH_ROWS):
            yield from _tuples(batch)

    def take(self, places: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of ``places`` (a list or array of numbers from 0), in their order."""
        for start in range(0, len(places), BATCH_ROWS):
            yield from _tuples(self._table.take(pa.array(places[start : start + BATCH_ROWS], pa.int64())))


def _tuples(batch: Any) -> Iterator[tuple[Any, ...]]:
    yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def write_rows(connection: duckdb.DuckDBPyConnection, stream: Any, sql: str, parameters: Sequence[Any]) -> None:
    """Write the rows of a query into a binary file."""
    relation = connection.sql(sql, params=list(parameters))
    reader = relation.to_arrow_reader(BATCH_ROWS)
    with pa.ipc.new_file(stream, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    stream.flush()


def map_rows(stream: Any) -> Spooled:
    """Return the rows in a file that :func:`write_rows` wrote; valid as long as they are held."""
    mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    return Spooled(pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped))).read_all())
