"""When a schedule fires: five-field cron expressions and intervals.

Expressions are read here, in cron's own rules, and handed to APScheduler's trigger as plain lists of values: its reader numbers
weekdays from Monday, takes both kinds of days as *and* where cron means *or*, and reads ``jan/2`` as ``jan``. The trigger counts in UTC,
as if the wall's clock were one that is never set, and the changes of clocks are applied here: by itself it skips the first hour
of the day after a change (``0 0 * * mon`` in Berlin has no fire on 2026-03-30). A time of day that the clocks skip in spring fires an
hour later by the clock; one that they repeat in autumn fires once, unless the hour is ``*``.
"""

import difflib
import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from typing import Any, Protocol

from ...errors import RecipeError

MACROS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
"""As cron numbers them: 0 is Sunday, and so is 7."""
UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LONGEST_S = 366 * 86_400
LONGEST_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
EXAMPLE = 'for example "0 2 * * *" (at 2:00 every day) or "30 6 * * mon-fri"; docs/schedule.md has the rules'
NEAR = timedelta(hours=3)
"""No clock is set by more (but for days that islands have skipped)."""
_A_MOMENT = timedelta(seconds=0.5)
"""Fires lie on whole seconds: what comes at or after half a second later comes strictly after."""


class Times(Protocol):
    """The times at which a schedule fires; all of them aware and in UTC."""

    @property
    def text(self) -> str:
        """The schedule, in words that name it in the log."""
        ...

    @property
    def zone(self) -> tzinfo:
        """Time zone in which fires are shown."""
        ...

    @property
    def zone_name(self) -> str:
        """Name of the time zone in which it is read."""
        ...

    def next_after(self, last: datetime) -> datetime:
        """Return the first fire after the fire (or the beginning) ``last``."""
        ...

    def latest(self, last: datetime, until: datetime, most: int) -> tuple[list[datetime], bool]:
        """Return the latest ``most`` fires after ``last`` up to ``until``, in their order, and whether these are all."""
        ...


@dataclass(frozen=True)
class Field:
    """One field of a cron expression."""

    text: str
    values: tuple[int, ...]

    @property
    def is_any(self) -> bool:
        """Whether it restricts nothing in cron's sense: it begins with a star."""
        return self.text.startswith("*")


@dataclass(frozen=True)
class Cron:
    """A cron expression, read. ``weekdays`` are numbered from Sunday, 0 to 6."""

    text: str
    minutes: Field
    hours: Field
    days: Field
    months: Field
    weekdays: Field

    @property
    def is_either(self) -> bool:
        """Whether a day of the month or a weekday is enough: both are restricted."""
        return not self.days.is_any and not self.weekdays.is_any


@dataclass(frozen=True)
class CronTimes:
    """Fires of a cron expression in a time zone."""

    cron: Cron
    zone: tzinfo
    zone_name: str

    @property
    def text(self) -> str:
        """See :class:`Times`."""
        return self.cron.text

    def next_after(self, last: datetime) -> datetime:
        """See :class:`Times`."""
        wall = self._next_wall(last.astimezone(self.zone))
        first = wall.replace(tzinfo=self.zone).astimezone(UTC)
        if not self._changes_near(last) and not self._changes_near(first):
            return first
        return self._next_near_change(last)

    def latest(self, last: datetime, until: datetime, most: int) -> tuple[list[datetime], bool]:
        """See :class:`Times`."""
        span = timedelta(hours=1)
        while True:
            start = max(last, until - span)
            fires, moment = [], start
            while (moment := self.next_after(moment)) <= until:
                fires.append(moment)
            if start == last or len(fires) >= most:
                return fires[-most:], start == last and len(fires) <= most
            span *= 4

    def _next_wall(self, wall: datetime) -> datetime:
        """Return the next time of day that fits, as a clock on a wall shows it (whatever its zone), as one of UTC."""
        after = wall.replace(tzinfo=UTC, fold=0) + _A_MOMENT
        found: datetime = min(t.get_next_fire_time(None, after) for t in self._triggers)
        return found

    def _changes_near(self, moment: datetime) -> bool:
        return (moment - NEAR).astimezone(self.zone).utcoffset() != (moment + NEAR).astimezone(self.zone).utcoffset()

    def _next_near_change(self, last: datetime) -> datetime:
        """Look at each time that fits from some hours before: the clocks may show it never, or twice."""
        wall, best = (last - NEAR).astimezone(self.zone).replace(tzinfo=UTC), None
        while best is None or wall < best.astimezone(self.zone).replace(tzinfo=UTC) + NEAR:
            wall = self._next_wall(wall)
            for moment in self._moments(wall):
                if moment > last and (best is None or moment < best):
                    best = moment
        return best

    def _moments(self, wall: datetime) -> list[datetime]:
        """Return when the clocks show a time: twice when they are set back, if it is to fire every hour; once it is as
        long after midnight as ever when they skip it.
        """
        folds = (0, 1) if self.cron.hours.is_any else (0,)
        shown = [wall.replace(tzinfo=self.zone, fold=f).astimezone(UTC) for f in folds]
        return [m for i, m in enumerate(shown) if i == 0 or m > shown[0]]

    @cached_property
    def _triggers(self) -> list[Any]:
        from apscheduler.triggers.cron import CronTrigger  # a tenth of a second, for this command alone

        c = self.cron
        days, weekdays = _list(c.days), ",".join(WEEKDAYS[v] for v in c.weekdays.values)
        chosen = [(days, "*"), ("*", weekdays)] if c.is_either else [(days, weekdays)]
        known = {"minute": _list(c.minutes), "hour": _list(c.hours), "month": _list(c.months), "second": 0}
        return [CronTrigger(day=d, day_of_week=w, timezone=UTC, **known) for d, w in chosen]


@dataclass(frozen=True)
class IntervalTimes:
    """A fire every so many seconds, counted from the one before; the zone is only for showing them."""

    seconds: int
    text: str
    zone: tzinfo = UTC
    zone_name: str = "UTC"

    def next_after(self, last: datetime) -> datetime:
        """See :class:`Times`."""
        return last + timedelta(seconds=self.seconds)

    def latest(self, last: datetime, until: datetime, most: int) -> tuple[list[datetime], bool]:
        """See :class:`Times`."""
        n = max(0, (until - last) // timedelta(seconds=self.seconds))
        first = max(1, n - most + 1)
        return [last + timedelta(seconds=self.seconds * k) for k in range(first, n + 1)], first == 1


def parse_cron(text: str) -> Cron:
    """Read a cron expression.

    Raises:
        RecipeError: it is none, or can never fire.
    """
    place = f"flywheel schedule {text!r}"
    parts = MACROS.get(text.strip().lower(), text).split()
    if len(parts) != 5:
        raise RecipeError(
            place, expected="five fields: minute, hour, day of month, month, weekday",
            received=f"{len(parts)} of them" if parts and parts[0][0] != "@" else repr(text),
            cure=EXAMPLE if not text.startswith("@") else f"one of {', '.join(MACROS)}, or five fields",
        )  # fmt: skip
    minutes, hours, days, months = (
        _parse_field(place, *known)
        for known in (
            ("minute", parts[0], 0, 59, ()), ("hour", parts[1], 0, 23, ()), ("day of month", parts[2], 1, 31, ()),
            ("month", parts[3], 1, 12, MONTHS),
        )
    )  # fmt: skip
    weekdays = _parse_field(place, "weekday", parts[4], 0, 7, WEEKDAYS)
    weekdays = Field(weekdays.text, tuple(sorted({v % 7 for v in weekdays.values})))
    cron = Cron(" ".join(parts), minutes, hours, days, months, weekdays)
    _check_days(place, cron)
    return cron


def _check_days(place: str, cron: Cron) -> None:
    stepped = [f for f in (cron.days, cron.weekdays) if f.is_any and "/" in f.text]
    if stepped and not (cron.days.text == "*" or cron.weekdays.text == "*"):
        raise RecipeError(
            place, expected="days of the month or weekdays by a step, not together with the other kind",
            received=f"{cron.days.text} and {cron.weekdays.text}, which crons do not agree on",
            cure="write the step as a range, 1-31/2 for */2: then either kind of day is enough, everywhere",
        )  # fmt: skip
    longest = max(LONGEST_MONTH[m - 1] for m in cron.months.values)
    if not cron.is_either and cron.days.values[0] > longest:
        raise RecipeError(
            place, expected="a day that some month has", received=f"day {cron.days.text} of month {cron.months.text}",
            cure=EXAMPLE,
        )  # fmt: skip


def _parse_field(place: str, name: str, text: str, low: int, high: int, names: tuple[str, ...]) -> Field:
    values: set[int] = set()
    for part in text.split(","):
        found = _parse_part(part, low, high, names)
        if found is None:
            also = f" or {names[0]} to {names[-1]}" if names else ""
            raise RecipeError(
                f"{place}: {name}", expected=f"{low} to {high}{also}, as *, 1, 1-5, 1,3 or */2", received=repr(part),
                cure=EXAMPLE,
            )  # fmt: skip
        values.update(found)
    return Field(text.lower(), tuple(sorted(values)))


def _parse_part(part: str, low: int, high: int, names: tuple[str, ...]) -> range | None:
    match = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d{1,4}))?", part.lower(), re.ASCII)
    if match is None:
        return None
    first, last, step = match.groups()
    if first == "*":
        top = 6 if high == 7 else high
        return None if last or step == "0" else range(low, top + 1, int(step or 1))
    start = _value(first, low, names)
    end = _value(last, low, names) if last else high - (high == 7) if step else start
    if last == "sun" and start:
        end = 7
    if start is None or end is None or not low <= start <= end <= high or (step and int(step) == 0):
        return None
    return range(start, end + 1, int(step or 1))


def _value(text: str, low: int, names: tuple[str, ...]) -> int | None:
    if text in names:
        return names.index(text) + low
    return int(text) if text.isdigit() else None


def _list(field: Field) -> str:
    return ",".join(map(str, field.values))


def parse_interval(text: str, zone: tzinfo = UTC) -> IntervalTimes:
    """Read an interval: ``6h``, ``1h30m``, ``2d``.

    Raises:
        RecipeError: it is none, or shorter than a second, or longer than a year.
    """
    parts = re.findall(r"(\d{1,9})([smhdw])", text.strip().lower(), re.ASCII)
    seconds = sum(int(n) * UNITS_S[unit] for n, unit in parts)
    if "".join(n + unit for n, unit in parts) != text.strip().lower() or not 1 <= seconds <= LONGEST_S:
        raise RecipeError(
            f"flywheel schedule --every {text!r}",
            expected="whole numbers with s, m, h, d or w, from 1s to 366d", received=repr(text),
            cure="for example --every 6h, --every 90m or --every 1d12h",
        )  # fmt: skip
    return IntervalTimes(seconds, f"every {''.join(n + unit for n, unit in parts)}", zone)


def find_zone(name: str | None) -> tuple[tzinfo, str]:
    """Return a time zone and its name; of this machine where none is given.

    Raises:
        RecipeError: there is none of this name, or the machine's cannot be told.
    """
    if name is None:
        return _own_zone()
    try:
        return zoneinfo.ZoneInfo(name), name
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        near = difflib.get_close_matches(name, sorted(zoneinfo.available_timezones()), n=1)
        raise RecipeError(
            "flywheel schedule: --timezone", expected="a name of the IANA time zone database, as Europe/Berlin or UTC",
            received=repr(name), cure=f"did you mean {near[0]!r}?" if near else "timedatectl list-timezones lists them",
        ) from None  # fmt: skip


def _own_zone() -> tuple[tzinfo, str]:
    import tzlocal

    try:
        zone = tzlocal.get_localzone()
        return zone, tzlocal.get_localzone_name() or str(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise RecipeError(
            "flywheel schedule", expected="a machine that knows its time zone", received=str(error),
            cure="name one: --timezone Europe/Berlin; or mend TZ or /etc/localtime",
        ) from None  # fmt: skip
