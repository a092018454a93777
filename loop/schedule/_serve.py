"""The schedule: waits for its times, starts a run at each, and keeps a record of what became of it.

Guarantees: no fire is served twice, whatever the clock does and however often the schedule is started; a fire during a run is
skipped; fires that were missed count once; no run, no locked store and no full disk ends the schedule. Wall times are compared at every
step, never waited out in one sleep, so that a suspended machine and a clock that is set are noticed within a step.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Protocol

from ...store import NOBODY_ELSE
from .._words import count
from ._log import Fire, FireLog, to_text
from ._run import STOPPED
from ._times import Times

log = logging.getLogger(__name__)

STEP_S = 0.5
GRACE_S = 60.0
"""A fire that is seen later than this was missed: the machine was off or suspended, or the clock was set."""
BELIEVED_AHEAD = timedelta(days=1)
"""A last fire that lies further in the future comes from a clock that was wrong then."""
MOST_MISSED = 100
"""Rows of missed fires that are written at once; what was missed before them is told in the first one's message."""
FLUSH_S = 60.0
STOPPED_CODE = 1
"""Exit code of a run that a rule of its recipe ended in the middle of an iteration."""
COULD_NOT_START = 127
"""As shells have it."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Run(Protocol):
    """A run that was started."""

    @property
    def last_words(self) -> str:
        """What it wrote at its end."""
        ...

    def poll(self) -> int | None:
        """Return its exit code once it has ended."""
        ...

    def send_signal(self, number: int) -> None:
        """Hand a signal on to it."""
        ...


class Scheduler:
    """Serves one schedule of one project.

    Args:
        times: when it fires.
        fires: where it is recorded.
        start: starts a run.
        say: tells a person.
        catch_up: whether missed fires count, once.
        clock: returns the present, aware.
        sleep: waits for so many seconds, or less.
    """

    def __init__(
        self, times: Times, fires: FireLog, start: Callable[[], Run], say: Callable[[str], None], *, catch_up: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC), sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._times, self._fires, self._start, self._say = times, fires, start, say
        self._catch_up, self._clock, self._sleep = catch_up, clock, sleep
        self._run: Run | None = None
        self._served: Fire | None = None
        self._stop_by: int | None = None
        self._last = clock()
        self._next = self._last
        self._flushed = self._last

    def serve(self) -> int:
        """Fire until a signal comes; return its number. A run that is on gets the signal too and is waited for."""
        with self._listening():
            try:
                self.begin()
                while self._stop_by is None or self._run is not None:
                    self.tick()
                    self._sleep(STEP_S)
            except BaseException:
                if self._run is not None:
                    self._run.send_signal(signal.SIGTERM)  # nobody would read its output
                raise
        return self._stop_by

    def begin(self) -> None:
        """Take up the schedule where its log ends, and say when it fires next.

        Raises:
            StoreError: the store is of a newer flywheel, or damaged.
        """
        now = self._clock()
        known, last_run = self._fires.last(self._times.text, self._times.zone_name, now + BELIEVED_AHEAD)
        if known is None:
            self._last = now.replace(microsecond=0)
            self._fires.record(self._fire(self._last, "begun", "the schedule counts from here"))
        else:
            self._last = known.due
        self._next = self._times.next_after(self._last)
        if last_run is not None and last_run.was_cut_off and self._catch_up and self._next > now:
            self._say(f"schedule: the run of {self._show(last_run.due)} was cut off; it is taken up again")
            self._launch(last_run.due)
        if self._next > now:
            self._tell_next(f"schedule: {self._times.text} ({self._times.zone_name}); ")

    def tick(self) -> None:
        """Do what is due at this moment: close a run that has ended, start one, or record why there is none."""
        now = self._clock()
        self._close_run()
        if self._stop_by is not None:
            return
        if self._last > now + BELIEVED_AHEAD:
            self._say(f"schedule: the clock was set back from {self._show(self._last)}; fires count from now on")
            self._last = now.replace(microsecond=0)
            self._next = self._times.next_after(self._last)
        if now >= self._next:
            self._take(now)
            self._tell_next("schedule: ")
        if abs(now - self._flushed) > timedelta(seconds=FLUSH_S):
            self._flushed = now
            self._fires.flush()

    def _take(self, now: datetime) -> None:
        """Serve the fires that are due: the latest one counts, those before it were missed."""
        due, is_all = self._times.latest(self._last, now, MOST_MISSED)
        *earlier, latest = due
        first = "" if is_all else "; so were more before it"
        self._last, self._next = latest, self._times.next_after(latest)
        if self._run is not None:
            fires = [self._fire(d, "skipped", "the previous run was still on") for d in due]
            self._record_all(fires, f"{self._show_all(due)} skipped: the previous run is still on")
            return
        is_late = (now - latest).total_seconds() > GRACE_S
        why = "nothing was running at that time"
        if is_late and not self._catch_up:
            fires = [self._fire(d, "missed", why + (first if d is due[0] else "")) for d in due]
            self._record_all(fires, f"{self._show_all(due)} missed: {why}")
            return
        if earlier:
            then = f"; the fire of {self._show(latest)} counts for it"
            fires = [self._fire(d, "missed", why + then + (first if d is due[0] else "")) for d in earlier]
            self._record_all(fires, f"{self._show_all(earlier)} missed: {why}{then}")
        if is_late:
            self._say(f"schedule: catching up once, for {self._show(latest)}")
        self._launch(latest)

    def _record_all(self, fires: list[Fire], told: str) -> None:
        self._fires.record(*fires)
        self._say(f"schedule: {told}")

    def _launch(self, due: datetime) -> None:
        started = self._fire(due, "failed", "", started_at=to_text(self._clock()))
        try:
            self._run = self._start()
        except OSError as error:
            message = f"flywheel run could not be started: {error}"
            self._fires.record(replace(started, message=message, exit_code=COULD_NOT_START))
            self._say(f"schedule: {message}")
            return
        self._served = started
        self._say(f"schedule: run of {self._show(due)} started")
        self._fires.note_start(started)
        if self._stop_by is not None:  # it came while the run was started
            self._run.send_signal(self._stop_by)

    def _close_run(self) -> None:
        if self._run is None or self._served is None or (code := self._run.poll()) is None:
            return
        words = self._run.last_words
        outcome = "ran" if code == 0 else "skipped" if NOBODY_ELSE in words else "failed"
        if code == STOPPED_CODE and words.startswith(STOPPED):
            outcome = "stopped"
        closed = replace(
            self._served, outcome=outcome, message=words, exit_code=code, finished_at=to_text(self._clock())
        )
        self._run = self._served = None
        self._fires.close(closed)
        again = "" if self._stop_by else "; the next fire goes on where it was"
        told = {
            "ran": "ended well", "skipped": "skipped: another process owns the project",
            "stopped": f"stopped by a rule of its recipe{again}", "failed": f"failed with exit code {code}{again}",
        }  # fmt: skip
        self._say(f"schedule: run of {self._show(closed.due)} {told[outcome]}")

    def _tell_next(self, prefix: str) -> None:
        left = max(timedelta(), self._next - self._clock())
        self._say(f"{prefix}next fire {self._show(self._next)}, in {show_span(left)}")

    def _fire(self, due: datetime, outcome: str, message: str, started_at: str | None = None) -> Fire:
        return Fire(self._times.text, self._times.zone_name, to_text(due), outcome, message, started_at)

    def _show(self, moment: datetime) -> str:
        return moment.astimezone(self._times.zone).strftime("%a %Y-%m-%d %H:%M:%S %Z")

    def _show_all(self, due: list[datetime]) -> str:
        return f"{count(len(due), 'fire')} of {self._show(due[0])}" + (f" to {self._show(due[-1])}" if due[1:] else "")

    # --- signals -----------------------------------------------------------------------------------------------

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Have signals end the schedule, each handed on to the run; a hang-up that is ignored (nohup) stays so."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {n: signal.getsignal(n) for n in SIGNALS if signal.getsignal(n) is not signal.SIG_IGN}
        for number in before:
            signal.signal(number, self._on_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_by = number
        if self._run is not None:
            self._run.send_signal(number)


def show_span(span: timedelta) -> str:
    """Return a span of time in its two largest units."""
    left = int(span.total_seconds())
    parts: list[str] = []
    for unit, seconds in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        n, left = divmod(left, seconds)
        if n or (unit == "s" and not parts):
            parts.append(f"{n} {unit}")
    return " ".join(parts[:2])
