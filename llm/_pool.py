"""The workers of one stream to endpoints: slots, retries by fault class, outages.

Each worker takes a slot at the endpoint with the largest free share, then the most urgent request, and tries it. What
failed sleeps without holding a slot. Requests that failed for good are held back until another succeeds: ten in a row
are an outage, and are tried again when the endpoint is back.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import EndpointError
from ..schema import utc_now
from ._address import Address
from ._body import Body
from ._faults import Fault, refusal
from ._limiter import Limiter
from ._types import Choice, Reply, Request, Source

if TYPE_CHECKING:
    from ._openai import OpenAIEngine

log = logging.getLogger(__name__)

OUTAGE_AFTER = 10
"""So many requests in a row that fail for no fault of their own are an outage of the endpoint, not bad luck."""
MOST_REFUSALS = 200
"""Refusals for load (429) of one request before it is given up."""
SLEEPERS = 8
"""Requests waiting for their next try, as a multiple of the concurrency, beyond which no new ones are begun."""
PROBE_FIRST_S, PROBE_LONGEST_S = 0.5, 15.0


@dataclass(frozen=True)
class Manners:
    """How a pool treats its endpoints.

    Attributes:
        concurrency: workers: most requests under way.
        max_attempts: tries of one request.
        patience_s: how long an endpoint that does not answer is waited for; 0 = not at all.
        longest_probe_s: longest pause between two looks for one that is away.
        outage_level: of the log lines about that.
    """

    concurrency: int
    max_attempts: int
    patience_s: float
    longest_probe_s: float
    outage_level: int


@dataclass
class Endpoint:
    """One endpoint: its limiter, and whether it is there."""

    address: Address
    limiter: Limiter
    is_up: bool = True
    is_given_up: bool = False
    has_schemas: bool = True
    answered_at: float = field(default_factory=time.monotonic)
    held: list["Job"] = field(default_factory=list)
    """Requests that failed for good since its last answer: perhaps an outage, so not on record yet."""

    def __post_init__(self) -> None:
        self.headers = {**self.address.headers, "Content-Type": "application/json"}
        self._url: str | None = None

    def url(self, model: str) -> str:
        """Return where chat completions are asked for."""
        if self._url is None:
            self._url = self.address.chat_url(model)
        return self._url


@dataclass(slots=True)
class Job:
    """A request on its way, over all its attempts."""

    request: Request
    created_at: str
    started: float
    choices: list[Choice] = field(default_factory=list)
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 0
    failures: int = 0
    refusals: int = 0
    is_plain: bool = False
    fault: Fault | None = None

    def as_reply(self) -> Reply:
        """Return what became of it."""
        fault = self.fault
        complete = len(self.choices) >= self.request.sampling.n
        return Reply(
            self.request, tuple(self.choices), self.attempts, self.prompt_tokens, self.completion_tokens,
            time.monotonic() - self.started, self.created_at, utc_now() if complete else None,
            None if fault is None else fault.text, None if fault is None else fault.raw,
            fault is not None and fault.is_transient,
        )  # fmt: skip


class Pool:
    """The workers of one stream: each takes a slot, then a request, and tries it."""

    def __init__(self, engine: "OpenAIEngine", endpoints: Sequence[Endpoint], manners: Manners, source: Source) -> None:
        self._engine = engine
        self._endpoints = endpoints
        self._manners = manners
        self._source = source
        self._ready: deque[Job] = deque()
        self._open = 0
        self._sleeping = 0
        self._most_sleeping = SLEEPERS * manners.concurrency
        self._parked: deque[asyncio.Future[None]] = deque()
        self._out: list[Reply] = []
        self._news = asyncio.Event()
        self._error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._watchers: set[asyncio.Task[None]] = set()
        source.attach(self._wake)
        self._workers = [self._loop.create_task(self._work()) for _ in range(manners.concurrency)]

    async def replies(self) -> AsyncIterator[list[Reply]]:
        """Yield what comes in until the source is finished.

        Raises:
            EndpointError: no endpoint is left.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            while self._out:
                group, self._out = self._out, []
                yield group
            if self._error is not None:
                raise self._error
            if self._is_finished and not self._release_held():
                return

    async def close(self) -> None:
        """Stop all workers."""
        tasks = [*self._workers, *self._watchers]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- workers -----------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        try:
            while self._error is None:
                endpoint = self._pick()
                job = self._take() if endpoint is not None else None
                if endpoint is None or job is None:
                    if endpoint is not None and self._waits_for_held:
                        self._release_held()
                    if self._is_finished:
                        self._news.set()
                    parked = self._loop.create_future()
                    self._parked.append(parked)
                    await parked
                    continue
                await self._try(endpoint, job)
        except Exception as error:  # noqa: BLE001 - handed to the consumer, which raises it
            self._fail(error)

    def _pick(self) -> Endpoint | None:
        """Return the endpoint with the largest free share."""
        best, best_load = None, 1.0
        for endpoint in self._endpoints:
            if endpoint.is_up:
                load = endpoint.limiter.in_flight / endpoint.limiter.limit
                if load < best_load:
                    best, best_load = endpoint, load
        return best

    def _take(self) -> Job | None:
        if self._ready:
            return self._ready.popleft()
        if self._sleeping >= self._most_sleeping:
            return None
        request = self._source.take()
        if request is None:
            return None
        self._open += 1
        return Job(request, utc_now(), time.monotonic())

    async def _try(self, endpoint: Endpoint, job: Job) -> None:
        limiter = endpoint.limiter
        limiter.in_flight += 1
        job.attempts += 1
        began = time.monotonic()
        try:
            outcome = await self._engine.ask(endpoint, job)
        except BaseException:
            limiter.release()
            raise
        if isinstance(outcome, Body):
            limiter.on_answer(time.monotonic() - began)
            self._on_answer(endpoint, job, outcome)
        elif outcome.is_refusal:
            congested = limiter.on_refusal()
            self._on_refusal(endpoint, job, outcome, congested)
        else:
            limiter.release()
            self._on_fault(endpoint, job, outcome)
        self._wake(1)

    # --- outcomes ----------------------------------------------------------------------------------------------

    def _on_answer(self, endpoint: Endpoint, job: Job, body: Body) -> None:
        endpoint.answered_at = time.monotonic()
        if endpoint.held:
            self._release_held()
        if job.is_plain and endpoint.has_schemas:
            endpoint.has_schemas = False
            log.warning("endpoint %s has no JSON-schema mode; answers are held to it by words", endpoint.address.name)
        job.choices += body.choices
        job.prompt_tokens += body.prompt_tokens
        job.completion_tokens += body.completion_tokens
        job.failures, job.fault = 0, None
        if len(job.choices) >= job.request.sampling.n:
            self._finish(job)
        else:
            self._ready.append(job)

    def _on_refusal(self, endpoint: Endpoint, job: Job, fault: Fault, congested: bool) -> None:
        job.refusals += 1
        job.fault = fault
        if job.refusals >= MOST_REFUSALS:
            self._finish(job)
            return
        self._retry(job, fault.pause_s(min(job.refusals, 4)))

    def _on_fault(self, endpoint: Endpoint, job: Job, fault: Fault) -> None:
        if fault.status in (400, 422) and job.request.response_schema is not None and not job.is_plain:
            job.is_plain = True
            self._ready.append(job)
            return
        job.fault = fault
        if fault.is_endpoint:
            self._on_endpoint_fault(endpoint, job, fault)
            return
        job.failures += 1
        if not fault.is_final and job.failures < self._manners.max_attempts:
            self._retry(job, fault.pause_s(job.failures))
        elif not fault.is_transient:
            self._finish(job)
        else:
            endpoint.held.append(job)
            if len(endpoint.held) >= OUTAGE_AFTER:
                text = f"{len(endpoint.held)} requests in a row ended with {fault.text}"
                self._go_down(endpoint, Fault(text))
            self._check_end()

    def _on_endpoint_fault(self, endpoint: Endpoint, job: Job, fault: Fault) -> None:
        self._ready.append(job)
        if fault.is_unreachable:
            self._go_down(endpoint, fault)
            return
        endpoint.is_up, endpoint.is_given_up = False, True
        if any(not e.is_given_up for e in self._endpoints):
            log.warning("endpoint %s is given up: %s", endpoint.address.name, fault.text)
        else:
            self._fail(refusal(endpoint.address, fault))

    def _finish(self, job: Job) -> None:
        self._open -= 1
        self._out.append(job.as_reply())
        self._news.set()

    def _check_end(self) -> None:
        if self._is_finished:
            self._news.set()

    def _release_held(self) -> bool:
        """Put failed requests on record, now that the endpoint is known to work or there is nothing else to wait for."""
        held = [job for endpoint in self._endpoints for job in endpoint.held]
        for endpoint in self._endpoints:
            endpoint.held = []
        for job in held:
            self._finish(job)
        return bool(held)

    def _retry(self, job: Job, pause_s: float) -> None:
        self._sleeping += 1
        self._loop.call_later(pause_s, self._put_back, job)

    def _put_back(self, job: Job) -> None:
        self._sleeping -= 1
        self._ready.append(job)
        self._wake(1)

    # --- outages -----------------------------------------------------------------------------------------------

    def _go_down(self, endpoint: Endpoint, fault: Fault) -> None:
        """Take an endpoint out until it answers again; what failed there is tried again."""
        for job in endpoint.held:
            job.failures, job.fault = 0, None
            self._ready.append(job)
        endpoint.held = []
        if not endpoint.is_up:
            return
        endpoint.is_up = False
        if self._manners.patience_s <= 0 and not any(e.is_up for e in self._endpoints):
            self._fail(refusal(endpoint.address, fault))
            return
        log.log(
            self._manners.outage_level, "endpoint %s does not answer (%s): waiting for it, at most %.0f s", endpoint.address.name, fault.text,
            self._manners.patience_s,
        )  # fmt: skip
        watcher = self._loop.create_task(self._watch(endpoint, fault))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    async def _watch(self, endpoint: Endpoint, fault: Fault) -> None:
        pause_s = PROBE_FIRST_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._manners.longest_probe_s)
            away_s = time.monotonic() - endpoint.answered_at
            if away_s > self._manners.patience_s and not any(e.is_up for e in self._endpoints):
                self._fail(refusal(endpoint.address, fault))
                return
            try:
                await self._engine.list_models(endpoint)
            except EndpointError:
                continue
            log.log(self._manners.outage_level, "endpoint %s answers again after %.0f s", endpoint.address.name, away_s)
            endpoint.limiter.restart()
            endpoint.is_up = True
            self._wake(endpoint.limiter.limit)
            return

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._news.set()
        self._wake(0)

    # --- waiting -----------------------------------------------------------------------------------------------

    @property
    def _is_finished(self) -> bool:
        held = sum(len(e.held) for e in self._endpoints)
        return self._open == held and not self._ready and self._source.is_finished

    @property
    def _waits_for_held(self) -> bool:
        """Whether nothing is under way but requests that failed: what the source gives next may depend on them."""
        held = sum(len(e.held) for e in self._endpoints)
        return held > 0 and self._open == held and not self._ready

    def _wake(self, n: int) -> None:
        """Let ``n`` workers look again; 0 = one, to see that all is over."""
        for _ in range(min(n or 1, len(self._parked))):
            parked = self._parked.popleft()
            if not parked.done():
                parked.set_result(None)


class Listed:
    """A source that is a plain iterable."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = iter(requests)
        self.is_finished = False

    def attach(self, wake: Callable[[int], None]) -> None:
        """Nothing ever comes up later."""

    def take(self) -> Request | None:
        """Return the next request."""
        found = next(self._requests, None)
        self.is_finished = found is None
        return found
