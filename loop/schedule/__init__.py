"""The schedule: at which times the wheel turns, what became of each, and units for other schedulers."""

from ._emit import UNITS, RunCommand, Unit, to_cron, write_unit
from ._log import Fire, FireLog
from ._run import ChildRun
from ._serve import Scheduler
from ._times import CronTimes, IntervalTimes, Times, find_zone, parse_cron, parse_interval

__all__ = [
    "UNITS",
    "ChildRun",
    "CronTimes",
    "Fire",
    "FireLog",
    "IntervalTimes",
    "RunCommand",
    "Scheduler",
    "Times",
    "Unit",
    "find_zone",
    "parse_cron",
    "parse_interval",
    "to_cron",
    "write_unit",
]
