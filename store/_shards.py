"""Rows of the big tables in Parquet shards, on a disk or in a bucket: the store has their addresses, and whatever reads the table reads them.

Guarantees: a row is in the file or in one shard on record, at every moment and whatever is killed. A shard is named by the hash of its
bytes and put under its name whole; it counts from the transaction on that puts it on record and takes its rows out of the
file. What is written of it and not on record is never read, and the next try writes the same.

A table that has shards is a view over them and over ``TABLE_here``, so that any DuckDB client which can reach the shards reads it.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from ..errors import FlywheelError, InputError, StoreError
from ..schema import utc_now
from ._remote import is_bucket, make_folder, put_whole, try_to_write

if TYPE_CHECKING:
    from ._store import Store

BIG: Mapping[str, str] = {"requests": "request_id", "samples": "sample_id"}
"""Tables that may have shards, and their keys."""
HERE = "_here"
PLACED = "The table {table}, with where each row stands: in the order of storing, those in shards first."
PLACE = "Number of the row, for as long as no rows are moved to shards or back."
SHARD_ROWS = 100_000


@dataclass(frozen=True)
class Shard:
    """A file of rows; see the table ``shards``."""

    shard_id: str
    table: str
    url: str
    n_rows: int
    n_bytes: int


def move_to_shards(store: "Store", where: str, *, rows: int = SHARD_ROWS, only_full: bool = False) -> Iterator[Shard]:
    """Move all rows of the big tables into shards, yielding each that is on record; the caller owns the project.

    Args:
        where: a folder, or what fsspec knows: ``s3://bucket/folder``.
        rows: most of one shard.
        only_full: leave what fills no shard in the file.

    Raises:
        InputError: it cannot be written to.
    """
    store.fold()
    with _place(where) as folder:
        for table in BIG:
            while not only_full or _count_here(store, table) >= rows:
                if (shard := _move_some(store, table, folder, rows)) is None:
                    break
                yield shard


def check_place(where: str) -> None:
    """See that shards can be written to a place: a small file is written there and removed, or in the folder where it would be made.

    Raises:
        InputError: they cannot.
    """
    try:
        files, path = _files_of(where)
        folder = path.rstrip("/")
        while not is_bucket(files) and not files.exists(folder) and "/" in folder.rstrip("/"):
            folder = folder.rpartition("/")[0] or "/"
        try_to_write(files, folder)
    except Exception as error:  # noqa: BLE001 - each protocol's package has errors of its own
        raise _refuse(where, error) from None


def bring_back(store: "Store") -> Iterator[Shard]:
    """Move all rows of shards back into the file, yielding each that is done; the caller owns the project.

    The files stay: a copy of the store may read them too.
    """
    for shard in list_shards(store):
        with store.write() as connection:
            _take_in(connection, shard.table, [shard.url])
        yield shard


def list_shards(store: "Store") -> list[Shard]:
    """Return the shards on record, in the order in which they were made."""
    query = "SELECT shard_id, table_name, url, n_rows, n_bytes FROM shards ORDER BY created_at, shard_id"
    return [Shard(*row) for row in store.query(query)]


# --- what other parts of the store call --------------------------------------------------------------------------------


def target_of(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """Return the name under which rows of a table are written."""
    return f"{table}{HERE}" if table in BIG and _has_shards(connection, table) else table


def keep_here(connection: duckdb.DuckDBPyConnection, table: str, condition: str, parameters: Sequence[Any]) -> str:
    """Bring the shards back that hold rows for which a condition holds, since rows are to be changed; return :func:`target_of`.

    The condition calls the rows ``t``. Runs inside the caller's transaction; the files stay where they are.
    """
    if table in BIG and _has_shards(connection, table):
        urls = _urls(connection, table)
        found = connection.execute(
            f"SELECT DISTINCT t.filename FROM read_parquet({list_literal(urls)}, filename = true, union_by_name = true) t WHERE {condition}",
            list(parameters),
        ).fetchall()
        if found:
            _take_in(connection, table, [url for (url,) in found])
    return target_of(connection, table)


def admit_shards(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Let a connection that was just opened read the shards on record; return their addresses."""
    try:
        urls = [str(url) for (url,) in connection.execute("SELECT url FROM shards").fetchall()]
    except duckdb.CatalogException:  # a store that knows no shards yet, or is being made
        return []
    _register(connection, urls)
    return urls


def _register(connection: duckdb.DuckDBPyConnection, urls: Sequence[str]) -> None:
    """Let a connection read addresses that are no paths, by fsspec."""
    for protocol in {url.partition("://")[0] for url in urls if "://" in url} - set(connection.list_filesystems()):
        import fsspec

        connection.register_filesystem(fsspec.filesystem(protocol))


def is_about_shards(connection: duckdb.DuckDBPyConnection, error: duckdb.Error) -> bool:
    """Say whether an error names a shard, which then cannot be read."""
    said = str(error)
    return ".parquet" in said and any(url in said for url in admit_shards(connection))


def unveil_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Let tables with shards have their names again, to be altered."""
    for table in BIG:
        if _has_shards(connection, table):
            _unveil(connection, table)


def veil(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Let a table's name be that of a view over its rows in the file and in shards; of a table without shards its own."""
    if _has_shards(connection, table):
        _unveil(connection, table)
    groups = connection.execute(
        "SELECT columns, list(url ORDER BY created_at, url) FROM shards WHERE table_name = ? GROUP BY columns ORDER BY columns",
        [table],
    ).fetchall()
    if not groups:
        _number(connection, table, [f"SELECT rowid AS place, * FROM {table}"])
        return
    here = f"{table}{HERE}"
    connection.execute(f"ALTER TABLE {table} RENAME TO {here}")
    kinds = _columns(connection, here)
    parts = []
    for columns, urls in groups:
        parts.append(f"SELECT {_cast(columns, kinds)} FROM read_parquet({list_literal(urls)})")
    parts.append(f"SELECT * FROM {here}")
    connection.execute(f"CREATE VIEW {table} AS {' UNION ALL BY NAME '.join(parts)}")
    _copy_comments(connection, here, table)
    _number(connection, table, [*_placed_shards(connection, table, kinds)])


def _placed_shards(connection: duckdb.DuckDBPyConnection, table: str, kinds: Mapping[str, str]) -> Iterator[str]:
    """Yield a query for each shard, then one for the rows of the file, that number the rows through in this order."""
    n = 0
    query = "SELECT url, n_rows, columns FROM shards WHERE table_name = ? ORDER BY created_at, url"
    for url, n_rows, columns in connection.execute(query, [table]).fetchall():
        yield f"SELECT {n} + file_row_number AS place, {_cast(columns, kinds)} FROM read_parquet({_quoted(url)}, file_row_number = true)"
        n += int(n_rows)
    yield f"SELECT {n} + rowid AS place, * FROM {table}{HERE}"


def _number(connection: duckdb.DuckDBPyConnection, table: str, parts: Sequence[str]) -> None:
    """Make the view of a table that says where its rows stand."""
    view = f"placed_{table}"
    connection.execute(f"CREATE OR REPLACE VIEW {view} AS {' UNION ALL BY NAME '.join(parts)}")
    _copy_comments(connection, target_of(connection, table), view)
    connection.execute(f"COMMENT ON VIEW {view} IS {_quoted(PLACED.format(table=table))}")
    connection.execute(f"COMMENT ON COLUMN {view}.place IS {_quoted(PLACE)}")


def _cast(columns: Sequence[str], kinds: Mapping[str, str]) -> str:
    return ", ".join(f'CAST("{name}" AS {kinds[name]}) AS "{name}"' for name in columns)


# --- inside -----------------------------------------------------------------------------------------------------------


def _has_shards(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    query = "SELECT 1 FROM duckdb_tables() WHERE table_name = ? AND database_name = current_database()"
    return bool(connection.execute(query, [f"{table}{HERE}"]).fetchall())


def _unveil(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    connection.execute(f"DROP VIEW {table}")
    connection.execute(f"ALTER TABLE {table}{HERE} RENAME TO {table}")


def _urls(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [str(u) for (u,) in connection.execute("SELECT url FROM shards WHERE table_name = ?", [table]).fetchall()]


def _columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    query = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? AND database_name = current_database() ORDER BY column_index"
    return {str(name): str(kind) for name, kind in connection.execute(query, [table]).fetchall()}


def _copy_comments(connection: duckdb.DuckDBPyConnection, table: str, view: str) -> None:
    mine = "WHERE table_name = ? AND database_name = current_database() AND comment IS NOT NULL"
    for (says,) in connection.execute(f"SELECT comment FROM duckdb_tables() {mine}", [table]).fetchall():
        connection.execute(f"COMMENT ON VIEW {view} IS {_quoted(says)}")
    for name, says in connection.execute(
        f"SELECT column_name, comment FROM duckdb_columns() {mine}", [table]
    ).fetchall():
        connection.execute(f'COMMENT ON COLUMN {view}."{name}" IS {_quoted(says)}')


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def list_literal(urls: Sequence[str]) -> str:
    """Return texts as a list in SQL."""
    return f"[{', '.join(map(_quoted, urls))}]"


def _count_here(store: "Store", table: str) -> int:
    with store.read() as connection:
        ((n,),) = connection.execute(f"SELECT count(*) FROM {target_of(connection, table)}").fetchall()
    return int(n)


def _move_some(store: "Store", table: str, folder: "_Folder", rows: int) -> Shard | None:
    """Move the first rows of a table into a shard; None where it has none."""
    with tempfile.TemporaryDirectory(dir=store.project.state, prefix="shard-") as name:
        file = Path(name) / "rows.parquet"
        n = _write_rows(store, table, file, rows)
        if not n:
            return None
        digest = _hash(file)
        shard = Shard(f"shard_{digest}", table, folder.put(file, f"{table}-{digest}.parquet"), n, file.stat().st_size)
        with store.write() as connection:
            _put_on_record(connection, shard, file)
    return shard


def _write_rows(store: "Store", table: str, file: Path, rows: int) -> int:
    """Write the rows of the first keys, in the order in which they came: exports and plans go by it. Return how many."""
    key = BIG[table]
    with store.read() as connection:
        connection.execute("SET threads = 1")  # the same rows are the same bytes
        target = target_of(connection, table)
        some = f"SELECT {key} FROM {target} ORDER BY rowid LIMIT {rows}"
        ((n,),) = connection.execute(
            f"COPY (SELECT * FROM {target} WHERE {key} IN ({some}) ORDER BY rowid) TO {_quoted(str(file))} (FORMAT parquet, COMPRESSION zstd)"
        ).fetchall()
    return int(n)


def _put_on_record(connection: duckdb.DuckDBPyConnection, shard: Shard, file: Path) -> None:
    table, key = shard.table, BIG[shard.table]
    target = target_of(connection, table)
    ((gone,),) = connection.execute(
        f"DELETE FROM {target} WHERE {key} IN (SELECT {key} FROM read_parquet({_quoted(str(file))}))"
    ).fetchall()
    if gone != shard.n_rows:
        raise StoreError(
            f"table {table}", expected=f"the {shard.n_rows} rows that were written", received=f"{gone} of them",
            cure="another program writes to the store: stop it, then give the same command again",
        )  # fmt: skip
    connection.execute(
        """INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?,
            greatest(?::TIMESTAMP, (SELECT max(created_at) + INTERVAL 1 MICROSECOND FROM shards)))""",
        [shard.shard_id, table, shard.url, shard.n_rows, shard.n_bytes, list(_columns(connection, target)), utc_now()],
    ).fetchall()
    _register(connection, [shard.url])
    veil(connection, table)


def _take_in(connection: duckdb.DuckDBPyConnection, table: str, urls: Sequence[str]) -> None:
    """Put the rows of shards into the file, and forget the shards."""
    connection.execute(
        f"INSERT INTO {target_of(connection, table)} BY NAME SELECT * FROM read_parquet({list_literal(urls)}, union_by_name = true)"
    ).fetchall()
    connection.execute("DELETE FROM shards WHERE url IN (SELECT unnest(?::VARCHAR[]))", [list(urls)]).fetchall()
    veil(connection, table)


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


@dataclass(frozen=True)
class _Folder:
    """Where shards go: what fsspec knows of it, and its path there."""

    files: Any
    path: str

    def put(self, file: Path, name: str) -> str:
        """Put a file there under a name, whole; return its address."""
        path = f"{self.path}/{name}"
        if not self.files.exists(path) or self.files.size(path) != file.stat().st_size:
            put_whole(self.files, file, path)
        return path if _is_local(self.files) else str(self.files.unstrip_protocol(path))


@contextmanager
def _place(where: str) -> Iterator[_Folder]:
    """Have a folder for shards, made where there is none; that it can be written to is tried.

    Raises:
        InputError: it cannot be had or written to.
    """
    try:
        files, path = _files_of(where)
        folder = _Folder(files, path.rstrip("/"))
        make_folder(files, path)
        try_to_write(files, folder.path)
    except Exception as error:  # noqa: BLE001 - each protocol's package has errors of its own
        raise _refuse(where, error) from None
    try:
        yield folder
    except FlywheelError:
        raise
    except (OSError, ImportError, ValueError) as error:
        raise _refuse(where, error) from None


def _refuse(where: str, error: Exception) -> InputError:
    return InputError(
        f"shards at {where}", expected="a folder, or an address that fsspec can write to: s3://bucket/folder",
        received=str(error) or type(error).__name__,
        cure="make it writable; fsspec takes keys from the environment and needs a package for most protocols (s3fs, gcsfs)",
    )  # fmt: skip


def _files_of(where: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the path in it; of a path on this machine the whole of it."""
    from fsspec.core import url_to_fs

    files, path = url_to_fs(where)
    return files, str(Path(path).resolve()) if _is_local(files) else path


def _is_local(files: Any) -> bool:
    return "file" in ((files.protocol,) if isinstance(files.protocol, str) else files.protocol)
