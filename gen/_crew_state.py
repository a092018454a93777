"""What a crew of workers is at, for those who look on: a file beside their journals that the head writes anew every few seconds."""

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..stage import write_json
from ..store import Project

NAME = "crew.json"
RATE_OVER = 6
"""Writings over which a rate is taken."""


@dataclass(frozen=True)
class Node:
    """A machine of the cluster. ``cpus``: that Ray may give away there."""

    name: str
    cpus: float
    is_alive: bool


@dataclass(frozen=True)
class WorkerState:
    """A worker.

    Attributes:
        node: where it runs.
        open: inputs that it has and has not brought to their outcome.
        in_flight: requests, at the endpoint that has most of them.
        share: most that it may have in flight there; ``limit``: what it found its endpoints to take, in all.
        answers: so far; ``per_s``, ``tokens_per_s``: lately.
    """

    name: str
    node: str
    open: int
    in_flight: int
    share: int
    limit: int
    answers: int
    per_s: float
    tokens_per_s: float


@dataclass(frozen=True)
class CrewState:
    """A crew.

    Attributes:
        at: seconds since 1970.
        backlog: inputs that are planned, have no outcome and are with no worker.
        lost: workers that were lost so far.
    """

    at: float
    nodes: Sequence[Node]
    workers: Sequence[WorkerState]
    backlog: int
    lost: int


class Rate:
    """How fast counts grow, over their last few readings."""

    def __init__(self) -> None:
        self._read: deque[tuple[float, int, int]] = deque(maxlen=RATE_OVER)

    def add(self, now: float, answers: int, tokens: int) -> tuple[float, float]:
        """Add a reading; return answers and tokens a second."""
        self._read.append((now, answers, tokens))
        began, first, first_tokens = self._read[0]
        if now <= began:
            return 0.0, 0.0
        return (answers - first) / (now - began), (tokens - first_tokens) / (now - began)


def write_crew(folder: Path, state: CrewState) -> None:
    """Replace the file in one step, so that a reader never sees half of it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / NAME, asdict(state))


def find_crew(project: Project) -> CrewState | None:
    """Return what the crew of a project was at when its head last said so; None where it has none."""
    try:
        told = json.loads((project.workers / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    nodes = [Node(**n) for n in told.pop("nodes")]
    workers = [WorkerState(**w) for w in told.pop("workers")]
    return CrewState(nodes=nodes, workers=workers, **told)
