"""What became of each fire of a schedule, on record.

Rows go to the table ``schedule_log``; while another program holds the store they wait in ``.flywheel/schedule.json``, which always
has the latest ones too. A schedule that is started again therefore knows its last fire, whatever holds the store.
"""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ...errors import RunInProgressError, StoreLockedError
from ...schema import content_id
from ...store import Project, Store, owned

log = logging.getLogger(__name__)

TABLE = "schedule_log"
PATIENCE_S = 2.0
SIGNALLED = (130, 143)
"""Exit codes of a run that Ctrl-C or SIGTERM ended."""
UNSEEN = "the schedule ended before the run did: killed, or the machine went off"


@dataclass(frozen=True)
class Fire:
    """A time at which a schedule was due, and what became of it; times in UTC, as ISO 8601 without their zone."""

    expression: str
    time_zone: str
    due_at: str
    outcome: str
    message: str
    started_at: str | None = None
    finished_at: str | None = None
    exit_code: int | None = None

    @property
    def fire_id(self) -> str:
        """Hash of what makes it one fire."""
        return content_id("fire", [self.expression, self.time_zone, self.due_at, self.started_at])

    @property
    def due(self) -> datetime:
        """When it was due."""
        return datetime.fromisoformat(self.due_at).replace(tzinfo=UTC)

    @property
    def was_cut_off(self) -> bool:
        """Whether its run did not end by itself: a signal ended it, or the machine or the schedule went before it."""
        return self.outcome == "failed" and (self.exit_code is None or self.exit_code in SIGNALLED)


def to_text(moment: datetime) -> str:
    """Return an aware time in UTC, as the store has it."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat("T", "microseconds")


class FireLog:
    """The fires of one project's schedule.

    Args:
        project: whose.
        patience_s: seconds to wait for another program's lock on the store; then rows wait in a file.
    """

    def __init__(self, project: Project, *, patience_s: float = PATIENCE_S) -> None:
        self._project = project
        self._store = Store(project, patience_s=patience_s)
        self._file = project.state / "schedule.json"
        self._rows: list[Fire] = []
        self._open: Fire | None = None
        self._waiting = 0
        self._is_told = False

    @contextmanager
    def owned(self, what: str) -> Iterator[None]:
        """Be the project's only schedule while the block runs.

        Raises:
            RunInProgressError: it has another one.
        """
        self._project.state.mkdir(parents=True, exist_ok=True)
        with owned(
            self._project.state / "schedule.lock", what, f"project {self._project.root}",
            expected="no other schedule in this project", cure="stop it first: a project has one schedule",
        ):  # fmt: skip
            yield

    def open(self) -> None:
        """Read what waits for the store; a run whose end no schedule saw is put on record as failed."""
        self._rows, cut_off = self._read_file()
        self._waiting = len(self._rows)
        if cut_off is not None:
            self.record(replace(cut_off, outcome="failed", message=UNSEEN))

    def note_start(self, fire: Fire) -> None:
        """Write down whose run is on: until it is recorded, or for the schedule that comes after a crash."""
        self._open = fire
        self._save()

    def last(self, expression: str, time_zone: str, until: datetime) -> tuple[Fire | None, Fire | None]:
        """Return the latest fire that was due at or before ``until`` (or the schedule's beginning), and the latest one that
        had a run; None where there is none.

        Raises:
            StoreError: the store is of a newer flywheel, or damaged.
        """
        mine = [r for r in self._rows if (r.expression, r.time_zone) == (expression, time_zone)]
        found = [r for r in (*mine, *self._stored(expression, time_zone, until)) if r.due <= until]
        runs = [r for r in found if r.started_at]
        return max(found, key=lambda r: r.due_at, default=None), max(
            runs, key=lambda r: r.started_at or "", default=None
        )

    def _stored(self, expression: str, time_zone: str, until: datetime) -> list[Fire]:
        columns = ("due_at", "outcome", "message", "started_at", "finished_at", "exit_code")
        try:
            self._prepare()
            rows = self._store.query(
                f"WITH mine AS (FROM {TABLE} WHERE expression = ? AND time_zone = ? AND due_at <= ?), "
                "ends AS ((FROM mine ORDER BY due_at DESC LIMIT 1) UNION ALL "
                "(FROM mine WHERE started_at IS NOT NULL ORDER BY started_at DESC LIMIT 1)) "
                f"SELECT {', '.join(columns)} FROM ends",
                [expression, time_zone, to_text(until)],
            )
        except (StoreLockedError, RunInProgressError) as error:
            log.warning("the store is in use (%s): earlier fires are read from %s", error.received, self._file)
            return []
        return [Fire(expression, time_zone, **dict(zip(columns, map(_plain, row), strict=True))) for row in rows]

    def _prepare(self) -> None:
        """Make the store, or bring it up to date."""
        if self._project.store_path.exists():
            self._store.upgrade()
            return
        with self._store.run_lock("flywheel schedule"):  # two at once would make two
            self._store.open().close()

    def close(self, fire: Fire) -> None:
        """Put the fire on record whose run has ended."""
        self._open = None
        self.record(fire)

    def record(self, *fires: Fire) -> None:
        """Put fires on record: in the store, or in the file until the store can be had."""
        self._rows += fires
        self._waiting += len(fires)
        self._save()
        self.flush()

    def flush(self) -> None:
        """Move what waits into the store, if it can be had; whatever hinders it is told, and never the schedule's end."""
        if not self._waiting:
            return
        rows = [{"fire_id": f.fire_id, **asdict(f)} for f in self._rows]
        try:
            self._prepare()
            self._store.insert(TABLE, rows, key="fire_id")
        except Exception as error:  # noqa: BLE001 - DuckDB's own among them; the rows are in the file
            (log.info if self._is_told else log.warning)("fires wait in %s for the store: %s", self._file, error)
            self._is_told = True
            return
        latest_run = [r for r in self._rows[:-1] if r.started_at][-1:]
        self._rows, self._waiting, self._is_told = latest_run + self._rows[-1:], 0, False
        self._save()

    def _read_file(self) -> tuple[list[Fire], Fire | None]:
        try:
            held = json.loads(self._file.read_text(encoding="utf-8"))
            return [Fire(**row) for row in held["rows"]], Fire(**held["open"]) if held["open"] else None
        except FileNotFoundError:
            return [], None
        except (OSError, ValueError, TypeError, KeyError) as error:
            log.warning("%s cannot be read: %s", self._file, error)
            return [], None

    def _save(self) -> None:
        fresh = self._file.with_suffix(".new")
        try:
            with fresh.open("w", encoding="utf-8") as stream:
                held = {"rows": [asdict(f) for f in self._rows], "open": asdict(self._open) if self._open else None}
                json.dump(held, stream, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.replace(self._file)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._file, error)


def _plain(value: Any) -> Any:
    return value.isoformat("T", "microseconds") if isinstance(value, datetime) else value
