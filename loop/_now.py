"""What the program that owns a project is at: which stage, how far, since when; for those who only look.

A training or an evaluation writes no row before its end; its child process says in a file where it is. What else a turn does is known by
its rows.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..gen import CrewState, find_crew
from ..stage import UnderWay, find_under_way
from ..store import Project, find_owner


@dataclass(frozen=True)
class Now:
    """A stage that is on.

    Attributes:
        what: ``train sft``, ``eval``.
        subject: checkpoint that is evaluated; None of a training.
        done, total: in ``unit``; None as long as that is not known: the model is being loaded.
        note: what a trainer logged last, as ``loss 0.41``.
        since: in UTC.
    """

    what: str
    subject: str | None
    done: int | None
    total: int | None
    unit: str
    note: str
    since: datetime


def find_now(project: Project) -> Now | None:
    """Return the training or evaluation that is on; None where no process owns the project, or it does something else."""
    if find_owner(project.run_lock) is None:
        return None
    found = find_under_way(project.work, project.run_lock.stat().st_mtime)
    if found is None:
        return None
    if "method" in found.job:
        return _training(found)
    return _evaluation(found) if "splits" in found.job else None


def find_working_crew(project: Project) -> CrewState | None:
    """Return what the workers of a project on a cluster are at; None where no process owns the project, or it works alone."""
    return None if find_owner(project.run_lock) is None else find_crew(project)


def _training(found: UnderWay) -> Now:
    steps = [e for e in found.events if e.get("event") == "step"]
    done, total = (steps[-1]["step"], steps[-1]["total"]) if steps else (None, None)
    losses = [e["loss"] for e in found.events if e.get("event") == "log" and isinstance(e.get("loss"), int | float)]
    note = f"loss {losses[-1]:.4f}" if losses else ""
    return Now(f"train {found.job['method']}", None, done, total, "steps", note, found.since)


def _evaluation(found: UnderWay) -> Now:
    done = {e["what"]: e["done"] for e in found.events if e.get("event") == "progress"}
    total = sum(part["n"] for split in found.job["splits"] for part in split["parts"])
    model: dict[str, Any] = found.job.get("model") or {}
    subject = model.get("checkpoint_id") or model.get("name")
    return Now("eval", subject, sum(done.values()) if done else None, total, "items", "", found.since)


def describe_now(now: Now) -> str:
    """Return it in one line: ``train sft: 12 of 40 steps, loss 0.4123, since 12:03 UTC``."""
    subject = f" of {now.subject}" if now.subject else ""
    far = "loading" if now.done is None else f"{now.done:,} of {now.total:,} {now.unit}"
    note = f", {now.note}" if now.note else ""
    return f"{now.what}{subject}: {far}{note}, since {now.since:%H:%M} UTC"
