"""A worker of a head: the same flow, given its inputs instead of reading them, with a journal of its own.

It sends no request that the head has not granted: equal requests of several workers are sent once, a budget is one for
all. Whatever it was answered is in its journal before it is used, as ever: of a worker that is killed only what was in
flight is asked again.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import cast

from ..config import BudgetConfig, PricesConfig
from ..errors import FlywheelError
from ..llm import OpenAIEngine, Request, VllmEngine
from ..schema import JournaledRow
from ..store import Bucket, JournalWriter, Store, list_segments
from ._budget import Meter
from ._exchange import Given, Told
from ._flow import LOW_WATER, Flow
from ._known import KeySet, read_reply
from ._progress import Progress
from ._steps import Stage

PAUSE_S = 0.1
"""How long a worker that has nothing to tell waits before it says so."""
PUT_EVERY_S = 0.5
"""Between two puts of a worker's new rows into a bucket."""
GIVEN = "given"


class OwnJournal:
    """A worker's record: a folder of journal segments that nobody else writes to; the head folds them.

    Args:
        folder: the segments'; it has the worker's name.
        bucket: where the head looks for finished segments; None: in the folder.
    """

    def __init__(self, folder: Path, bucket: Bucket | None = None) -> None:
        self._folder = folder
        self._bucket = bucket
        self._writer = JournalWriter(folder, tag=folder.name)
        self._writing, self._putting = threading.Lock(), threading.Lock()

    def journal(self, *groups: Sequence[JournaledRow]) -> None:
        """Put each group of rows on record, whole or not at all."""
        with self._writing:
            self._writer.append(*groups)

    def fold(self, patience_s: float | None = None) -> None:
        """Put what is new into the bucket, if there is one, oldest first; the rest is the head's.

        Raises:
            StoreError: it cannot be put; it stays in the folder.
        """
        if self._bucket is None:
            return
        with self._putting:
            with self._writing:
                self._writer.close()
                finished = list_segments(self._folder)
            for segment in finished:
                self._bucket.put(segment)
                segment.unlink()

    def close(self) -> None:
        """Flush to disk, or put the rest into the bucket.

        Raises:
            StoreError: it cannot be put; it stays in the folder.
        """
        with self._writing:
            self._writer.close()
        self.fold()


class _Any:
    """The set of requests to ask the head about: all."""

    def __contains__(self, key: object) -> bool:
        return True

    def add(self, key: str) -> None:
        """It is in."""


class WorkerFlow(Flow):
    """Brings the inputs that it is given to their outcomes.

    Args:
        journal: a folder of its own, which the head can read where there is no bucket.
        engine: connected.
        node: where it runs.
        bucket: where its rows are put for the head.
    """

    _fold_every_s = PUT_EVERY_S

    def __init__(
        self, journal: Path, engine: OpenAIEngine | VllmEngine, stages: Sequence[Stage], *, run_id: str, iteration: int, seed: int,
        concurrency: int, node: str = "", bucket: Bucket | None = None,
    ) -> None:  # fmt: skip
        record = OwnJournal(journal, bucket)
        super().__init__(
            cast(Store, record), engine, stages, run_id=run_id, iteration=iteration, seed=seed,
            concurrency=concurrency, meter=Meter(BudgetConfig(), PricesConfig()),
        )  # fmt: skip
        self._own = record
        self._node = node
        self._asked_of = engine
        self._plannings = {}
        self._done = {}
        self._only = None
        self._known = cast(KeySet, _Any())
        self._step_called = {stage.name: stage for stage in self._stages}
        self._concurrency = concurrency
        self._held: dict[str, tuple[int, Request]] = {}
        self._asking: deque[str] = deque()
        self._news = asyncio.Event()
        self._flow: asyncio.Task[Progress] | None = None
        self._told_room = 0

    async def exchange(self, given: Given) -> Told:
        """Take in what the head says, and tell it what has come up; at once where something has."""
        if self._flow is None:
            self._pages = {GIVEN: iter(())}
            self._flow = asyncio.get_running_loop().create_task(self._run_all())
            await asyncio.sleep(0)
        self._take_in(given)
        await asyncio.sleep(0)
        if not self._has_news():
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), PAUSE_S)
        return self._tell()

    async def _run_all(self) -> Progress:
        try:
            return await self.run()
        finally:
            try:
                await asyncio.to_thread(self._own.close)
            finally:
                self._news.set()

    async def _run_freely(self) -> None:
        async for replies in self._engine.stream(self, ()):
            self._on_replies(replies)
            if self._room > self._told_room:
                self._news.set()
        await self._settle()
        if self._error is not None:
            raise self._error

    def _find_unfed(self) -> None:
        """Inputs are given, not looked for."""

    async def _plan_on(self) -> None:
        """The head plans."""

    async def _look_up(self, wanted: dict[str, tuple[int, Request]]) -> None:
        """Ask the head whether they may be sent."""
        self._held |= wanted
        self._asking.extend(wanted)
        self._news.set()

    def _take_in(self, given: Given) -> None:
        if given.share is not None:
            self._concurrency = given.share * self._asked_of.n_endpoints
            self._asked_of.allow(given.share)
        if given.stop is not None:
            self.stop(given.stop)
        for key in given.granted:
            depth, request = self._held.pop(key)
            self._ready[depth].append(request)
            self._n_ready += 1
        for key, row in given.replies.items():
            _, request = self._held.pop(key)
            self.progress.reused += 1
            self._resolve(key, read_reply(request, row))
        for step, item in given.items:
            self._queues[step].append(item)
        if given.is_over:
            self._pages.pop(GIVEN, None)
        self._wake(max(LOW_WATER, len(given.granted) + len(given.items)))
        if self.is_finished:
            self._wake(0)

    def _has_news(self) -> bool:
        return bool(self._asking) or self._room > self._told_room or (self._flow is not None and self._flow.done())

    @property
    def _n_open(self) -> int:
        return len(self._tasks) + sum(map(len, self._queues.values())) + len(self._groups)

    @property
    def _room(self) -> int:
        """Inputs that it could begin: for as many as it found that it can ask at once, and a few to go on with."""
        if GIVEN not in self._pages or self._is_stopping:
            return 0
        at_once = min(self._concurrency, sum(self._asked_of.limits.values()) or self._concurrency)
        most_open = at_once + max(8, at_once // 4)
        room = most_open - self._n_open
        return max(0, room) if room >= max(1, most_open // 8) or not self._n_open else 0

    def _tell(self) -> Told:
        flow, asked = self._flow, list(self._asking)
        self._asking.clear()
        error = flow.exception() if flow is not None and flow.done() and not flow.cancelled() else None
        if error is not None and not isinstance(error, FlywheelError):
            raise error
        m, self._told_room = self._meter, self._room
        return Told(
            self._told_room, self._n_open, asked, deepcopy(self.progress), m.requests, m.prompt_tokens, m.completion_tokens,
            self._node, self._asked_of.in_flight, sum(self._asked_of.limits.values()), is_finished=flow is not None and flow.done(), error=error,
        )  # fmt: skip
