"""The store: rows in, rows out, one DuckDB file.

Guarantees: appended rows are in the journal before ``append`` returns; a fold is exactly-once, because the journal's
offset moves in the fold's own transaction; the file lock is held only inside a fold, a read or an insert.
"""

import logging
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pyarrow as pa
from pyarrow import json as arrow_json

from ..errors import FlywheelError, StoreLockedError
from ..schema import TABLE_OF, DropRow, JournaledRow, content_id, types_of
from ._bucket import Bucket
from ._journal import JournalWriter, Rows, list_segments, list_workers_segments, read_frames
from ._lease import DEFAULT_PATIENCE_S, keep_open, lease
from ._migrate import check_version, latest_version, migrate
from ._own import owned, tidying
from ._people import PeopleRow, key_of, list_aside, put_aside, read_aside
from ._project import Project
from ._shards import target_of
from ._spooled import Spooled, map_rows, write_rows

log = logging.getLogger(__name__)

FOLD_INTERVAL_S = 2.0
FAULT_PATIENCE_S = 3.0
"""How long a command that ends by an error waits for the file, to fold what it journaled."""
FOLD_BATCH_ROWS = 50_000
FOLD_BATCH_BYTES = 2 << 20
FEW_ROWS = 16
NOBODY_ELSE = "no other run in this project"
"""What a run expects; a schedule knows by these words that its run met another one."""
FEW_THREADS = "SET threads = 1"
"""For a fold and the checkpoint at its end: of a small batch, more threads take memory and save no time."""

_ARROW_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
_ARROW = {
    table: pa.schema([(name, _ARROW_TYPES[kind]) for name, kind in types_of(row_type).items()])
    for row_type, table in TABLE_OF.items()
}


class Store:
    """Reads and writes one project's rows.

    Args:
        project: the project folder; :meth:`open` creates what is missing.
        patience_s: seconds to wait for another program's lock on the file.
    """

    def __init__(self, project: Project, *, patience_s: float = DEFAULT_PATIENCE_S) -> None:
        self.project = project
        self.patience_s = patience_s
        self._journal = JournalWriter(project.journal)
        self._folded_at = time.monotonic()
        self._folding = threading.Lock()
        self._is_open = False
        self._bucket: Bucket | None = None

    def open(self) -> "Store":
        """Create or migrate the file, and fold in what an earlier process left in the journal.

        Raises:
            StoreVersionError: written by a newer flywheel.
            StoreLockedError: another program holds the file.
        """
        self.project.make_folders()
        if not self.project.store_path.exists():
            self._create()
        self.upgrade()
        self._is_open = True
        self.fold()
        return self

    def upgrade(self) -> None:
        """Bring a store of an older flywheel to this one's tables and views; a current one, or none, is left as it is.

        Raises:
            StoreVersionError: written by a newer flywheel.
            StoreLockedError: another program holds the file.
        """
        if not self.project.store_path.exists():
            return
        place = f"store {self.project.store_path}"
        with self.read() as connection:
            current = check_version(connection, place)
        if current < latest_version():
            with self.write() as connection:
                migrate(connection, place)

    def _create(self) -> None:
        """Make the file under another name first, so that it is there whole or not at all."""
        fresh = self.project.state / "fresh.duckdb"
        for leftover in (fresh, fresh.with_name(fresh.name + ".wal")):
            leftover.unlink(missing_ok=True)
        with lease(fresh, write=True) as connection:
            migrate(connection, f"store {fresh}")
        fresh.replace(self.project.store_path)

    def close(self) -> None:
        """Fold what is left and close the journal."""
        self._journal.close()
        self.fold()

    @contextmanager
    def kept_open(self, *, will_write: bool = False) -> Iterator[None]:
        """Open the file once for all that the block reads and writes; each write is a transaction of its own as ever.

        Other programs wait for the file until the block ends: for short sequences of small queries.

        Args:
            will_write: open it for writing at once, for reads too; else it is opened anew at the first write.
        """
        with keep_open(will_write=will_write):
            yield

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lease the file for one transaction."""
        with lease(self.project.store_path, write=True, patience_s=self.patience_s) as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lease the file for reading."""
        with lease(self.project.store_path, write=False, patience_s=self.patience_s) as connection:
            yield connection

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        with self.read() as connection:
            return connection.execute(sql, list(parameters)).fetchall()

    def query_rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Return all rows of a query, by the names of its columns."""
        with self.read() as connection:
            found = connection.execute(sql, list(parameters))
            names = [d[0] for d in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def journal(self, *groups: Sequence[JournaledRow]) -> None:
        """Put each group of rows on record in the journal, whole or not at all, and leave the fold to the caller."""
        self._journal.append(*groups)

    def put_aside(self, rows: Sequence[PeopleRow]) -> None:
        """Put what a person decided on record, durably, whoever holds the store; the next fold of any process takes it in.

        Raises:
            DiskFullError: there was no room; nothing is on record.
        """
        put_aside(self.project.people, rows)

    def read_aside(self) -> list[dict[str, list[dict[str, Any]]]]:
        """Return what people decided and no fold has taken in yet, oldest first, as rows by table."""
        return [rows for file in list_aside(self.project.people) if (rows := read_aside(file))]

    def fold_aside(self, patience_s: float | None = None) -> int:
        """Take in what people decided; return how many decisions. Safe beside a run and beside other folds.

        Raises:
            StoreLockedError: another program held the file for longer than ``patience_s``.
        """
        files = list_aside(self.project.people)
        if not files:
            return 0
        patience = self.patience_s if patience_s is None else patience_s
        with lease(self.project.store_path, write=True, patience_s=patience) as connection:
            for file in files:
                for table, rows in read_aside(file).items():
                    insert_new(connection, table, rows, key=key_of(table))
        for file in files:
            file.unlink(missing_ok=True)
        return len(files)

    def spool(self, sql: str, parameters: Sequence[Any] = ()) -> Spooled:
        """Return the rows of a query that may have millions: they lie in a temporary file, not in memory."""
        with tempfile.TemporaryFile(dir=self.project.state) as stream:
            with self.read() as connection:
                write_rows(connection, stream, sql, parameters)
            return map_rows(stream)

    def replan(self, run_id: str, iteration: int, step: str, inputs: Sequence[tuple[str, int]]) -> None:
        """Write down the inputs of a step that is computed from the store alone; where they have changed since (a retry, a
        second import) the old plan and its drops are taken back.
        """
        where, key = "run_id = ? AND iteration = ? AND step = ?", [run_id, iteration, step]
        old = self.query(f"SELECT input_id, n FROM plans WHERE {where} ORDER BY ordinal", key)
        if old == list(inputs):
            return
        if old:
            with self.write() as connection:
                connection.execute(f"DELETE FROM plans WHERE {where}", key).fetchall()
                connection.execute(f"DELETE FROM drops WHERE {where}", key).fetchall()
        self.fix_plan(run_id, iteration, step, inputs)

    def append(self, *groups: Sequence[JournaledRow]) -> None:
        """Put each group of rows on record in the journal, and now and then fold the journal into the file.

        A file that another program holds is not waited for here: the rows stay in the journal until a later fold.
        """
        self.journal(*groups)
        if time.monotonic() - self._folded_at > FOLD_INTERVAL_S:
            self.fold(patience_s=0.0)

    def fold(self, patience_s: float | None = None) -> None:
        """Move journaled rows into the file.

        Args:
            patience_s: seconds to wait for the file's lock; 0 = leave it for later when it is held.
        """
        patience = self.patience_s if patience_s is None else patience_s
        self._folded_at = time.monotonic()
        try:
            with self._folding:  # one fold at a time, whichever thread asks: the offset is read before it is written
                for segment in list_segments(self.project.journal):
                    self._fold_segment(segment, patience)
                fetched = self._bucket.fetch(self.project.workers) if self._bucket else []
                for segment in list_workers_segments(self.project.workers):
                    self._fold_segment(segment, patience, is_workers=True)
                if self._bucket:
                    self._bucket.remove(fetched)
                for segment in fetched:
                    segment.unlink()
                self.fold_aside(patience)
        except StoreLockedError:
            if patience_s != 0.0:
                raise
            log.info("the store's file is in use; rows wait in the journal")

    def fold_left_behind(self) -> None:
        """Fold what a process that was killed left in the journal, before something is read.

        Nothing is waited for: while another process is at work, holds the file, or nothing can be written here, the rows
        stay in the journal for a later command.
        """
        waiting = [*list_segments(self.project.journal), *list_workers_segments(self.project.workers)]
        if not self.project.store_path.exists() or not waiting:
            return
        place = f"store {self.project.store_path}"
        try:
            with tidying(self.project) as may_fold:
                if may_fold:
                    with lease(self.project.store_path, write=False, patience_s=0.0) as connection:
                        is_current = check_version(connection, place) == latest_version()
                    if is_current:
                        self.fold(patience_s=0.0)
        except (FlywheelError, OSError, duckdb.Error) as error:
            log.info("rows wait in the journal for a later command: %s", error)

    def forget_workers(self) -> None:
        """Remove the journals of workers, which have all ended, once they are folded."""
        self.fold()
        shutil.rmtree(self.project.workers, ignore_errors=True)
        if self._bucket:
            self._bucket.forget()

    @contextmanager
    def gathering(self, bucket: Bucket | None) -> Iterator[None]:
        """While the block runs, let each fold take in what workers put into a bucket, and remove it there; what is there now is folded first.

        Raises:
            RecipeError: the bucket cannot be written to.
            StoreError: what lies there cannot be fetched.
        """
        if bucket is None:
            yield
            return
        bucket.check()
        self._bucket = bucket
        try:
            self.fold()
            yield
        finally:
            self._bucket = None

    def _fold_segment(self, segment: Path, patience_s: float, *, is_workers: bool = False) -> None:
        """Fold what is new in a segment; one that nobody writes to any more is removed.

        Args:
            is_workers: another machine may write to it still, and may have done what a second one did too.
        """
        live = is_workers or segment == self._journal.path
        size = segment.stat().st_size
        offset = self._folded_bytes(segment, patience_s) if size else 0
        while offset < size or not live:  # what a live segment gets meanwhile is for the next fold: it may never end
            rows, end = _read_batch(segment, offset)
            if end == offset:
                break
            with lease(self.project.store_path, write=True, patience_s=patience_s) as connection:
                connection.execute(FEW_THREADS)
                fold_rows(connection, rows, only_new=is_workers)
                connection.execute("INSERT OR REPLACE INTO journal_segments VALUES (?, ?)", [segment.name, end])
            offset = end
        if not live:
            segment.unlink()

    def _folded_bytes(self, segment: Path, patience_s: float) -> int:
        with lease(self.project.store_path, write=False, patience_s=patience_s) as connection:
            found = connection.execute(
                "SELECT folded_bytes FROM journal_segments WHERE segment = ?", [segment.name]
            ).fetchall()
        return int(found[0][0]) if found else 0

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]], *, key: str) -> int:
        """Insert the rows whose ``key`` is not in ``table`` yet; return how many.

        For rows that need no model and are cheap to make again: plans, pairs, snapshots, scores, decisions.
        """
        if not rows:
            return 0
        with self.write() as connection:
            return insert_new(connection, table, rows, key=key)

    def fix_plan(
        self, run_id: str, iteration: int, step: str, inputs: Iterable[tuple[str, int]], *, grow: bool = False
    ) -> None:
        """Write down the inputs of a step as (input id, completions due); a step that has a plan keeps it.

        Args:
            grow: the plan has no fixed end: an input that is not in it yet is added.
        """
        rows = [
            {"run_id": run_id, "iteration": iteration, "step": step, "ordinal": i, "input_id": input_id, "n": n}
            for i, (input_id, n) in enumerate(inputs)
        ]
        planned = self.query(
            "SELECT DISTINCT input_id FROM plans WHERE run_id = ? AND iteration = ? AND step = ?",
            [run_id, iteration, step],
        )
        if grow:
            known = {i for (i,) in planned}
            self.insert_all("plans", [r for r in rows if r["input_id"] not in known])
        elif not planned:
            self.insert_all("plans", rows)

    def insert_table(self, table: str, batch: Any, *, same: Mapping[str, Any], unless: str) -> int:
        """Insert the rows of an Arrow table where an SQL condition does not hold.

        Args:
            table: where they go.
            batch: the rows.
            same: further columns, of one value for all rows.
            unless: the condition; the rows, ``same`` included, are called ``batch`` in it.

        Returns:
            How many were inserted.
        """
        if not batch.num_rows:
            return 0
        with self.write() as connection:
            return _insert_batch(connection, table, batch, where=f"WHERE NOT ({unless})", same=same)

    def insert_all(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert ``rows`` as they are."""
        if rows:
            with self.write() as connection:
                insert_rows(connection, {table: [dict(r) for r in rows]})

    def replace_iteration(self, table: str, run_id: str, iteration: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put ``rows`` in the place of what a table has of an iteration of a run, in one transaction."""
        with self.write() as connection:
            where = "run_id = ? AND iteration = ?"
            connection.execute(f"DELETE FROM {table} WHERE {where}", [run_id, iteration]).fetchall()
            if rows:
                insert_rows(connection, {table: [dict(r) for r in rows]})

    @contextmanager
    def run_lock(self, what: str) -> Iterator[None]:
        """Own the project while the block runs; of a block that raises, what it journaled can be read all the same.

        Raises:
            RunInProgressError: another live process owns it.
        """
        self.project.make_folders()
        cure = "wait for it or stop it; reading is allowed meanwhile: flywheel status, flywheel sql"
        with owned(self.project.run_lock, what, f"project {self.project.root}", expected=NOBODY_ELSE, cure=cure):
            try:
                yield
            except BaseException:
                self._fold_at_a_fault()
                raise

    def _fold_at_a_fault(self) -> None:
        """Fold what is journaled if the file can be had soon; else, or when that fails too, the next command does it."""
        if not self._is_open:
            return
        try:
            self._journal.close()
            self.fold(FAULT_PATIENCE_S)
        except (FlywheelError, OSError, duckdb.Error) as error:
            log.info("rows wait in the journal for the next command: %s", error)


KEYS = {
    "requests": ("request_id",), "samples": ("sample_id",), "verdicts": ("verdict_id",), "pairs": ("pair_id",),
    "drops": ("drop_id",), "plans": ("run_id", "iteration", "step", "input_id"),
}  # fmt: skip
"""What makes two journaled rows of a table the same."""


def fold_rows(connection: duckdb.DuckDBPyConnection, rows: Rows, *, only_new: bool = False) -> None:
    """Insert journaled rows, by table; their JSON is read by Arrow, without Python's lock.

    Args:
        only_new: leave out rows that are there already: the first on record counts.
    """
    for table, lines in rows.items():
        body = b"\n".join(lines)
        batch = arrow_json.read_json(
            pa.BufferReader(body),
            read_options=arrow_json.ReadOptions(block_size=len(body) + 1),
            parse_options=arrow_json.ParseOptions(explicit_schema=_ARROW[table], unexpected_field_behavior="error"),
        )
        _insert_batch(connection, table, batch, where=_unless_known(table) if only_new else "")


def _unless_known(table: str) -> str:
    """Return the clause that leaves out rows of ``batch`` that are in a table already, or come twice."""
    keys = KEYS[table]
    same = " AND ".join(f"old.{key} = batch.{key}" for key in keys)
    return (
        f"WHERE NOT EXISTS (SELECT 1 FROM {table} AS old WHERE {same}) "
        f"QUALIFY row_number() OVER (PARTITION BY {', '.join(f'batch.{key}' for key in keys)}) = 1"
    )


def insert_rows(connection: duckdb.DuckDBPyConnection, rows: Mapping[str, list[dict[str, Any]]]) -> None:
    """Insert rows that are Python dicts, by table."""
    for table, records in rows.items():
        _insert_arrow(connection, table, records, where="")


def insert_new(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]], *, key: str
) -> int:
    """Insert the rows whose ``key`` is new; return how many. Runs inside the caller's transaction."""
    target = target_of(connection, table)
    before = _count(connection, target)
    condition = f"WHERE NOT EXISTS (SELECT 1 FROM {table} old WHERE old.{key} = batch.{key})"
    _insert_arrow(connection, table, [dict(r) for r in rows], where=condition)
    return _count(connection, target) - before


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    ((n,),) = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    return int(n)


def _insert_arrow(
    connection: duckdb.DuckDBPyConnection, table: str, records: list[dict[str, Any]], *, where: str
) -> None:
    columns = list(records[0])
    if len(records) <= FEW_ROWS:  # building an Arrow table from Python objects imports pandas: a quarter of a second
        line = f"({', '.join('?' * len(columns))})"
        values = [r[c] for r in records for c in columns]
        rows = f"(VALUES {', '.join([line] * len(records))}) AS batch({', '.join(columns)})"
        connection.execute(
            f"INSERT INTO {target_of(connection, table)} ({', '.join(columns)}) SELECT * FROM {rows} {where}", values
        ).fetchall()
        return
    batch = pa.table({c: _column([r[c] for r in records]) for c in columns})
    _insert_batch(connection, table, batch, where=where)


def _insert_batch(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    batch: pa.Table,
    *,
    where: str,
    same: Mapping[str, Any] | None = None,
) -> int:
    connection.register("batch", batch)
    same = same or {}
    columns = ", ".join([*batch.column_names, *same])
    rows = f"(SELECT {', '.join(['rows.*', *(f'? AS {name}' for name in same)])} FROM batch AS rows) AS batch"
    ((n,),) = connection.execute(
        f"INSERT INTO {target_of(connection, table)} ({columns}) SELECT * FROM {rows} {where}", [*same.values()]
    ).fetchall()
    connection.unregister("batch")
    return int(n)


def _column(values: list[Any]) -> pa.Array:
    if all(v is None for v in values):
        return pa.array(values, pa.string())
    return pa.array(values)


def _read_batch(segment: Path, offset: int) -> tuple[Rows, int]:
    """Return up to ``FOLD_BATCH_ROWS`` rows behind ``offset`` and the offset after them."""
    rows: Rows = defaultdict(list)
    n, start = 0, offset
    for frame in read_frames(segment, offset):
        offset = frame.end
        for table, records in (frame.rows or _void_line(segment, frame.end, frame.raw)).items():
            rows[table].extend(records)
            n += len(records)
        if n >= FOLD_BATCH_ROWS or offset - start >= FOLD_BATCH_BYTES:
            break
    return rows, offset


def _void_line(segment: Path, end: int, raw: bytes) -> Rows:
    """Make a drop of a line whose checksum fails: never silently, never fatally."""
    place = f"{segment.name}:{end}"
    log.error("journal line %s is damaged; it is kept as a drop", place)
    drop_id = content_id("drop", [place])
    row = DropRow(
        drop_id, None, None, "fold", "damaged journal line", place, None, raw.decode("utf-8", "replace").rstrip("\n")
    )
    return {"drops": [orjson.dumps(row)]}
