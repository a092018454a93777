"""The schedule with a clock of the tests' own: what fires, what is skipped, what is caught up, and what no restart doubles."""

import random
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from flywheel.errors import RecipeError, RunInProgressError
from flywheel.loop.schedule import CronTimes, FireLog, Scheduler, find_zone, parse_cron, parse_interval
from flywheel.store import NOBODY_ELSE
from support import HOLD

MONDAY = datetime(2026, 3, 2, 10, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class FakeRun:
    def __init__(self, machine, takes, code, words):
        self.machine, self.ends, self.code, self.last_words, self.signals = (
            machine,
            machine.now + takes,
            code,
            words,
            [],
        )

    def poll(self):
        return self.code if self.machine.now >= self.ends else None

    def send_signal(self, number):
        self.signals.append(number)
        self.ends, self.code = self.machine.now, 128 + number


class Machine:
    """A clock that the test moves, runs that take as long as it says, and the project's real store."""

    def __init__(self, project, text="0 2 * * *", zone="UTC", now=MONDAY):
        self.project, self.now = project, now
        self.times = CronTimes(parse_cron(text), ZoneInfo(zone), zone) if " " in text else parse_interval(text)
        self.runs, self.said = [], []
        self.takes, self.code, self.words = timedelta(minutes=20), 0, "Report: report.md"

    def start(self):
        if isinstance(self.code, OSError):
            raise self.code
        self.runs.append(FakeRun(self, self.takes, self.code, self.words))
        return self.runs[-1]

    def begin(self, **settings):
        """Start a schedule, as a process that comes up now does."""
        self.log = FireLog(self.project, patience_s=0.05)
        self.log.open()
        known = {"clock": lambda: self.now, "sleep": self.pass_time}
        self.schedule = Scheduler(self.times, self.log, self.start, self.said.append, **known, **settings)
        self.schedule.begin()
        self.schedule.tick()
        return self

    def pass_time(self, seconds):
        self.now += timedelta(seconds=seconds)

    def go(self, span, step=timedelta(seconds=50)):
        until = self.now + span
        while self.now < until:
            self.now += step
            self.schedule.tick()
        return self

    def rows(self, what="outcome, count(*)"):
        grouped = " GROUP BY ALL" if "count" in what else ""
        return self.log._store.query(f"SELECT {what} FROM schedule_log WHERE outcome <> 'begun'{grouped} ORDER BY ALL")


@pytest.fixture
def machine(store, project):
    return Machine(project)


def test_each_night_has_its_run_and_its_row(machine):
    machine.begin().go(3 * DAY)
    assert len(machine.runs) == 3
    rows = machine.rows("due_at, outcome, exit_code, message, finished_at - started_at >= INTERVAL 20 MINUTE")
    assert rows == [(datetime(2026, 3, d, 2), "ran", 0, "Report: report.md", True) for d in (3, 4, 5)]
    assert "next fire Tue 2026-03-03 02:00:00 UTC, in 16 h" in machine.said[0]


def test_a_fire_during_a_run_is_skipped(project, store):
    machine = Machine(project, "1h")
    machine.takes = timedelta(hours=2, minutes=30)
    machine.begin().go(6 * HOUR + timedelta(minutes=2))
    assert machine.rows() == [("ran", 1), ("skipped", 4)]
    assert len(machine.runs) == 2
    assert any("the previous run is still on" in line for line in machine.said)


@pytest.mark.parametrize("how", ["stopped", "suspended"])
def test_three_missed_fires_count_once(machine, how):
    machine.begin().go(HOUR)
    machine.now += 3 * DAY  # at 11:00 on Thursday
    machine = machine.begin() if how == "stopped" else machine.go(timedelta(seconds=1))
    assert len(machine.runs) == 1
    machine.go(HOUR)
    found = machine.rows("due_at, outcome")
    assert found == [(datetime(2026, 3, d, 2), outcome) for d, outcome in ((3, "missed"), (4, "missed"), (5, "ran"))]
    machine.begin().go(10 * HOUR)
    assert len(machine.runs) == 1, "neither the next start nor the next hours do it again"
    machine.go(6 * HOUR)
    assert len(machine.runs) == 2


def test_without_catching_up_missed_fires_are_on_record_and_no_more(machine):
    machine.begin(catch_up=False).go(HOUR)
    machine.now += 3 * DAY
    machine.begin(catch_up=False).go(10 * HOUR)
    assert (machine.rows(), machine.runs) == ([("missed", 3)], [])
    machine.go(6 * HOUR)
    assert (machine.rows(), len(machine.runs)) == ([("missed", 3), ("ran", 1)], 1)


def test_what_was_missed_before_the_first_fire_is_known_too(machine):
    machine.begin()
    machine.now += DAY
    machine.begin()
    assert len(machine.runs) == 1


def test_a_year_of_missed_minutes_is_a_hundred_rows(project, store):
    machine = Machine(project, "* * * * *").begin()
    machine.now += 365 * DAY
    machine.begin().go(timedelta(minutes=1))
    assert machine.rows()[0] == ("missed", 99)
    ((first,),) = machine.log._store.query("SELECT message FROM schedule_log ORDER BY due_at LIMIT 1 OFFSET 1")
    assert first.endswith("so were more before it")


def test_a_clock_that_is_set_back_fires_nothing_twice(machine):
    machine.begin().go(17 * HOUR)
    assert len(machine.runs) == 1
    machine.now -= 3 * HOUR  # 2:00 comes again
    machine.go(12 * HOUR)
    assert len(machine.runs) == 1
    machine.now -= 20 * HOUR
    machine.begin().go(10 * HOUR)
    assert len(machine.runs) == 1
    machine.go(DAY)
    assert len(machine.runs) == 2


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_clock_that_was_years_ahead_does_not_silence_the_schedule(machine, is_restarted):
    machine.begin()
    machine.now += 2000 * DAY
    machine.go(HOUR)
    assert len(machine.runs) == 1
    machine.now -= 2000 * DAY
    machine = machine.begin() if is_restarted else machine
    machine.go(2 * DAY)
    assert len(machine.runs) == 3


def test_a_run_that_fails_does_not_end_the_schedule(machine):
    machine.begin()
    machine.code, machine.words = 1, "error: endpoint x\n  received: nothing"
    machine.go(DAY)
    machine.code, machine.words = 0, ""
    machine.go(DAY)
    assert machine.rows("outcome, exit_code, message") == [
        ("failed", 1, "error: endpoint x\n  received: nothing"),
        ("ran", 0, ""),
    ]


def test_a_run_that_a_rule_of_its_recipe_ended_has_not_failed(machine):
    machine.code, machine.words = 1, "stopped: flywheel run\n  received: stop.hours = 8 are over"
    machine.begin().go(DAY)
    machine.code, machine.words = 1, "error: iteration 1\n  received: stopped: by nobody"
    machine.go(DAY)
    assert machine.rows("outcome, exit_code") == [("failed", 1), ("stopped", 1)]
    assert any("stopped by a rule of its recipe; the next fire goes on where it was" in s for s in machine.said)
    machine.begin()
    assert len(machine.runs) == 2, "it was not cut off"


def test_a_run_that_meets_another_process_is_skipped(machine):
    machine.code, machine.words = (
        2,
        f"error: project p\n  expected: {NOBODY_ELSE}\n  received: process 7 (flywheel run)",
    )
    machine.begin().go(DAY)
    ((outcome, message),) = machine.rows("outcome, message")
    assert (outcome, "process 7" in message) == ("skipped", True)


def test_a_run_that_cannot_be_started_is_on_record(machine):
    machine.code = OSError(12, "Cannot allocate memory")
    machine.begin().go(2 * DAY)
    assert machine.rows("outcome, exit_code") == [("failed", 127)] * 2


@pytest.mark.parametrize("without_file", [False, True])
def test_a_run_that_a_signal_ended_is_taken_up_at_the_next_start(project, store, without_file):
    machine = Machine(project, "1h")
    machine.takes = 3 * HOUR
    machine.begin().go(HOUR * 2.5)  # its second fire is skipped
    machine.schedule._on_signal(15, None)
    assert machine.runs[0].signals == [15]
    machine.go(timedelta(seconds=1))
    assert machine.rows("outcome, exit_code") == [("failed", 143), ("skipped", None)]
    if without_file:
        (project.state / "schedule.json").unlink()
    machine.takes = timedelta(minutes=1)
    machine.begin()
    assert len(machine.runs) == 2
    machine.go(timedelta(minutes=5))
    machine.begin()
    assert len(machine.runs) == 2, "once"
    assert ("ran", 1) in machine.rows()


def test_a_run_whose_end_no_schedule_saw_is_failed_and_taken_up(machine):
    machine.begin().go(16 * HOUR + timedelta(minutes=1))
    machine.now += HOUR  # a power cut, with the run still on
    machine.begin().go(HOUR)
    first, second = machine.rows("started_at, outcome, exit_code, message")
    assert first[1:3] == ("failed", None)
    assert "killed, or the machine went off" in first[3]
    assert second[1] == "ran"
    machine.begin(catch_up=True).go(HOUR)
    assert len(machine.runs) == 2


def test_a_signal_goes_on_to_the_run_and_the_schedule_waits_for_its_end(machine):
    machine.begin()
    machine.takes = 5 * HOUR
    started = machine.start

    def start():
        machine.schedule._on_signal(2, None)  # while the run is being started
        return started()

    machine.schedule._start = start
    assert machine.schedule.serve() == 2
    assert machine.runs[0].signals == [2]
    assert machine.rows("outcome, exit_code") == [("failed", 130)]


@contextmanager
def held(store_path):
    """Have another program hold the store's lock."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(store_path), "600"], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        yield
    finally:
        holder.kill()
        holder.communicate()


def test_a_schedule_knows_its_last_fire_when_the_store_is_locked_at_its_start(machine):
    machine.begin().go(DAY)
    with held(machine.project.store_path):
        machine.now += 2 * DAY
        machine.begin().go(HOUR, step=HOUR)
        assert len(machine.runs) == 2
    machine.go(timedelta(minutes=2))
    assert machine.rows() == [("missed", 1), ("ran", 2)]
    assert machine.log._store.query("SELECT count(*) FROM schedule_log WHERE outcome = 'begun'") == [(1,)]


def test_a_store_that_is_locked_stops_nothing(machine):
    machine.begin().go(HOUR)
    with held(machine.project.store_path):
        machine.go(DAY, step=HOUR)
        assert len(machine.runs) == 1
        machine.begin().go(HOUR, step=HOUR)
        assert len(machine.runs) == 1, "what was served is known without the store"
        machine.now += 2 * DAY
        machine.begin().go(HOUR, step=HOUR)
        assert len(machine.runs) == 2
    machine.go(timedelta(minutes=2))
    assert machine.rows() == [("missed", 1), ("ran", 2)]


def test_a_file_that_cannot_be_written_stops_nothing(machine, caplog):
    (machine.project.state / "schedule.json").mkdir(parents=True)
    machine.begin().go(2 * DAY)
    assert machine.rows() == [("ran", 2)]
    assert "cannot be written" in caplog.text


def test_a_store_that_is_not_there_yet_is_made(project):
    machine = Machine(project).begin().go(DAY)
    assert machine.rows() == [("ran", 1)]


def test_a_project_has_one_schedule(project):
    with (
        FireLog(project).owned("one"),
        pytest.raises(RunInProgressError, match="no other schedule"),
        FireLog(project).owned("two"),
    ):
        pass


# --- times ---------------------------------------------------------------------------------------------------------


def fires(text, start, n, zone="UTC"):
    times, found = CronTimes(parse_cron(text), ZoneInfo(zone), zone), [start.replace(tzinfo=UTC)]
    for _ in range(n):
        found.append(times.next_after(found[-1]))
    return [m.astimezone(ZoneInfo(zone)) for m in found[1:]]


@pytest.mark.parametrize("text", ["0 2 * * 0", "0 2 * * 7", "0 2 * * sun", "0 2 * * SUN"])
def test_zero_and_seven_are_sunday(text):
    assert {m.weekday() for m in fires(text, MONDAY, 60, "Europe/Berlin")} == {6}
    assert fires("0 2 * * 1", MONDAY, 1)[0].strftime("%a") == "Mon"


def test_a_day_of_the_month_or_a_weekday_is_enough():
    assert [m.day for m in fires("0 2 13 * 5", MONDAY, 5)] == [6, 13, 20, 27, 3]
    assert [m.day for m in fires("0 2 15 * fri-sun", MONDAY, 5)] == [6, 7, 8, 13, 14]


def test_a_night_in_which_the_clocks_change_has_one_fire():
    spring = fires("30 2 * * *", datetime(2026, 3, 28), 3, "Europe/Berlin")
    assert [m.astimezone(UTC).strftime("%d %H:%M") for m in spring] == ["28 01:30", "29 01:30", "30 00:30"]
    autumn = fires("30 2 * * *", datetime(2026, 10, 24), 3, "Europe/Berlin")
    assert [m.astimezone(UTC).strftime("%d %H:%M") for m in autumn] == ["24 00:30", "25 00:30", "26 01:30"]
    monday = fires("0 0 * * mon", datetime(2026, 3, 27), 1, "Europe/Berlin")
    assert monday[0].strftime("%d %H:%M") == "30 00:00"


def test_what_fires_every_hour_does_so_when_the_clocks_change():
    for start in (datetime(2026, 3, 28, 22), datetime(2026, 10, 24, 22)):
        found = [m.astimezone(UTC) for m in fires("0 * * * *", start, 6, "Europe/Berlin")]
        assert [b - a for a, b in pairwise(found)] == [HOUR] * 5


def write_field(draw, low, high):
    a, b = sorted(draw.sample(range(low, high + 1), 2))
    return draw.choice(["*", f"*/{draw.randint(1, high)}", str(a), f"{a}-{b}", f"{a},{b}"])


def matches(cron, local):
    """Say whether cron would fire at a local minute, field by field."""
    weekday = (local.weekday() + 1) % 7
    day, week = local.day in cron.days.values, weekday in cron.weekdays.values
    days = (day or week) if cron.days.text[0] != "*" and cron.weekdays.text[0] != "*" else (day and week)
    return (
        days
        and local.minute in cron.minutes.values
        and local.hour in cron.hours.values
        and local.month in cron.months.values
    )


CHANGES = {
    "UTC": ((3, 28), (10, 24)), "Asia/Kolkata": ((3, 28),), "Europe/Berlin": ((3, 28), (10, 24)),
    "America/New_York": ((3, 7), (10, 31)), "Australia/Lord_Howe": ((4, 4), (10, 3)), "Antarctica/Troll": ((3, 28), (10, 24)),
}  # fmt: skip
"""Days before the clocks change: by an hour, in Lord Howe by half of one, in Troll by two."""


@pytest.mark.parametrize("zone", list(CHANGES))
def test_fires_are_those_that_a_look_at_every_minute_finds(zone):
    """Apart from times that the clocks skip, which fire later."""
    draw, tz = random.Random(7), ZoneInfo(zone)
    for _ in range(20):
        fields = [write_field(draw, *r) for r in ((0, 59), (0, 23), (1, 28), (1, 12), (0, 6))]
        fields[3] = draw.choice(["*", "*", "3,4,10"])
        if "/" in fields[2] or "/" in fields[4]:
            fields[4 if "/" in fields[2] else 2] = "*"
        cron = parse_cron(" ".join(fields))
        for start in (datetime(2026, month, day) for month, day in CHANGES[zone]):
            minutes = [start.replace(tzinfo=UTC) + timedelta(minutes=k) for k in range(1, 3 * 1440)]
            seen = [
                m
                for m in minutes
                if matches(cron, local := m.astimezone(tz)) and (local.fold == 0 or cron.hours.is_any)
            ]
            times = CronTimes(cron, tz, zone)
            found, is_all = times.latest(start.replace(tzinfo=UTC), minutes[-1], 10_000)
            later = {m for m in found if not matches(cron, m.astimezone(tz))}
            assert is_all
            assert [m for m in found if m not in later] == seen, (fields, start)
            assert all(m.astimezone(tz).utcoffset() != (m - DAY).astimezone(tz).utcoffset() for m in later), (
                fields,
                later,
            )


def test_the_latest_fires_are_found_from_their_end():
    times = CronTimes(parse_cron("*/10 * * * *"), UTC, "UTC")
    everything, is_all = times.latest(MONDAY, MONDAY + 2 * DAY, 1000)
    assert (len(everything), is_all) == (288, True)
    assert times.latest(MONDAY, MONDAY + 2 * DAY, 100) == (everything[-100:], False)
    interval = parse_interval("10m")
    assert interval.latest(MONDAY, MONDAY + 2 * DAY, 1000) == (everything, True)
    assert interval.latest(MONDAY, MONDAY + 2 * DAY, 100) == (everything[-100:], False)
    assert interval.latest(MONDAY, MONDAY - HOUR, 100) == ([], True)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("0 2 * *", "4 of them"), ("", "received: ''"), ("@nightly", "@nightly"), ("60 2 * * *", "minute"), ("0 24 * * *", "hour"),
        ("0 2 0 * *", "day of month"), ("0 2 * 13 *", "month"), ("0 2 * jan/0 *", "month"), ("0 2 * * 8", "weekday"),
        ("0 2 * * mo", "weekday"), ("5-1 2 * * *", "minute"), ("*/0 * * * *", "minute"), ("0 2 30 2 *", "day 30"),
        ("0 2 */2 * 1", "do not agree"), ("0 2 ? * *", "day of month"), ("0 2 l * *", "day of month"), ("0 -1 * * *", "hour"),
        ("0 2, * * *", "hour"), ("0 ² * * *", "hour"),
    ],
)  # fmt: skip
def test_an_expression_that_is_none_is_explained(text, part):
    with pytest.raises(RecipeError) as caught:
        parse_cron(text)
    assert part in caught.value.render()
    assert caught.value.expected and caught.value.received and caught.value.cure


def test_steps_names_and_macros_are_read_as_cron_reads_them():
    assert parse_cron("5/15 * * * *").minutes.values == (5, 20, 35, 50)
    assert parse_cron("0 0 * jan-mar/2 *").months.values == (1, 3)
    assert parse_cron("0 0 * * fri-sun").weekdays.values == (0, 5, 6)
    assert parse_cron("0 0 * * sun-sun").weekdays.values == (0,)
    assert parse_cron("@daily") == parse_cron("0 0 * * *")


@pytest.mark.parametrize("text", ["", "6", "h", "0s", "-1h", "1.5h", "6h ago", "6 h", "367d", "9999999999s", "١h"])
def test_an_interval_that_is_none_is_explained(text):
    with pytest.raises(RecipeError, match="6h"):
        parse_interval(text)


def test_intervals_and_zones():
    assert [parse_interval(t).seconds for t in ("30s", "90m", "1d12h", "2W")] == [30, 5400, 129_600, 1_209_600]
    assert find_zone("Europe/Berlin")[1] == "Europe/Berlin"
    for wrong in ("Europe/Berln", "../etc/passwd", "/etc/localtime", ""):
        with pytest.raises(RecipeError, match="--timezone"):
            find_zone(wrong)
