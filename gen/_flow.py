"""The flow: items stream through all steps with no barrier, each answer on record before it is used.

Guarantees: rows that are further on go first, so that what is open stays a small multiple of the concurrency at any
size of the job; an item's samples, its drops and the plan of what follows are one group in the journal, so that an item
is done whole or not at all; an answered request is never sent again. An engine that decodes in batches goes step by step
over fixed windows instead: its batches are then the same after an interruption as without one.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Container, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby, islice
from typing import Any, Protocol, TypeVar

from ..errors import FlywheelError, RecipeError
from ..llm import Engine, Reply, Request
from ..schema import JournaledRow
from ..store import Store
from ._ask import StageAsk
from ._budget import Meter
from ._generator import AskError, Fault, Item, Made
from ._inputs import find_done, find_unfit, read_inputs
from ._known import KeySet, fetch_replies
from ._outcome import Outcomes, sort_outcome
from ._plan import Step
from ._planning import Planning, count_planned, read_plan
from ._progress import Progress, Stop
from ._requests import request_row, save_template
from ._retry import retire_failures
from ._signals import StopSignals
from ._steps import Stage

log = logging.getLogger(__name__)

LOW_WATER = 64
"""Ready questions below which more items are begun."""
OPEN_ITEMS = 4
"""Items begun and not done, as a multiple of the concurrency."""
FOLD_EVERY_S = 2.0
FAILED_IN_A_ROW = 20
"""Inputs of a step that a generator may fail on, one after the other and before it made anything, until the run stops."""
QUIET_TURNS = 8
"""Turns of the event loop without a new question, after which all items are taken to wait for answers."""

T = TypeVar("T")
OnProgress = Callable[[Progress], None]


class Record(Protocol):
    """Where a flow puts what is not to be lost: the store, or a worker's own journal."""

    def journal(self, *groups: Sequence[JournaledRow]) -> None:
        """See :meth:`flywheel.store.Store.journal`."""
        ...

    def fold(self, patience_s: float | None = None) -> None:
        """See :meth:`flywheel.store.Store.fold`."""
        ...


class Flow:
    """Runs steps: those of ``generate``, or one of the wheel's own.

    Args:
        engine: connected.
        stages: from :func:`make_stages` and :func:`make_draw_stage`.
        seed: the recipe's.
        concurrency: most requests in flight.
        on_progress: called after each group of replies.
    """

    _fold_every_s = FOLD_EVERY_S

    def __init__(
        self, store: Store, engine: Engine, stages: Sequence[Stage], *, run_id: str, iteration: int, seed: int,
        concurrency: int, meter: Meter, on_progress: OnProgress = lambda progress: None,
    ) -> None:  # fmt: skip
        self._store = store
        self._on_record: Record = store
        self._engine = engine
        self._stages = list(stages)
        self._run_id = run_id
        self._iteration = iteration
        self._seed = seed
        self._concurrency = concurrency
        self._meter = meter
        self._on_progress = on_progress
        self._outcomes = Outcomes(run_id, iteration, engine.identity.engine)
        self.progress = Progress()
        self._ready: list[deque[Request]] = [deque() for _ in range(1 + max(s.depth for s in stages))]
        self._n_ready = 0
        self._n_sent = 0
        self._asked: dict[str, list[asyncio.Future[Reply]]] = {}
        self._lookups: dict[str, tuple[int, Request]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._groups: list[list[JournaledRow]] = []
        self._after_flush: list[Callable[[], None]] = []
        self._queues: dict[str, deque[Item]] = {s.name: deque() for s in stages}
        by_depth = groupby(sorted(stages, key=lambda s: -s.depth), key=lambda s: s.depth)
        self._levels = [(depth, list(level)) for depth, level in by_depth]  # the furthest on first
        self._wake: Callable[[int], None] = lambda n: None
        self._unproved = dict.fromkeys((s.name for s in stages), 0)  # crashes in steps that have made nothing yet
        self._error: BaseException | None = None
        self._pages: dict[str, Iterator[list[Item]]] = {}
        self._is_flushing = False
        self._loading: asyncio.Task[None] | None = None

    def plan(
        self, only: Mapping[str, Sequence[str]] | None = None, *, is_whole: bool = False, sample: int | None = None
    ) -> None:  # fmt: skip
        """Fix the first inputs of the steps over the store's rows and their templates, and see what is done.

        Args:
            only: inputs by step: nothing else is done, but what follows from them is.
            is_whole: fix all inputs now, as for an engine that decodes in batches; else the rest while :meth:`run` runs.
            sample: so many open inputs of each first step, and nothing else but what follows from them; instead of ``only``.

        Raises:
            RecipeError: a step's ``where`` is no condition.
        """
        self._done: dict[str, KeySet] = {}
        self._plannings: dict[str, Planning] = {}
        for stage in self._stages:
            step = self._step(stage)
            if stage.is_root and not stage.counts_draws:
                planning = self._plannings[stage.name] = Planning(self._store, stage, step)
                planning.begin()
                while (is_whole or self._engine.is_batched) and planning.advance():
                    pass
                self.progress.planned[stage.name] = planning.n
            else:
                self.progress.planned[stage.name] = count_planned(self._store, step)
            self._done[stage.name] = find_done(self._store, step)
            self.progress.done[stage.name] = len(self._done[stage.name])
        if sample is not None:
            only = {s.name: self._first_open(s, sample) for s in self._stages if s.is_root}
            for planning in self._plannings.values():
                planning.stop()
        self._only = None if only is None else {name: set(ids) for name, ids in only.items()}
        if not all(stage.scope for stage in self._stages):
            retire_failures(self._store, self._run_id)
        self._known = KeySet(self._store, "SELECT request_id FROM requests")
        for stage in self._stages:
            for name in stage.generator.templates:
                save_template(self._store, stage.template(name))

    def _first_open(self, stage: Stage, n: int) -> list[str]:
        """Return the first inputs in a step's plan that have no outcome."""
        done = self._done[stage.name]
        planned = (key for page in read_plan(self._store, self._step(stage)) for _, key in page)
        return list(islice((key for key in planned if key not in done), n))

    async def run(self) -> Progress:
        """Bring every planned input to its outcome, or stop cleanly: at a budget, or when asked to.

        Raises:
            EndpointError: the endpoint is gone; everything answered is on record.
        """
        self._loop = asyncio.get_running_loop()
        helpers = [self._loop.create_task(self._fold()), self._loop.create_task(self._plan_on())]
        try:
            with StopSignals(self):
                if self._engine.is_batched:
                    await self._run_by_step()
                else:
                    await self._run_freely()
        finally:
            for planning in self._plannings.values():
                planning.stop()
            for task in (*helpers, *self._tasks):
                task.cancel()
            await asyncio.gather(*helpers, *self._tasks, return_exceptions=True)
            self._flush()
        await asyncio.to_thread(self._on_record.fold)
        return self.progress

    def stop(self, why: Stop) -> None:
        """Send nothing more; what is in flight is waited for and kept."""
        if not self._is_stopping or why.signal is not None:
            self.progress.stopped = why
            self._wake(0)

    # --- the two ways of asking --------------------------------------------------------------------------------

    async def _run_freely(self) -> None:
        self._pages = {s.name: self._pages_of(s, self._done[s.name]) for s in self._stages}
        while (stage := self._find_unfed()) is not None:
            await self._load(stage)
        async for replies in self._engine.stream(self, ()):
            self._on_replies(replies)
            self._on_progress(self.progress)
        await self._settle()
        if self._error is not None:
            raise self._error

    async def _run_by_step(self) -> None:
        for stage in self._stages:
            done = self._done[stage.name]
            for page in self._pages_of(stage, frozenset()):
                if self._is_stopping:
                    return
                if self._error is not None:
                    raise self._error
                if all(item.input_id in done for item in page):
                    continue
                await self._run_window(stage, page, done)
            self._flush()
            await asyncio.to_thread(self._store.fold)

    async def _run_window(self, stage: Stage, items: Sequence[Item], done: KeySet) -> None:
        """Ask round after round until each item of the window has its outcome.

        Items that are done take part without being recorded again: the batches must not depend on them.
        """
        for item in items:
            self._begin(stage, item, is_recorded=item.input_id not in done)
        while self._tasks:
            await self._settle()
            asked = [q.popleft() for q in self._ready for _ in range(len(q))]
            self._n_ready = 0
            if not asked:
                continue
            asked.sort(key=lambda r: r.request_id)
            answered = {r.request_id for r in asked if r.request_id in self._known}
            async for replies in self._engine.stream(asked, answered):
                self._on_replies(replies)
                self._on_progress(self.progress)
                if self._is_stopping:
                    await self._settle()
                    return
            await self._look_up({r.request_id: (0, r) for r in asked if r.request_id in answered})
            if self._error is not None:
                raise self._error

    async def _settle(self) -> None:
        """Wait until every task is done or waits for an answer: until nothing new has come up for some turns of the loop."""
        quiet, before = 0, (-1, -1)
        while self._tasks and quiet < QUIET_TURNS:
            await asyncio.sleep(0)
            now = (len(self._tasks), len(self._asked))
            quiet, before = (quiet + 1 if now == before else 0), now

    # --- a source for the engine (see flywheel.llm.Source) ----------------------------------------------------

    def attach(self, wake: Callable[[int], None]) -> None:
        """Remember how to say that there is more."""
        self._wake = wake

    @property
    def is_finished(self) -> bool:
        """Whether no request will come up any more."""
        return (
            self._is_stopping
            or self._error is not None
            or (
                not self._pages
                and not self._tasks
                and not self._n_ready
                and not self._groups
                and not any(self._queues.values())
            )
        )

    @property
    def _is_stopping(self) -> bool:
        return self.progress.stopped is not None

    @property
    def is_stopped(self) -> bool:
        """Whether of the requests taken only what is in flight is still wanted; a budget has room for all of them."""
        stopped = self.progress.stopped
        return self._error is not None or (stopped is not None and stopped.signal is not None)

    def take(self) -> Request | None:
        """Return the next request: of the items that are furthest on."""
        if self._is_stopping or self._error is not None:
            return None
        self._admit()
        for queue in reversed(self._ready):
            if queue:
                if reason := self._meter.spent(self._n_sent):
                    self.stop(Stop(reason))
                    return None
                if self._n_sent and self._meter.is_unsure(self._n_sent, queue[0]):
                    return None
                self._n_ready -= 1
                self._n_sent += 1
                return queue.popleft()
        return None

    # --- items -------------------------------------------------------------------------------------------------

    def _admit(self) -> None:
        """Begin more items, of those that are furthest on: until enough questions are ready that are as far on as these.

        Steps that are equally far on take turns.
        """
        n_ready = 0
        for depth, stages in self._levels:
            n_ready += len(self._ready[depth])
            if n_ready >= LOW_WATER:
                return
            waiting = [stage for stage in stages if self._queues[stage.name]]
            if not waiting:
                continue
            room = min(OPEN_ITEMS * self._concurrency + LOW_WATER - len(self._tasks), 2 * LOW_WATER)
            for stage, item in islice(take_turns([self._drain(stage) for stage in waiting]), max(room, 0)):
                self._begin(stage, item)
        if self._loading is None and (unfed := self._find_unfed()) is not None:
            self._loading = self._loop.create_task(self._load(unfed))

    def _find_unfed(self) -> Stage | None:
        """Return a step that waits for inputs on record, of those that are furthest on and have any left.

        A step's inputs on record are all read before a step is begun that makes more of them: none comes twice.
        """
        for _, stages in self._levels:
            if left := [stage for stage in stages if stage.name in self._pages]:
                return next((stage for stage in left if not self._queues[stage.name]), None)
        return None

    def _drain(self, stage: Stage) -> Iterator[tuple[Stage, Item]]:
        queue = self._queues[stage.name]
        while queue:
            yield stage, queue.popleft()

    def _begin(self, stage: Stage, item: Item, *, is_recorded: bool = True) -> None:
        self._spawn(self._work(stage, item, is_recorded))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._fail(task.exception())
        if not self._tasks:
            self._wake(0)

    async def _work(self, stage: Stage, item: Item, is_recorded: bool) -> None:
        """Run a generator over one item, and put what it made on record."""
        made: list[Made] = []
        faults: list[Fault] = []
        ask = StageAsk(stage, item, self._engine.identity, self._seed, self._ask_of(stage.depth))
        try:
            if unfit := find_unfit(stage, item):
                faults.append(Fault(unfit))
            else:
                async for outcome in stage.generator.run(item, ask):
                    sort_outcome(outcome, made, faults)
        except AskError as error:
            faults.append(Fault(error.reason, error.raw, error.request_id))
        except asyncio.CancelledError:
            raise
        except FlywheelError as error:
            self._fail(error)
            return
        except (Exception, SystemExit) as error:  # noqa: BLE001 — a user's code
            faults.append(self._explain_crash(stage, item, error))
        if is_recorded:
            self._record(stage, item, ask, made, [*faults, *ask.shortfalls])

    def _explain_crash(self, stage: Stage, item: Item, error: Exception | SystemExit) -> Fault:
        """Return the drop of an item on which a generator's code failed; stop when it fails on every one.

        A generator that is broken would turn all inputs into drops.
        """
        log.debug("generator %s failed on %s", stage.generator.name, item.input_id, exc_info=error)
        what = f"{type(error).__name__} in generator {stage.generator.name}: {error}"[:500]
        if stage.name in self._unproved:
            self._unproved[stage.name] += 1
            if self._unproved[stage.name] >= FAILED_IN_A_ROW:
                self._fail(
                    RecipeError(
                        f"step {stage.name!r}", expected=f"a generator that makes something of its first {FAILED_IN_A_ROW} inputs",
                        received=what, cure="mend the generator's file; the drops on record say what it failed on",
                    )
                )  # fmt: skip
        return Fault(what)

    def _record(self, stage: Stage, item: Item, ask: StageAsk, made: list[Made], faults: list[Fault]) -> None:
        """Put an item's outcome on record as one group, then hand its samples on."""
        try:
            rows, handed = self._outcomes.rows_of(stage, item, ask, made, faults)
        except Exception as error:  # noqa: BLE001 — what a user's code made is no row
            made, faults = [], [self._explain_crash(stage, item, error)]
            rows, handed = self._outcomes.rows_of(stage, item, ask, made, faults)
        if made:
            self._unproved.pop(stage.name, None)
        progress = self.progress
        progress.done[stage.name] = progress.done.get(stage.name, 0) + 1
        progress.samples += len(made)
        progress.drops += len(faults)
        self._groups.append(rows)
        if stage.followers:
            self._after_flush.append(lambda: self._hand_on(stage, handed))
        if not self._is_flushing:
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    def _hand_on(self, stage: Stage, items: list[Item]) -> None:
        if self._only is not None:
            for follower in stage.followers:
                self._only.setdefault(follower.name, set()).update(item.input_id for item in items)
        for follower in stage.followers:
            self.progress.planned[follower.name] = self.progress.planned.get(follower.name, 0) + len(items)
        if self._engine.is_batched:
            return
        for follower in stage.followers:
            self._queues[follower.name].extend(items)
        self._wake(len(items))

    # --- requests ----------------------------------------------------------------------------------------------

    def _ask_of(self, depth: int) -> Callable[[Request], asyncio.Future[Reply]]:
        def send(request: Request) -> asyncio.Future[Reply]:
            future: asyncio.Future[Reply] = self._loop.create_future()
            key = request.request_id
            waiting = self._asked.get(key)
            if waiting is not None:
                waiting.append(future)
                return future
            self._asked[key] = [future]
            if key in self._known and not self._engine.is_batched:
                if not self._lookups:
                    self._loop.call_soon(self._begin_look_up)
                self._lookups[key] = (depth, request)
            else:
                self._ready[depth].append(request)
                self._n_ready += 1
                self._wake(1)
            return future

        return send

    def _begin_look_up(self) -> None:
        wanted, self._lookups = self._lookups, {}
        self._spawn(self._look_up(wanted))

    async def _look_up(self, wanted: dict[str, tuple[int, Request]]) -> None:
        """Answer from the store what is on record there."""
        if not wanted:
            return
        found = await asyncio.to_thread(self._fetch, [request for _, request in wanted.values()])
        self.progress.reused += len(found)
        for key, (depth, request) in wanted.items():
            if key in found:
                self._resolve(key, found[key])
            else:
                self._ready[depth].append(request)
                self._n_ready += 1
        self._wake(len(wanted) - len(found))

    def _fetch(self, wanted: Sequence[Request]) -> dict[str, Reply]:
        found = fetch_replies(self._store, wanted)
        if len(found) < len(wanted):  # answered a moment ago: still in the journal
            self._store.fold()
            found |= fetch_replies(self._store, [r for r in wanted if r.request_id not in found])
        return found

    def _on_replies(self, replies: Sequence[Reply]) -> None:
        """Put replies on record, then hand them to those who asked."""
        self._on_record.journal(*[[request_row(r, self._run_id, self._iteration, self._step_of(r))] for r in replies])
        is_first = self._meter.is_new
        for reply in replies:
            self._meter.add(reply)
            self._known.add(reply.request.request_id)
            self._n_sent -= 1
            self.progress.requests += 1
            self.progress.completion_tokens += reply.completion_tokens
            self._resolve(reply.request.request_id, reply)
        if is_first:
            self._wake(self._n_ready)

    def _resolve(self, key: str, reply: Reply) -> None:
        for future in self._asked.pop(key, ()):
            if not future.done():
                future.set_result(reply)

    def _step_of(self, reply: Reply) -> str:
        return reply.request.step or self._stages[0].name

    # --- record and feed ---------------------------------------------------------------------------------------

    def _flush(self) -> None:
        self._is_flushing = False
        groups, self._groups = self._groups, []
        after, self._after_flush = self._after_flush, []
        try:
            if groups:
                self._on_record.journal(*groups)
        except FlywheelError as error:
            self._fail(error)
            return
        for act in after:
            act()
        if self.is_finished:
            self._loop.call_soon(self._wake, 0)

    async def _fold(self) -> None:
        while True:
            await asyncio.sleep(self._fold_every_s)
            try:
                await asyncio.to_thread(self._on_record.fold, 0.0)
            except FlywheelError as error:
                self._fail(error)
                return

    async def _plan_on(self) -> None:
        """Fix the rest of the inputs of the steps over the store's rows, a window of each in turn."""
        left = dict(self._plannings)
        while left:
            for name, planning in list(left.items()):
                try:
                    if not await asyncio.to_thread(planning.advance):
                        del left[name]
                except FlywheelError as error:
                    self._fail(error)
                    return
                self.progress.planned[name] = planning.n

    def _pages_of(self, stage: Stage, done: Container[str]) -> Iterator[list[Item]]:
        """Yield the inputs of a step that are on record and not ``done``; of a retry only those to be done over."""
        planning = self._plannings.get(stage.name)
        planned = None if planning is None else planning.pages()
        for page in read_inputs(self._store, stage, self._step(stage), done, planned):
            only = self._only
            yield page if only is None else [item for item in page if item.input_id in only.get(stage.name, ())]

    async def _load(self, stage: Stage) -> None:
        """Read a page of a step's inputs."""
        try:
            items = await asyncio.to_thread(self._next_page, stage)
        except FlywheelError as error:
            self._fail(error)
            return
        finally:
            self._loading = None
        if items is None:
            del self._pages[stage.name]
        else:
            self._queues[stage.name].extend(items)
        self._wake(len(items or ()))

    def _next_page(self, stage: Stage) -> list[Item] | None:
        with self._store.kept_open():
            return next(self._pages[stage.name], None)

    def _step(self, stage: Stage) -> Step:
        return Step(self._run_id, self._iteration, stage.name)

    def _fail(self, error: BaseException | None) -> None:
        """End the run with ``error``, once what is in flight has been answered and is on record."""
        if self._error is None and self._n_sent and not self._engine.is_batched:
            log.warning("a fault ends the run; what is in flight is finished and kept first")
        self._error = self._error or error
        self._wake(0)


def take_turns(sources: Sequence[Iterator[T]]) -> Iterator[T]:
    """Yield one of each source in turn, as long as they last; nothing is taken before it is asked for."""
    waiting = deque(sources)
    while waiting:
        source = waiting.popleft()
        with suppress(StopIteration):
            item = next(source)
            waiting.append(source)
            yield item
