"""SQL from users: read-only, without file or network access, and written out as a table, CSV, JSON or Parquet."""

import csv
import io
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ..errors import NotFoundError, QueryError
from ._lease import DEFAULT_PATIENCE_S, is_damage, lease
from ._limits import UNLIMITED, Limits, parse_bytes
from ._migrate import check_version
from ._project import Project
from ._shards import is_about_shards

TABLES = "SHOW TABLES"
ONLY_READS = "flywheel sql only reads; to change a store, open a copy of it with any DuckDB client"
FRUGAL_MEMORY = "64MB"
"""For our own questions at the end of a long job: the funnel of 1,000,000 samples takes 0.6 s within it, and 0.7 s and 365 MB
without a limit."""
FORMATS = ("table", "csv", "json", "parquet")
BATCH_ROWS = 8192
"""Rows of a result that are fetched at a time, when its size is limited."""
Value = str | int | float | bool | None
"""What a parameter of a query may be."""


@dataclass(frozen=True)
class Result:
    """Rows of a query; ``table`` is an Arrow table."""

    table: Any
    elapsed_s: float

    @property
    def columns(self) -> list[str]:
        """Column names."""
        return list(self.table.column_names)

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        """Rows as tuples of Python values."""
        return list(zip(*(c.to_pylist() for c in self.table.columns), strict=True)) if self.table.num_columns else []


def run_frugally(project: Project, sql: str) -> Result:
    """Run one of our own queries in little memory; in as much as it takes where that is too little, or has no place to go.

    Raises:
        StoreError, QueryError: as :func:`run_query`.
    """
    try:
        return run_query(project, sql, limits=Limits(FRUGAL_MEMORY))
    except QueryError:
        return run_query(project, sql)


def run_query(
    project: Project,
    sql: str,
    parameters: Mapping[str, Value] | None = None,
    *,
    place: str = "sql",
    patience_s: float = DEFAULT_PATIENCE_S,
    limits: Limits = UNLIMITED,
) -> Result:
    """Run ``sql``, one statement that reads.

    Args:
        parameters: a value for each ``$name`` in it, and no other.
        place: what an error is said to be about; other than ``sql`` when only a part of the statement is the user's.
        limits: what it may take.

    Raises:
        NotFoundError: the project has no store.
        QueryError: DuckDB refuses it, it is not one statement, does more than read, has other parameters, or takes more
            than it may.
        StoreError: the file is damaged.
        StoreLockedError: another program wrote for longer than ``patience_s``.
    """
    require_store(project)
    started = time.monotonic()
    with lease(project.store_path, write=False, patience_s=patience_s, safe=True, memory=limits.memory) as connection:
        check_version(connection, f"store {project.store_path}")
        try:
            table = _run_in_time(
                connection, lambda: _execute(connection, sql, dict(parameters or {}), place, limits), limits.timeout_s
            )
        except TimeoutError:
            raise _too_slow(place, limits.timeout_s) from None
        except duckdb.Error as error:
            if is_damage(error) or is_about_shards(connection, error):
                raise  # the lease says that the file is at fault
            raise _too_large(place, limits, error) or _refused(error, place) from None
    return Result(table.rename_columns(_distinct(table.column_names)), time.monotonic() - started)


def require_store(project: Project) -> None:
    """Refuse a project without a store.

    Raises:
        NotFoundError: there is none.
    """
    if not project.store_path.exists():
        raise NotFoundError(
            f"store {project.store_path}",
            expected="a project folder with a store",
            received="no such file",
            cure="name the folder with flywheel -C DIR, or make one: flywheel init, then flywheel run",
        )


def _execute(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, Value], place: str, limits: Limits
) -> Any:
    """Return the rows as an Arrow table."""
    _require_one_reading(statements := connection.extract_statements(sql))
    _require_parameters(statements[0].named_parameters, parameters, place)
    relation = connection.sql(sql, params=parameters) if parameters else connection.sql(sql)
    if relation is None:
        return pa.table({})
    return _fetch(_project_intervals(relation), limits)


def _run_in_time(connection: duckdb.DuckDBPyConnection, act: Callable[[], Any], timeout_s: float) -> Any:
    """Return what ``act`` returns: it runs in a thread of its own, since DuckDB looks for no Ctrl-C while it fetches rows.

    Raises:
        TimeoutError: it took longer than ``timeout_s`` (0 = disabled), and was interrupted; so it is by Ctrl-C.
    """
    outcomes: list[tuple[Any, BaseException | None]] = []
    done = threading.Event()  # not join(): Python 3.11 takes a thread for ended whose join() was interrupted

    def work() -> None:
        try:
            outcomes.append((act(), None))
        except BaseException as error:  # noqa: BLE001  # it is raised again, where it is waited for
            outcomes.append((None, error.with_traceback(None)))  # its frames hold the result, which holds the file open
        finally:
            done.set()

    threading.Thread(target=work, name="query", daemon=True).start()
    try:
        is_late = not done.wait(timeout_s or None)
    finally:
        while not done.is_set():
            connection.interrupt()
            done.wait(0.1)
    result, error = outcomes.pop()
    if is_late:
        raise TimeoutError
    if error is not None:
        raise error
    return result


def _too_slow(place: str, timeout_s: float) -> QueryError:
    return QueryError(
        place, expected=f"an answer within {timeout_s:g} s", received="a query that was still running, and was interrupted",
        cure=f"ask for less (a WHERE on run_id, iteration or step), or allow it more: --timeout {timeout_s * 10:g} (0: no limit)",
    )  # fmt: skip


def _too_large(place: str, limits: Limits, error: duckdb.Error) -> QueryError | None:
    """Return what to say of a query that took more memory than it may; None for any other error."""
    if not limits.memory or not (isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory" in str(error)):
        return None
    return QueryError(
        place, expected=f"a query and a result within {limits.memory}", received=str(error).splitlines()[0],
        cure="ask for less (fewer columns, a LIMIT, a WHERE), or allow it more, for example: --memory 8GB",
    )  # fmt: skip


def _project_intervals(relation: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    """Return intervals in DuckDB's own words, since no output format has a place for them; the names are to be kept."""
    kinds = [str(kind) for kind in relation.types]
    if "INTERVAL" not in kinds:
        return relation
    names = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in relation.columns]
    columns = [
        f"CAST(#{i} AS VARCHAR) AS {name}" if kind == "INTERVAL" else f"#{i} AS {name}"
        for i, (kind, name) in enumerate(zip(kinds, names, strict=True), 1)
    ]
    return relation.project(", ".join(columns))


def _fetch(relation: duckdb.DuckDBPyRelation, limits: Limits) -> Any:
    """Return the rows as an Arrow table; of limited size, when memory is limited."""
    if not limits.memory:
        return relation.to_arrow_table()
    most, n_bytes, batches = parse_bytes(limits.memory), 0, []
    reader = relation.to_arrow_reader(BATCH_ROWS)
    try:
        for batch in reader:
            n_bytes += batch.nbytes
            if n_bytes > most:
                raise duckdb.OutOfMemoryException(f"more than {limits.memory} of rows")
            batches.append(batch)
    except (pa.ArrowException, OSError) as error:  # what DuckDB meets after the first batch comes through Arrow
        raise duckdb.Error(str(error)) from error
    return pa.Table.from_batches(batches, schema=reader.schema)


def _require_parameters(wanted: set[str], given: Mapping[str, Value], place: str) -> None:
    """Refuse parameters that are missing, or that the query does not have."""
    missing, unknown = sorted(wanted - set(given)), sorted(set(given) - wanted)
    if missing:
        raise QueryError(
            place, expected=f"a value for each parameter: {', '.join('$' + name for name in sorted(wanted))}",
            received=f"none for {', '.join('$' + name for name in missing)}",
            cure=f"give it: {' '.join(f'-p {name}=…' for name in missing)}",
        )  # fmt: skip
    if unknown:
        has = ", ".join("$" + name for name in sorted(wanted)) or "no parameter"
        raise QueryError(
            place, expected=has, received=", ".join("$" + name for name in unknown), cure="name one that the query has"
        )


@contextmanager
def read_safely(
    project: Project, place: str, *, patience_s: float = DEFAULT_PATIENCE_S
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Hand out a connection for queries that hold SQL of the user's: read-only, without file or network access.

    Args:
        project: the project, with a store.
        place: what an error is said to be about: the flag with the user's SQL.
        patience_s: seconds to wait for another program's lock.

    Raises:
        QueryError: DuckDB refuses a query, when it is given or while rows are fetched.
        StoreLockedError: another program wrote for longer than ``patience_s``.
    """
    with lease(project.store_path, write=False, patience_s=patience_s, safe=True) as connection:
        check_version(connection, f"store {project.store_path}")
        try:
            yield connection
        except duckdb.Error as error:
            if is_about_shards(connection, error):
                raise
            raise _refused(error, place) from None


READING = ("SELECT", "EXPLAIN", "PRAGMA", "MULTI", "RELATION")
"""DuckDB's statement types that only read (``SHOW`` and ``DESCRIBE`` are SELECT, ``PIVOT`` is MULTI)."""


def _require_one_reading(statements: Sequence[duckdb.Statement]) -> None:
    """Refuse anything but one statement that reads."""
    if len(statements) != 1:
        received = f"{len(statements)} queries" if statements else "nothing"
        cure = "give them one by one" if statements else f'write a query, for example: flywheel sql "{TABLES}"'
        raise QueryError("sql", expected="one query", received=received, cure=cure)
    kind = statements[0].type.name
    if kind not in READING:
        raise QueryError("sql", expected="a query that reads", received=f"a {kind} statement", cure=ONLY_READS)


def _distinct(names: list[str]) -> list[str]:
    """Number the columns of equal name, so that none is lost where names are keys."""
    taken = set(names)
    out: list[str] = []
    for name in names:
        numbered = name
        i = 0
        while numbered in out or (i and numbered in taken):
            i += 1
            numbered = f"{name}_{i}"
        out.append(numbered)
    return out


def _refused(error: duckdb.Error, place: str = "sql") -> QueryError:
    lines = [line for line in str(error).splitlines() if line.strip()]
    cure = f'flywheel sql "{TABLES}" lists tables and views; DESCRIBE name shows the columns'
    if place != "sql":  # the user wrote a condition, not the query that it stands in
        lines = list(itertools.takewhile(lambda line: not line.startswith("LINE "), lines))
    if "read-only" in str(error) or "disabled" in str(error):
        cure = ONLY_READS
    return QueryError(
        place, expected="a query that DuckDB can run on this store", received=" / ".join(lines), cure=cure
    )


def render(result: Result, fmt: str) -> str:
    """Return ``result`` as CSV or JSON text (one array of objects)."""
    if fmt == "csv":
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(result.columns)
        writer.writerows(result.rows)
        return out.getvalue()
    return json.dumps(result.table.to_pylist(), default=_plain, ensure_ascii=False, indent=1) + "\n"


def _plain(value: Any) -> Any:
    """Give JSON a number where SQL has a decimal (sums are), and text for anything else it does not know."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def write_parquet(result: Result, target: Path | Any) -> None:
    """Write ``result`` as Parquet to a path or a binary stream."""
    import pyarrow.parquet as pq

    pq.write_table(result.table, target)
