"""The workers of one stream to endpoints: slots, retries by fault class, outages.

Each worker takes a slot at the endpoint with the largest free share, then the most urgent request, and tries it. What
failed sleeps without holding a slot. Requests that failed for good are held back until another succeeds: ten in a row
are an outage, and are tried again when the endpoint is back. What an endpoint rejects before it has answered anything is
held back too: twenty rejected alike are the fault of what all have in common, and end the endpoint's part.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from ..schema import utc_now
from ._body import Body
from ._endpoint import Endpoint, Job
from ._faults import LONGEST_PAUSE_S, Fault, refusal
from ._types import Reply, Request, Source

if TYPE_CHECKING:
    from ._openai import OpenAIEngine

log = logging.getLogger(__name__)

OUTAGE_AFTER = 10
"""So many requests in a row that fail for no fault of their own are an outage of the endpoint, not bad luck."""
REJECTED_ALL = 20
"""So many first requests that are all rejected alike, and none answered, would go on like that."""
REFUSED_AT_LEAST_S = 60.0
"""How long a request that is refused for load (429) is tried at least."""
PAUSE_TOLD_S = 10.0
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


class Pool:
    """The workers of one stream: each takes a slot, then a request, and tries it."""

    def __init__(self, engine: "OpenAIEngine", endpoints: Sequence[Endpoint], manners: Manners, source: Source) -> None:
        self._engine = engine
        self._endpoints = endpoints
        self._manners = manners
        self._source = source
        self._ready: deque[Job] = deque()
        self._open = 0
        self._asleep: dict[Job, asyncio.TimerHandle] = {}
        self._most_asleep = SLEEPERS * manners.concurrency
        self._parked: deque[asyncio.Future[None]] = deque()
        self._out: list[Reply] = []
        self._news = asyncio.Event()
        self._error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._watchers: set[asyncio.Task[None]] = set()
        source.attach(self._wake)
        self._workers = [self._loop.create_task(self._work()) for _ in range(manners.concurrency)]
        for endpoint in endpoints:
            endpoint.is_paused = False
            if not endpoint.is_up and not endpoint.is_given_up:
                self._wait_for(endpoint)

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
            if self._is_finished and not self._record_held(self._endpoints):
                return

    async def close(self) -> None:
        """Stop all workers."""
        for sleeper in self._asleep.values():
            sleeper.cancel()
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
                    await self._park(endpoint)
                else:
                    await self._try(endpoint, job)
        except Exception as error:  # noqa: BLE001 - handed to the consumer, which raises it
            self._fail(error)

    def _pick(self) -> Endpoint | None:
        """Return the endpoint with the largest free share."""
        best, best_load = None, 1.0
        for endpoint in self._endpoints:
            if endpoint.is_up and not endpoint.is_paused and endpoint.limiter.limit:
                load = endpoint.limiter.in_flight / endpoint.limiter.limit
                if load < best_load:
                    best, best_load = endpoint, load
        return best

    def _take(self) -> Job | None:
        if self._ready and self._source.is_stopped:
            self._let_go()
        if self._ready:
            return self._ready.popleft()
        if len(self._asleep) >= self._most_asleep:
            return None
        request = self._source.take()
        if request is None:
            return None
        self._open += 1
        return Job(request, utc_now(), time.monotonic())

    async def _park(self, endpoint: Endpoint | None) -> None:
        """Wait for something to do, or see that all is over."""
        if self._source.is_stopped:
            self._let_go()
        elif endpoint is not None and self._waits_for_held:
            self._record_held(self._endpoints)
        if self._is_finished:
            self._news.set()
        parked = self._loop.create_future()
        self._parked.append(parked)
        await parked

    async def _try(self, endpoint: Endpoint, job: Job) -> None:
        limiter = endpoint.limiter
        number = limiter.send()
        job.attempts += 1
        began = time.monotonic()
        try:
            outcome = await self._engine.ask(endpoint, job)
        except BaseException:
            limiter.release()
            raise
        if isinstance(outcome, Body):
            limiter.on_answer(number, time.monotonic() - began)
            self._on_answer(endpoint, job, outcome)
        elif outcome.is_refusal:
            if limiter.on_refusal():
                self._pause(endpoint, outcome)
            self._on_refusal(endpoint, job, outcome)
        else:
            limiter.release()
            self._on_fault(endpoint, job, outcome)
        self._wake(1)

    def _let_go(self) -> None:
        """Give back what is not in flight, but for what came in part and can be asked for at once."""
        is_open = any(e.is_up and not e.is_paused for e in self._endpoints)
        kept = [job for job in self._ready if job.choices and is_open]
        held = [job for endpoint in self._endpoints for job in endpoint.take_held()]
        for sleeper in self._asleep.values():
            sleeper.cancel()
        self._open -= len(self._ready) - len(kept) + len(held) + len(self._asleep)
        self._asleep.clear()
        self._ready = deque(kept)

    # --- outcomes ----------------------------------------------------------------------------------------------

    def _on_answer(self, endpoint: Endpoint, job: Job, body: Body) -> None:
        endpoint.answered_at = time.monotonic()
        endpoint.has_answered = True
        if endpoint.held or endpoint.rejected:
            self._record_held([endpoint])
        if job.request.response_schema is not None:
            self._learn_schemas(endpoint, job)
        job.choices += body.choices
        job.prompt_tokens += body.prompt_tokens
        job.completion_tokens += body.completion_tokens
        job.failures, job.refusals, job.refused_since, job.fault = 0, 0, None, None
        if len(job.choices) >= job.request.sampling.n:
            self._finish(job)
        else:
            self._ready.append(job)

    def _learn_schemas(self, endpoint: Endpoint, job: Job) -> None:
        if not job.is_plain:
            endpoint.schemas.on_answer()
        elif job.schema_fault is not None and job.request.response_schema is not None:
            (refusing, fault), job.schema_fault = job.schema_fault, None
            if refusing.schemas.on_plain_answer(job.request.response_schema, fault):
                what = (
                    "has no JSON-schema mode" if refusing.schemas.is_missing else "does not take a step's JSON schema"
                )
                log.warning(
                    "endpoint %s %s; answers are held to it by words (%s)", refusing.address.name, what,
                    refusing.address.redact(fault.told),
                )  # fmt: skip

    def _on_refusal(self, endpoint: Endpoint, job: Job, fault: Fault) -> None:
        now = time.monotonic()
        job.refusals += 1
        job.fault = fault
        if job.refused_since is None:
            job.refused_since = now
        longest_s = max(self._manners.patience_s, REFUSED_AT_LEAST_S)
        if now - job.refused_since <= longest_s:
            self._sleep(job, self._refusal_pause_s(fault, job.refusals))
        elif any(now - e.answered_at <= longest_s for e in self._endpoints):
            self._finish(job)
        else:
            self._fail(refusal(endpoint.address, fault))

    def _refusal_pause_s(self, fault: Fault, refusals: int) -> float:
        n = refusals if fault.retry_after_s is not None else min(refusals, 4)
        return fault.pause_s(n, max(self._manners.patience_s, LONGEST_PAUSE_S))

    def _pause(self, endpoint: Endpoint, fault: Fault) -> None:
        """Send an endpoint nothing for a while: it refuses everything."""
        pause_s = self._refusal_pause_s(fault, endpoint.limiter.pauses)
        if pause_s >= PAUSE_TOLD_S:
            log.warning(
                "endpoint %s refuses everything (%s): asked again in %.0f s", endpoint.address.name, fault.text, pause_s
            )
        endpoint.is_paused = True
        self._loop.call_later(pause_s, self._resume, endpoint)

    def _resume(self, endpoint: Endpoint) -> None:
        endpoint.is_paused = False
        self._wake(endpoint.limiter.limit)

    def _on_fault(self, endpoint: Endpoint, job: Job, fault: Fault) -> None:
        is_with_schema = job.request.response_schema is not None and not job.is_plain
        if is_with_schema and endpoint.schemas.may_be_refused(fault):
            job.is_plain, job.schema_fault = True, (endpoint, fault)
            self._ready.append(job)
            return
        job.fault = fault
        if fault.is_endpoint:
            self._ready.append(job)
            if fault.is_unreachable:
                self._go_down(endpoint, fault)
            else:
                self._give_up(endpoint, fault)
            return
        job.failures += 1
        if not fault.is_final and job.failures < self._manners.max_attempts:
            self._sleep(job, fault.pause_s(job.failures, max(self._manners.patience_s, LONGEST_PAUSE_S)))
        elif fault.is_transient:
            endpoint.held.append(job)
            if len(endpoint.held) >= OUTAGE_AFTER:
                self._go_down(
                    endpoint, replace(fault, text=f"{len(endpoint.held)} requests in a row ended with {fault.text}")
                )
            self._check_end()
        else:
            self._on_rejection(endpoint, job, fault)

    def _on_rejection(self, endpoint: Endpoint, job: Job, fault: Fault) -> None:
        """Put a request that cannot succeed on record, once it is known not to be the fault of all of them."""
        if endpoint.is_given_up:
            self._ready.append(job.begin_again())
            return
        if endpoint.has_answered:
            self._finish(job)
            return
        endpoint.rejected.append(job)
        if len(endpoint.rejected) >= REJECTED_ALL:
            if len({job.fault.kind for job in endpoint.rejected if job.fault}) == 1:
                said = f"{fault.kind} for each of the first {len(endpoint.rejected)} requests"
                self._give_up(endpoint, replace(fault, text=said))
            else:
                endpoint.has_answered = True
                self._record_held([endpoint])
        self._check_end()

    def _finish(self, job: Job) -> None:
        self._open -= 1
        self._out.append(job.as_reply())
        self._news.set()

    def _check_end(self) -> None:
        if self._is_finished:
            self._news.set()

    def _record_held(self, endpoints: Iterable[Endpoint]) -> bool:
        """Put failed requests on record, now that the endpoint is known to work or there is nothing else to wait for."""
        held = [job for endpoint in endpoints for job in endpoint.take_held()]
        for job in held:
            self._finish(job)
        return bool(held)

    def _sleep(self, job: Job, pause_s: float) -> None:
        self._asleep[job] = self._loop.call_later(pause_s, self._put_back, job)

    def _put_back(self, job: Job) -> None:
        del self._asleep[job]
        self._ready.append(job)
        self._wake(1)

    # --- outages -----------------------------------------------------------------------------------------------

    def _try_held_again(self, endpoint: Endpoint) -> None:
        self._ready += [job.begin_again() for job in endpoint.take_held()]

    def _give_up(self, endpoint: Endpoint, fault: Fault) -> None:
        """Take an endpoint out for good; what failed there is for the others."""
        self._try_held_again(endpoint)
        if endpoint.is_given_up:
            return
        endpoint.give_up()
        if any(not e.is_given_up for e in self._endpoints):
            told = endpoint.address.redact(fault.told)
            log.warning("endpoint %s is given up: %s", endpoint.address.name, told)
        else:
            self._fail(refusal(endpoint.address, fault))

    def _go_down(self, endpoint: Endpoint, fault: Fault) -> None:
        """Take an endpoint out until it answers again; what failed there is tried again."""
        self._try_held_again(endpoint)
        if not endpoint.is_up:
            return
        endpoint.go_down(fault)
        if self._are_all_lost:
            self._fail(refusal(endpoint.address, fault))
            return
        tell_outage(endpoint, self._manners)
        self._wait_for(endpoint)

    def _wait_for(self, endpoint: Endpoint) -> None:
        watcher = self._loop.create_task(self._watch(endpoint))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    async def _watch(self, endpoint: Endpoint) -> None:
        """Look for an endpoint that is away until it answers, or all have been away for too long."""
        patience_s, pause_s = self._manners.patience_s, PROBE_FIRST_S
        while True:
            left_s = endpoint.down_since + patience_s - time.monotonic()
            await asyncio.sleep(min(pause_s, left_s) if left_s > 0 else pause_s)
            pause_s = min(2 * pause_s, self._manners.longest_probe_s)
            if (fault := await self._engine.look(endpoint)) is None:
                break
            if self._are_all_lost:
                self._fail(refusal(endpoint.address, endpoint.down or fault))
                return
        if endpoint.is_given_up:
            return
        away_s = time.monotonic() - endpoint.down_since
        log.log(self._manners.outage_level, "endpoint %s answers again after %.0f s", endpoint.address.name, away_s)
        endpoint.limiter.restart()
        endpoint.is_up = True
        self._wake(endpoint.limiter.limit)

    @property
    def _are_all_lost(self) -> bool:
        """Whether each endpoint is given up, or away for longer than patience lasts."""
        since = time.monotonic() - self._manners.patience_s
        return all(e.is_given_up or (not e.is_up and e.down_since <= since) for e in self._endpoints)

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._news.set()
        self._wake(0)

    # --- waiting -----------------------------------------------------------------------------------------------

    @property
    def _n_held(self) -> int:
        return sum(len(e.held) + len(e.rejected) for e in self._endpoints)

    @property
    def _is_finished(self) -> bool:
        return self._source.is_finished and self._open == self._n_held and not self._ready

    @property
    def _waits_for_held(self) -> bool:
        """Whether nothing is under way but requests that failed: what the source gives next may depend on them."""
        n_held = self._n_held
        return n_held > 0 and self._open == n_held and not self._ready

    def _wake(self, n: int) -> None:
        """Let ``n`` workers look again; 0 = one, to see that all is over."""
        for _ in range(min(n or 1, len(self._parked))):
            parked = self._parked.popleft()
            if not parked.done():
                parked.set_result(None)


def tell_outage(endpoint: Endpoint, manners: Manners) -> None:
    """Say that an endpoint is waited for."""
    fault, wait = endpoint.down, f"waiting for it, at most {manners.patience_s:.0f} s"
    log.log(
        manners.outage_level, "endpoint %s does not answer (%s): %s", endpoint.address.name, fault.told if fault else "",
        wait if manners.patience_s else "left out until it does",
    )  # fmt: skip


class Listed:
    """A source that is a plain iterable."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self._requests = iter(requests)
        self.is_finished = False
        self.is_stopped = False

    def attach(self, wake: Callable[[int], None]) -> None:
        """Nothing ever comes up later."""

    def take(self) -> Request | None:
        """Return the next request."""
        found = next(self._requests, None)
        self.is_finished = found is None
        return found


def as_source(requests: Iterable[Request] | Source, answered: Container[str]) -> Source:
    """Return ``requests`` as a source; of a plain iterable those that are not answered."""
    if hasattr(requests, "attach"):
        return cast("Source", requests)
    return Listed(r for r in requests if r.request_id not in answered)
