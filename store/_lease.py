"""Short leases on the DuckDB file: opened, used, closed, so that other programs can have it in between.

DuckDB lets one process write, or many read, at a time. A lease that meets another program's lock waits for it, with a
message after a second and an error after its patience; nothing is lost meanwhile, since rows are journaled first.
"""

import gc
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ..errors import DiskFullError, StoreError, StoreLockedError, StoreVersionError
from ._limits import SPILL, parse_bytes
from ._shards import admit_shards, list_literal

log = logging.getLogger(__name__)

DEFAULT_PATIENCE_S = 120.0
FIRST_PAUSE_S = 0.01
LONGEST_PAUSE_S = 0.1

ROW_GROUP_ROWS = 4096
"""Rows that DuckDB keeps together (its own default: 122,880). Each fold writes a table's last group anew, in memory: 100,000
requests with prompts of 1 KB and their samples took 383 MB at most with the default and folds of 8 MB, and take 174 MB."""

# What a connection opened for a user's own SQL may not do.
SAFE_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoload_known_extensions": False,
    "autoinstall_known_extensions": False,
}


_IN_PROCESS = threading.RLock()
"""One lease at a time in this process: DuckDB refuses a second one of another kind, whatever the thread."""

PLAIN_CONFIG: dict[str, str | bool | int | float | list[str]] = {"autoinstall_known_extensions": False}


@contextmanager
def lease(
    path: Path, *, write: bool, patience_s: float = DEFAULT_PATIENCE_S, safe: bool = False, memory: str = ""
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open ``path``, hand out the connection, close it.

    Args:
        path: the store file; created when ``write``.
        write: open for writing, in one transaction that is committed when the block ends and rolled back when it
            raises.
        patience_s: seconds to wait for other programs' locks.
        safe: no file or network access and no settings from within SQL.
        memory: most memory that DuckDB may take, in its own notation; what needs more goes to a temporary file, or fails
            with ``duckdb.OutOfMemoryException``. Default: DuckDB's own limit.

    Raises:
        StoreLockedError: the lock was not free within ``patience_s``.
        StoreVersionError: the file was written by a newer DuckDB.
        StoreError: the file is not a DuckDB database, or cannot be opened.
        DiskFullError: the transaction found no room; it is rolled back.
    """
    with _IN_PROCESS:
        yield from _lease(path, write, patience_s, safe, memory)


@contextmanager
def keep_open(*, will_write: bool = False) -> Iterator[None]:
    """Let the leases of this block use one connection, as far as they are of one kind: opening the file anew takes 15 ms.

    Other programs wait for the file until the block ends, or another kind of lease is asked for: keep blocks short.

    Args:
        will_write: open it for writing at once, for reads too.
    """
    with _IN_PROCESS:
        _kept.depth += 1
        _kept.writers += will_write
    try:
        yield
    finally:
        with _IN_PROCESS:
            _kept.depth -= 1
            _kept.writers -= will_write
            if not _kept.depth:
                _kept.close()


class _Kept:
    """The connection that is kept between two leases of a :func:`keep_open` block."""

    def __init__(self) -> None:
        self.depth = 0
        self.writers = 0  # blocks that will write
        self._held: _Held | None = None

    def take(self, path: Path, write: bool, safe: bool, memory: str) -> "_Held | None":
        """Return the connection when it serves, and close it when it does not."""
        held, self._held = self._held, None
        if held is None or held.serves(path, write, safe, memory):
            return held
        held.connection.close()
        return None

    def give(self, held: "_Held") -> None:
        """Keep a connection for the next lease inside a block, and close it otherwise."""
        if self.depth and self._held is None:
            self._held = held
        else:
            held.connection.close()

    def close(self) -> None:
        """Close what is kept."""
        if self._held is not None:
            self._held.connection.close()
        self._held = None


@dataclass(frozen=True)
class _Held:
    """A connection, and what it was opened for."""

    connection: duckdb.DuckDBPyConnection
    path: Path
    write: bool
    safe: bool
    memory: str

    def serves(self, path: Path, write: bool, safe: bool, memory: str) -> bool:
        """Say whether a lease may use it: one for writing serves readers, too."""
        return (self.path, self.safe, self.memory) == (path, safe, memory) and (self.write or not write)


_kept = _Kept()
_active: list[_Held] = []


def _lease(path: Path, write: bool, patience_s: float, safe: bool, memory: str) -> Iterator[duckdb.DuckDBPyConnection]:
    if any(h.path == path and (h.write or write) for h in _active):
        raise RuntimeError(f"a lease on {path} for writing, and another one inside of it or around it")
    held = _kept.take(path, write, safe, memory)
    if held is None:
        for_writing = write or (_kept.writers > 0 and not safe)
        connection = _wait_for(lambda: _open(path, for_writing, safe, memory), path, patience_s)
        held = _Held(connection, path, for_writing, safe, memory)
    _active.append(held)
    try:
        yield from _use(held.connection, write)
    except BaseException as error:
        held.connection.close()
        if isinstance(error, duckdb.Error):
            raise _translate_use(path, error) from error
        raise
    finally:
        _active.remove(held)
    _kept.give(held)


def _use(connection: duckdb.DuckDBPyConnection, write: bool) -> Iterator[duckdb.DuckDBPyConnection]:
    if not write:
        yield connection
        return
    connection.begin()
    try:
        yield connection
        connection.commit()
    except BaseException:
        _roll_back(connection)
        raise


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.rollback()
    except duckdb.Error as error:
        log.debug("roll-back after a failed transaction: %s", error)


def _open(path: Path, write: bool, safe: bool, memory: str) -> duckdb.DuckDBPyConnection:
    config = SAFE_CONFIG if safe else PLAIN_CONFIG
    connection = _attach(path) if write else duckdb.connect(str(path), read_only=True, config=dict(config))
    connection.execute("SET enable_progress_bar = false")  # it goes to standard output, among the results
    shards = admit_shards(connection)
    if memory:
        connection.execute(f"SET memory_limit = '{memory}'")
        connection.execute(f"SET max_temp_directory_size = '{SPILL * parse_bytes(memory)}B'")
    if safe:
        if shards:
            connection.execute(f"SET allowed_paths = {list_literal(shards)}")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    return connection


def _attach(path: Path) -> duckdb.DuckDBPyConnection:
    """Open ``path`` for writing; only ``ATTACH`` takes a size of row groups. The catalog has the file's name, as ever."""
    connection = duckdb.connect(config=dict(PLAIN_CONFIG))
    name, place = path.stem.replace('"', '""'), str(path).replace("'", "''")
    try:
        connection.execute(f"ATTACH '{place}' AS \"{name}\" (ROW_GROUP_SIZE {ROW_GROUP_ROWS})")
        connection.execute(f'USE "{name}"')
    except BaseException:
        connection.close()
        raise
    return connection


def _wait_for(
    connect: Callable[[], duckdb.DuckDBPyConnection], path: Path, patience_s: float
) -> duckdb.DuckDBPyConnection:
    started = time.monotonic()
    pause, told = FIRST_PAUSE_S, False
    while True:
        try:
            return connect()
        except duckdb.Error as error:
            if not _is_lock(error):
                raise _translate_open(path, error) from error
            gc.collect()  # a result that nobody holds any more may keep this process's own connection open
            waited = time.monotonic() - started
            if waited > patience_s:
                raise StoreLockedError(
                    f"store {path}",
                    expected="its file lock within " + f"{patience_s:g} s",
                    received=f"held by {_holder(error)}",
                    cure="close that program (nothing is lost meanwhile), then give the same command again",
                ) from None
            if waited > 1 and not told:
                log.warning("waiting for the store's file lock, held by %s", _holder(error))
                told = True
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_S)


def _is_lock(error: duckdb.Error) -> bool:
    text = str(error)
    return any(phrase in text for phrase in ("Could not set lock", "Conflicting lock", "different configuration"))


def _holder(error: duckdb.Error) -> str:
    match = re.search(r"held in (.+?) \(PID (\d+)\)", str(error))
    return f"process {match[2]} ({match[1]})" if match else "another program"


def is_damage(error: duckdb.Error) -> bool:
    """Say whether DuckDB failed because of the file, not because of what it was asked."""
    kinds = (duckdb.IOException, duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException)
    return (isinstance(error, kinds) or "corrupt database" in str(error).lower()) and not _lacks_room(error)


def _lacks_room(error: duckdb.Error) -> bool:
    text = str(error).lower()
    return any(sign in text for sign in ("no space", "out of disk", "file too large", "quota exceeded"))


MOVE_AWAY = (
    "move the file away (mv it to another name, together with its .wal if there is one) and put a backup in its place; "
    "without a backup, flywheel run then starts over"
)


def _translate_open(path: Path, error: duckdb.Error) -> StoreError:
    text = str(error).split("\n")[0]
    place = f"store {path}"
    if path.is_dir():
        return StoreError(place, expected="a DuckDB file", received="a folder", cure="move the folder away")
    if "version" in text.replace(str(path), "").lower():
        return StoreVersionError(
            place, expected=f"a file that DuckDB {duckdb.__version__} reads", received=text,
            cure="upgrade flywheel and duckdb to the versions that wrote it",
        )  # fmt: skip
    if "denied" in text.lower() or "read-only" in text.lower():
        return StoreError(
            place,
            expected="a DuckDB file that can be opened",
            received=text,
            cure="check the rights of the file and its folder",
        )
    return StoreError(place, expected="a DuckDB file that can be opened", received=text, cure=MOVE_AWAY)


def _translate_use(path: Path, error: duckdb.Error) -> Exception:
    text = str(error).split("\n")[0]
    if _lacks_room(error):
        return DiskFullError(
            f"store {path}",
            expected="room to write",
            received=text,
            cure="free some space, then give the same command again: the rows are kept in the journal",
        )
    if ".parquet" in text:
        return StoreError(
            f"store {path}", expected="its shards where the table shards says that they are", received=text,
            cure="make the folder or bucket reachable again; nothing else is wrong with the store",
        )  # fmt: skip
    if is_damage(error):
        return StoreError(f"store {path}", expected="a whole DuckDB file", received=text, cure=MOVE_AWAY)
    return error
