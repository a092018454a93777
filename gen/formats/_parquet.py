"""Rows into Parquet, whose columns have one type each: found in a first pass over the rows, which wait as JSON lines.

Objects of unlike keys get each other's keys with null (reading leaves them out again). ``tools``, whose parameters
have no common type, are one JSON text a row, as TRL reads them; so is any other column whose values differ in type.
"""

import json
from itertools import islice
from pathlib import Path
from typing import Any

from ._record import Row
from ._sinks import Sink

BATCH_ROWS = 1000
AS_JSON = ("tools",)


class ParquetSink(Sink):
    """One Parquet file, or several of at most ``shard_rows`` rows each.

    Args:
        path: the file; for shards, a folder that gets ``train-00000-of-00001.parquet`` and so on.
        shard_rows: rows of a shard; 0 = one file.
    """

    def __init__(self, path: Path, *, shard_rows: int = 0) -> None:
        self._path, self._shard_rows = path, shard_rows
        self._waiting = path.with_name(path.name + ".rows")
        self._stream = self._waiting.open("w", encoding="utf-8")
        self._types: dict[str, Any] = {}
        self._as_json = set[str]()
        self._batch: list[Row] = []
        self.n_rows = 0

    def write(self, row: Row) -> None:
        """See :class:`Sink`."""
        row = {k: _as_text(v) if k in AS_JSON else v for k, v in row.items()}
        self._stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        self._batch.append(row)
        self.n_rows += 1
        if len(self._batch) == BATCH_ROWS:
            self._learn()

    def _learn(self) -> None:
        """Widen the columns' types by those of the batch."""
        import pyarrow as pa

        for column in dict.fromkeys(k for row in self._batch for k in row):
            if column in self._as_json:
                continue
            try:
                found = pa.array([row.get(column) for row in self._batch]).type
                known = self._types.get(column, pa.null())
                self._types[column] = _common_type(known, found)
            except (pa.ArrowException, OverflowError):
                self._as_json.add(column)
        self._batch = []

    def close(self) -> None:
        """See :class:`Sink`."""
        import pyarrow as pa

        self._learn()
        self._stream.close()
        columns = list(dict.fromkeys([*self._types, *sorted(self._as_json)]))
        types = {c: pa.string() if c in self._as_json else self._types[c] for c in columns}
        schema = pa.schema([(c, _without_nothing(t)) for c, t in types.items()])
        with self._waiting.open(encoding="utf-8", newline="\n") as rows:
            for path, n in self._files():
                self._write_file(path, islice(rows, n), schema)
        self._waiting.unlink()

    def abort(self) -> None:
        """See :class:`Sink`."""
        self._stream.close()
        self._waiting.unlink(missing_ok=True)

    def _files(self) -> list[tuple[Path, int | None]]:
        if not self._shard_rows:
            return [(self._path, None)]
        n = max(1, -(-self.n_rows // self._shard_rows))
        names = [f"train-{i:05d}-of-{n:05d}.parquet" for i in range(n)]
        return [(self._path / name, self._shard_rows) for name in names]

    def _write_file(self, path: Path, lines: Any, schema: Any) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            while batch := [self._shaped(json.loads(line)) for line in islice(lines, BATCH_ROWS)]:
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))

    def _shaped(self, row: Row) -> Row:
        return {k: _as_text(v) if k in self._as_json else v for k, v in row.items()}


def _as_text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _common_type(a: Any, b: Any) -> Any:
    """Return a type that holds both; raises Arrow's error when there is none."""
    import pyarrow as pa

    schemas = [pa.schema([("x", t)]) for t in (a, b)]
    return pa.unify_schemas(schemas, promote_options="permissive").field("x").type


def _without_nothing(kind: Any) -> Any:
    """Give a column that is null throughout the type text."""
    import pyarrow as pa

    return pa.string() if pa.types.is_null(kind) else kind
