"""A flow whose inputs are brought to their outcomes by workers elsewhere: this one plans, gives, grants and folds.

Guarantees: the rows are those of one machine. An input is given to one worker; of one that is lost, what it had not
finished is given to others, with all that it was answered. A request is granted to one worker; whoever wants the same is
answered from the store. Budgets are counted here. When this process is killed its workers end with it, and what they
wrote is folded by the next: it plans and gives as ever, what is on record is not asked again.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import FlywheelError
from ..llm import Engine
from ..store import Store
from ._budget import Meter
from ._crew_state import CrewState, Rate, WorkerState, write_crew
from ._exchange import Crew, Given, Hand, HandLostError, Told
from ._flow import FOLD_EVERY_S, Flow, OnProgress
from ._generator import Item
from ._inputs import load_inputs
from ._known import KeySet, fetch_rows, number_of
from ._progress import Progress, Stop
from ._signals import StopSignals
from ._steps import Stage

log = logging.getLogger(__name__)

NO_ROOM_S = 30.0
"""After so long without any worker the user is told what they wait for."""
HIRE_AGAIN_S = 1.0
"""Between the loss of a worker and the next, so that a fault of all of them makes no storm."""
MOST_LOST = 20
"""Workers lost without any having told anything in between, beyond which the run ends."""


@dataclass(eq=False)
class _Worker:
    """A worker, and what it has of the head's.

    Attributes:
        leases: inputs that it was given, by step.
        held: requests that it would send and may not yet.
        answers: rows of requests that it waited for, which another worker was answered.
        n_granted: requests that it may send or has sent.
        told: what it told last; ``is_given``: it was given inputs since.
        share: most requests that it was told it may have in flight at an endpoint.
        taken: most that it can have in flight, since it has not heard of a lower share yet or waits for what is beyond it.
    """

    hand: Hand
    leases: dict[str, list[str]] = field(default_factory=dict)
    held: deque[str] = field(default_factory=deque)
    answers: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    n_granted: int = 0
    told: Told | None = None
    is_given: bool = False
    share: int = 0
    taken: int = 0
    rate: Rate = field(default_factory=Rate)

    @property
    def is_idle(self) -> bool:
        """Whether nothing of what it was given is left to do."""
        return not self.is_given and self.told is not None and self.told.open == 0

    def as_state(self, now: float) -> WorkerState:
        """Return what it is at."""
        told = self.told
        assert told is not None, "a worker has told something before it is one of the crew"
        answers, tokens = told.progress.requests, told.completion_tokens
        per_s, tokens_per_s = self.rate.add(now, answers, tokens)
        return WorkerState(
            self.hand.name,
            told.node,
            told.open,
            told.in_flight,
            self.share,
            told.limit,
            answers,
            per_s,
            tokens_per_s,
        )

    @property
    def n_in_flight(self) -> int:
        """Requests that it may have sent and was not answered, as far as is known."""
        return self.n_granted - (self.told.progress.requests if self.told else 0)


class HeadFlow(Flow):
    """Runs steps by a crew of workers; see :class:`Flow` for the rest.

    Args:
        crew: hires them.
        is_shared: ``concurrency`` is for all workers together, which ask the same endpoints; else for each.
    """

    def __init__(
        self, store: Store, engine: Engine, stages: Sequence[Stage], *, run_id: str, iteration: int, seed: int,
        concurrency: int, meter: Meter, crew: Crew, is_shared: bool = True,
        on_progress: OnProgress = lambda progress: None,
    ) -> None:  # fmt: skip
        super().__init__(
            store, engine, stages, run_id=run_id, iteration=iteration, seed=seed, concurrency=concurrency, meter=meter,
            on_progress=on_progress,
        )  # fmt: skip
        self._crew = crew
        self._is_shared = is_shared
        self._workers: set[_Worker] = set()
        self._backlog: deque[tuple[str, Item]] = deque()
        self._owners: dict[int, str] = {}
        self._waiting: dict[str, list[_Worker]] = {}
        self._told: dict[str, Told] = {}
        self._first = Progress()
        self._n_lost = self._all_lost = 0
        self._giving = asyncio.Lock()
        self._spent_before = (meter.requests, meter.prompt_tokens, meter.completion_tokens)

    async def run(self) -> Progress:
        """See :meth:`Flow.run`."""
        self._loop = asyncio.get_running_loop()
        self._first = Progress(dict(self.progress.planned), dict(self.progress.done))
        self._pages = {s.name: self._pages_of(s, self._done[s.name]) for s in self._stages}
        helpers = [self._loop.create_task(work) for work in (self._fold(), self._plan_on(), self._show_crew())]
        serving = [
            self._loop.create_task(self._serve())
            for _ in range(min(self._crew.size, self._concurrency) if self._is_shared else self._crew.size)
        ]
        try:
            with StopSignals(self):
                await self._wait_for_end(serving)
        finally:
            for planning in self._plannings.values():
                planning.stop()
            for task in (*helpers, *serving):
                task.cancel()
            await asyncio.gather(*helpers, *serving, return_exceptions=True)
        await asyncio.to_thread(self._store.forget_workers)
        if self._error is not None:
            raise self._error
        return self.progress

    async def _wait_for_end(self, serving: Sequence[asyncio.Task[None]]) -> None:
        """Wait until all is done and each worker that has begun has ended; those that never began are let go."""
        left = set(serving)
        while left:
            done, left = await asyncio.wait(left, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if (error := task.exception()) is not None:
                    self._fail(error)
            if self._is_over and not self._workers:
                return

    async def _serve(self) -> None:
        """Keep one worker at work, and hire another where it is lost."""
        while not self._is_over:
            hand = self._crew.hire()
            worker = _Worker(hand)
            try:
                await self._lead(worker)
                return
            except HandLostError as lost:
                self._all_lost += 1
                self._n_lost = self._n_lost + 1 if worker.told is None else 0
                log.warning("worker %s is lost (%s); what it had not finished goes to others", hand.name, lost)
                if self._n_lost >= MOST_LOST:
                    raise FlywheelError(
                        "executor: ray", expected="workers that start", received=f"{MOST_LOST} in a row that were lost: {lost}",
                        cure="see the logs of Ray on the node; flywheel and the project's folder have to be there",
                    ) from None  # fmt: skip
                await self._take_back(worker)
                self._workers.discard(worker)
                await asyncio.sleep(HIRE_AGAIN_S)

    async def _lead(self, worker: _Worker) -> None:
        """Exchange with a worker until it has ended."""
        given = Given()
        while True:
            told = await worker.hand.exchange(given)
            self._workers.add(worker)
            worker.told, worker.is_given = told, False
            worker.taken = max(worker.share, told.in_flight)
            self._told[worker.hand.name] = told
            self._sum_up()
            worker.held.extend(told.asked)
            if told.is_finished:
                self._workers.discard(worker)
                if told.error is not None:
                    self._fail(told.error)
                return
            given = replace(await self._answer(worker, told), share=self._share_out(worker))

    async def _answer(self, worker: _Worker, told: Told) -> Given:
        if self._error is not None:
            return Given(stop=Stop("the run ends"))
        if (stopped := self.progress.stopped) is not None:
            return Given(stop=stopped)
        granted, known = self._grant(worker)
        items = await self._take_items(worker, told.room) if told.room else []
        replies = await asyncio.to_thread(fetch_rows, self._store, known) if known else {}
        for key in known:
            if key not in replies:  # what seemed known was another id
                self._own(key, worker)
                granted.append(key)
        replies |= worker.answers
        worker.answers = {}
        return Given(items, granted, replies, is_over=self._is_over)

    def _share_out(self, worker: _Worker) -> int:
        """Return how much of the concurrency a worker may use: an even share among those with something to do, as far as others have left it."""
        if not self._is_shared:
            return self._concurrency
        busy = sorted((w for w in self._workers if not w.is_idle), key=lambda w: w.hand.name)
        even = 1
        if worker in busy:
            each, over = divmod(max(0, self._concurrency - (len(self._workers) - len(busy))), len(busy))
            even = each + (busy.index(worker) < over)
        taken = sum(w.taken for w in self._workers if w is not worker)
        worker.share = max(0, min(even, self._concurrency - taken))
        worker.taken = max(worker.taken, worker.share)
        return worker.share

    @property
    def _is_over(self) -> bool:
        """Whether no input will be given any more, come what may."""
        if self._error is not None or self._is_stopping:
            return True
        return (
            not (self._pages or self._backlog)
            and all(w.is_idle and not w.held for w in self._workers)
            and not self._waiting
        )

    # --- inputs ------------------------------------------------------------------------------------------------

    async def _take_items(self, worker: _Worker, n: int) -> list[tuple[str, Item]]:
        """Return the next inputs: those of steps that are furthest on first, and put down whose they are."""
        async with self._giving:
            while len(self._backlog) < n and (stage := self._next_stage()) is not None:
                items = await asyncio.to_thread(self._next_page, stage)
                if items is None:
                    del self._pages[stage.name]
                else:
                    self._backlog.extend((stage.name, item) for item in items)
            taken = [self._backlog.popleft() for _ in range(min(n, len(self._backlog)))]
        for step, item in taken:
            worker.leases.setdefault(step, []).append(item.input_id)
        worker.is_given = bool(taken)
        return taken

    def _next_stage(self) -> Stage | None:
        for _, stages in self._levels:
            for stage in stages:
                if stage.name in self._pages:
                    return stage
        return None

    async def _take_back(self, worker: _Worker) -> None:
        """Put what a lost worker had not finished back: its inputs without outcome, and samples that no step went on with.

        What it may have sent and was not answered counts as spent.
        """
        await asyncio.to_thread(self._store.fold)
        requests, prompt_tokens, completion_tokens = self._spent_before
        self._spent_before = (requests + worker.n_in_flight, prompt_tokens, completion_tokens)
        worker.n_granted = worker.told.progress.requests if worker.told else 0
        lost = worker.hand.name
        self._owners = {number: name for number, name in self._owners.items() if name != lost}
        self._known = await asyncio.to_thread(KeySet, self._store, "SELECT request_id FROM requests")
        for key, waiting in list(self._waiting.items()):
            self._waiting[key] = [w for w in waiting if w is not worker]
            if number_of(key) not in self._owners:
                for one in self._waiting.pop(key):
                    one.held.append(key)
        told = worker.told.progress if worker.told else Progress()
        opened = await asyncio.to_thread(self._find_open, worker.leases, told)
        self._sum_up()
        self._backlog.extendleft(opened)

    def _find_open(self, leases: Mapping[str, Sequence[str]], told: Progress) -> list[tuple[str, Item]]:
        """Return the inputs of leases that have no outcome, and those of the steps that follow; of what was told as done no more than is on record stays."""
        opened: list[tuple[str, Item]] = []
        due = {name: list(ids) for name, ids in leases.items()}
        for stage in sorted(self._stages, key=lambda s: s.depth):
            ids = due.get(stage.name, [])
            n_made = len({*ids} - {*leases.get(stage.name, ())})
            told.planned[stage.name] = min(told.planned.get(stage.name, 0), n_made)
            items, done = load_inputs(self._store, stage, self._step(stage), ids) if ids else ([], [])
            told.done[stage.name] = min(told.done.get(stage.name, 0), len(done))
            if not ids:
                continue
            opened += [(stage.name, item) for item in items]
            for follower in stage.followers:
                made = self._store.query(
                    "SELECT sample_id FROM samples WHERE run_id = ? AND iteration = ? AND step = ? AND input_id IN (SELECT unnest(?::VARCHAR[])) "
                    "AND sample_id NOT IN (SELECT sample_id FROM worse_samples)",
                    [self._run_id, self._iteration, stage.name, done],
                )
                due[follower.name] = sorted({*due.get(follower.name, []), *(str(i) for (i,) in made)})
        return opened

    # --- requests ----------------------------------------------------------------------------------------------

    def _grant(self, worker: _Worker) -> tuple[list[str], list[str]]:
        """Return of the requests that a worker would send those that it may, and those that are on record."""
        granted: list[str] = []
        known: list[str] = []
        held, worker.held = worker.held, deque()
        while held:
            key = held.popleft()
            number = number_of(key)
            if number in self._owners:
                self._waiting.setdefault(key, []).append(worker)
            elif key in self._known:
                known.append(key)
            elif self._may_send():
                self._own(key, worker)
                granted.append(key)
            else:
                worker.held.append(key)
        return granted, known

    def _own(self, key: str, worker: _Worker) -> None:
        self._owners[number_of(key)] = worker.hand.name
        worker.n_granted += 1

    def _may_send(self) -> bool:
        """Say whether the budget has room for one more; where it has none and nothing is in flight, the run stops."""
        in_flight = sum(w.n_in_flight for w in self._workers)
        if reason := self._meter.spent(in_flight):
            if not in_flight:
                self.stop(Stop(reason))
            return False
        limits = self._meter.limits
        return not (self._meter.is_new and in_flight and (limits.tokens or limits.usd))

    async def _fold(self) -> None:
        """Fold what workers wrote, and answer those that wait for what others asked."""
        while True:
            await asyncio.sleep(FOLD_EVERY_S)
            try:
                await asyncio.to_thread(self._store.fold, 0.0)
                rows = await asyncio.to_thread(fetch_rows, self._store, list(self._waiting)) if self._waiting else {}
            except FlywheelError as error:
                self._fail(error)
                return
            for key, row in rows.items():
                for worker in self._waiting.pop(key, ()):
                    worker.answers[key] = row

    # --- what is seen -------------------------------------------------------------------------------------------

    async def _show_crew(self) -> None:
        """Write down what each worker is at, for ``flywheel status``; that it cannot be written costs nothing else."""
        began, is_told = time.monotonic(), False
        while True:
            if not (is_told or self._workers or self._is_over) and time.monotonic() - began > NO_ROOM_S:
                is_told = True
                log.warning(
                    "no worker has begun within %.0f s: each wants %s; the nodes that are there have %s", NO_ROOM_S, self._crew.wants,
                    ", ".join(f"{n.cpus:g} CPUs" for n in self._crew.nodes() if n.is_alive) or "none",
                )  # fmt: skip
            try:
                await asyncio.to_thread(self._write_crew, list(self._workers))
            except OSError as error:
                log.debug("the state of the crew: %s", error)
            await asyncio.sleep(FOLD_EVERY_S)

    def _write_crew(self, workers: Sequence[_Worker]) -> None:
        now = time.time()
        states = [w.as_state(now) for w in workers]
        begun = sum(s.open for s in states)
        planned, done = sum(self.progress.planned.values()), sum(self.progress.done.values())
        backlog = max(0, planned - done - begun)
        write_crew(self._store.project.workers, CrewState(now, self._crew.nodes(), states, backlog, self._all_lost))

    # --- what is done ------------------------------------------------------------------------------------------

    def _sum_up(self) -> None:
        """Add up what all workers told, the lost ones too."""
        mine, told = self.progress, list(self._told.values())
        for name in self._first.planned:
            mine.done[name] = self._first.done.get(name, 0) + sum(t.progress.done.get(name, 0) for t in told)
            if name not in self._plannings:
                mine.planned[name] = self._first.planned[name] + sum(t.progress.planned.get(name, 0) for t in told)
        for name in ("samples", "drops", "requests", "reused", "completion_tokens"):
            setattr(mine, name, sum(getattr(t.progress, name) for t in told))
        self._meter.is_new = self._meter.is_new and not mine.requests
        spent = (
            sum(t.attempts for t in told),
            sum(t.prompt_tokens for t in told),
            sum(t.completion_tokens for t in told),
        )
        self._meter.requests, self._meter.prompt_tokens, self._meter.completion_tokens = (
            before + now for before, now in zip(self._spent_before, spent, strict=True)
        )
        self._on_progress(mine)

    def _fail(self, error: BaseException | None) -> None:
        self._error = self._error or error
