"""What a head and its workers tell each other: see :mod:`._head` and :mod:`._worker`. All of it can be pickled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..errors import FlywheelError
from ._crew_state import Node
from ._generator import Item
from ._progress import Progress, Stop


@dataclass(frozen=True)
class Given:
    """What the head tells a worker.

    Attributes:
        items: inputs to bring to their outcome, each with its step.
        granted: ids of requests that may be sent; nobody else sends them.
        replies: of requests that are on record: the store's row of each, by id.
        is_over: no input will come any more.
        stop: send nothing more, and why.
        share: most requests that it may have in flight at each endpoint, 0 for a while; None: as before.
    """

    items: Sequence[tuple[str, Item]] = ()
    granted: Sequence[str] = ()
    replies: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    is_over: bool = False
    stop: Stop | None = None
    share: int | None = None


@dataclass(frozen=True)
class Told:
    """What a worker tells the head.

    Attributes:
        room: inputs that it could begin.
        open: inputs that it has begun or was given, and has not brought to their outcome.
        asked: ids of requests that it would like to send, in their order.
        progress: all that it has done so far.
        node: where it runs.
        in_flight: requests, at the endpoint that has most of them.
        limit: requests at once that it found its endpoints to take, in all.
        attempts: tries of requests that were answered or failed for good, prompt_tokens, completion_tokens: so far.
        is_finished: it has ended, all that it did is in its journal.
        error: what it ended by.
    """

    room: int
    open: int
    asked: Sequence[str]
    progress: Progress
    attempts: int
    prompt_tokens: int
    completion_tokens: int
    node: str
    in_flight: int
    limit: int
    is_finished: bool = False
    error: FlywheelError | None = None


class Hand(Protocol):
    """A worker as the head sees it. ``name`` is that of its journal's folder."""

    name: str

    async def exchange(self, given: Given) -> Told:
        """Tell it, and return what it tells.

        Raises:
            HandLostError: it is gone: its process was killed, or the machine.
        """
        ...


class HandLostError(Exception):
    """A worker is gone."""


class Crew(Protocol):
    """Hires workers, wherever they are.

    Attributes:
        size: how many.
        wants: what room each takes, in words.
    """

    size: int
    wants: str

    def hire(self) -> Hand:
        """Return a worker; where there is no room for it yet, its first exchange takes as long as that lasts."""
        ...

    def nodes(self) -> Sequence[Node]:
        """Return the machines that there are."""
        ...
