"""How pages read: one query at a time with the limits of a user's own SQL, remembered until the store's file changes."""

import signal
import threading
from collections import OrderedDict
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from ..errors import FlywheelError
from ..store import USERS, Limits, Project, Store, Value, find_owner, run_query

Row = dict[str, Any]
PATIENCE_S = 20.0
"""How long a page waits for a program that writes."""
PAGE_LIMITS = Limits(USERS.memory, 60.0)
REMEMBERED = 256
SHOWN_ROWS = 1000


class Reader:
    """Reads a project's store for the pages; safe in several threads."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.store = Store(project)
        self._known: OrderedDict[Any, list[Row]] = OrderedDict()
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def ask(self, sql: str, **parameters: Value) -> list[Row]:
        """Return the rows of one of our queries, as dicts.

        Raises:
            StoreLockedError: a program wrote for longer than ``PATIENCE_S``.
        """
        key = (self.project.stamp(), sql, tuple(sorted(parameters.items())))
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        table = run_query(self.project, sql, parameters, place="page", patience_s=PATIENCE_S, limits=PAGE_LIMITS).table
        rows: list[Row] = table.to_pylist()
        with self._lock:
            self._known[key] = rows
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return rows

    def one(self, sql: str, **parameters: Value) -> Row | None:
        """Return the first row, or None."""
        rows = self.ask(sql, **parameters)
        return rows[0] if rows else None

    def owner(self) -> str | None:
        """Return the run that is on."""
        return find_owner(self.project.run_lock)

    def run_user_sql(self, sql: str) -> Row:
        """Run a user's query in a process of its own, so that a long one holds up no page.

        Returns:
            ``columns``, ``rows`` (the first ones), ``n`` and ``elapsed_s``; or ``error``, with its four parts.
        """
        with self._lock:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_leave_signals)
            pool = self._pool
        try:
            return pool.submit(query_as_user, str(self.project.root), sql).result()
        except BrokenProcessPool:
            self.close()
            return {"error": {
                "place": "sql", "expected": "an answer", "received": "the query's process ended", "cure": "ask for less: a LIMIT, a WHERE",
            }}  # fmt: skip

    def close(self) -> None:
        """End the process of users' queries."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _leave_signals() -> None:
    """Let the server alone end on Ctrl-C: it ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def query_as_user(root: str, sql: str) -> Row:
    """Run a user's query with the limits of ``flywheel sql``."""
    try:
        result = run_query(Project(Path(root)), sql, limits=USERS)
    except FlywheelError as error:
        return {"error": parts_of(error)}
    head = result.table.slice(0, SHOWN_ROWS)
    rows = list(zip(*(c.to_pylist() for c in head.columns), strict=True)) if head.num_columns else []
    return {"columns": result.columns, "rows": rows, "n": result.table.num_rows, "elapsed_s": result.elapsed_s}


def parts_of(error: FlywheelError) -> Row:
    """Return an error's four parts."""
    return {name: getattr(error, name, "") for name in ("place", "expected", "received", "cure")}
