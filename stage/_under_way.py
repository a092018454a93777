"""What a child process is at, read from its folder by others: the page and ``flywheel status``."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ._parent import ERROR, EVENTS, JOB, RESULT, Event

TAIL_BYTES = 1 << 16
"""The end of the events that is read: a long training has many, and the last ones say where it is."""


@dataclass(frozen=True)
class UnderWay:
    """A stage whose child has not ended: its job, its last events and since when (UTC, without a zone)."""

    job: dict[str, Any]
    events: list[Event]
    since: datetime


def find_under_way(work: Path, not_before: float) -> UnderWay | None:
    """Return the stage under ``work`` that was begun last and has no end; None where there is none.

    Args:
        work: the folder of stages' folders.
        not_before: seconds since the epoch; a folder of before that was left by a run that was killed.
    """
    begun = [(_when(job), job) for job in work.glob(f"*/{JOB}")]
    open_ones = [
        (at, job) for at, job in begun if at >= not_before and not any((job.parent / f).exists() for f in (RESULT, ERROR))
    ]  # fmt: skip
    for at, job in sorted(open_ones, reverse=True):
        try:
            told = json.loads(job.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # cleared, or being written, as it is read
            continue
        since = datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
        return UnderWay(told, _read_tail(job.parent / EVENTS), since)
    return None


def _when(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _read_tail(file: Path) -> list[Event]:
    try:
        with file.open("rb") as stream:
            at = max(0, stream.seek(0, 2) - TAIL_BYTES)
            stream.seek(at)
            lines = stream.read().split(b"\n")[1 if at else 0 : -1]  # the last one may be half written
        return [json.loads(line) for line in lines]
    except (OSError, ValueError):
        return []
