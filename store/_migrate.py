"""Numbered migrations, recorded in the store; views are rebuilt with each."""

import re
from importlib import resources

import duckdb

from ..errors import StoreVersionError
from ..schema import utc_now
from ._shards import BIG, unveil_all, veil

_NUMBERED = re.compile(r"^(\d{4})_\w+\.sql$")


def list_migrations() -> list[tuple[int, str, str]]:
    """Return (number, name, SQL) of every migration, in order."""
    folder = resources.files(__package__) / "migrations"
    found = [(m, f) for f in folder.iterdir() if (m := _NUMBERED.match(f.name))]
    return sorted((int(m[1]), f.name, f.read_text(encoding="utf-8")) for m, f in found)


def latest_version() -> int:
    """Return the schema version that this flywheel writes."""
    return list_migrations()[-1][0]


def read_version(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the store's schema version; 0 for an empty file."""
    if not connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'migrations'").fetchall():
        return 0
    ((version,),) = connection.execute("SELECT coalesce(max(version), 0) FROM migrations").fetchall()
    return int(version)


def check_version(connection: duckdb.DuckDBPyConnection, place: str) -> int:
    """Return the store's schema version.

    Raises:
        StoreVersionError: it is newer than this flywheel.
    """
    version = read_version(connection)
    if version > latest_version():
        raise StoreVersionError(
            place,
            expected=f"schema version {latest_version()} or older",
            received=f"schema version {version}, written by a newer flywheel",
            cure="upgrade: pip install --upgrade llm-flywheel",
        )
    return version


def migrate(connection: duckdb.DuckDBPyConnection, place: str) -> None:
    """Bring the store to the newest schema, inside the caller's transaction.

    Raises:
        StoreVersionError: the store is newer than this flywheel.
    """
    version = check_version(connection, place)
    if version == latest_version():
        return
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, name VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL)"
    )
    connection.execute("COMMENT ON TABLE migrations IS 'Schema changes applied to this store.'")
    unveil_all(connection)
    for number, name, sql in list_migrations():
        if number > version:
            connection.execute(sql)
            connection.execute("INSERT INTO migrations VALUES (?, ?, ?)", [number, name, utc_now()])
    views = (resources.files(__package__) / "views.sql").read_text(encoding="utf-8")
    connection.execute(views)
    for table in BIG:
        veil(connection, table)
