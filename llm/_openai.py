"""The ``openai`` engine: any OpenAI-compatible chat endpoints (vLLM, a hosted API, a gateway), one or several.

Faults of one request are retried by class and end, at worst, as a reply with its error. An endpoint that is away is
waited for (``patience_s``), others taking over meanwhile; one that rejects the key or the model is given up. When none
is left the stream ends with an :class:`EndpointError`: what was answered is on record, and the same command goes on.
"""

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from ..errors import EndpointError
from ..schema import content_id, utc_now
from ._address import Address, endpoint_revision, find_address, without_userinfo
from ._body import BadBodyError, Body, decode_reply, encode_request
from ._faults import Fault, fault_of_body, fault_of_error, fault_of_status
from ._limiter import Limiter
from ._types import Choice, ModelIdentity, Reply, Request, Source

log = logging.getLogger(__name__)

OUTAGE_AFTER = 10
"""So many requests in a row that fail for no fault of their own are an outage of the endpoint, not bad luck."""
MOST_REFUSALS = 200
"""Refusals for load (429) of one request before it is given up."""
SLEEPERS = 8
"""Requests waiting for their next try, as a multiple of the concurrency, beyond which no new ones are begun."""
PROBE_FIRST_S, PROBE_LONGEST_S = 0.5, 15.0
CONNECT_TIMEOUT_S = 20.0


class OpenAIEngine:
    """Asks one endpoint, or several that serve the same model.

    Args:
        base_url: for example ``http://localhost:8000/v1``, or several; default OPENAI_BASE_URL.
        model: name at the endpoint; default: the first it lists.
        concurrency: most requests in flight at each endpoint; how many it gets is found out.
        timeout_s: of one attempt.
        max_attempts: tries of one request.
        send_seed: send each request's seed along.
        patience_s: how long an endpoint that does not answer is waited for; 0 = not at all.
        extra_body: keys added to each request's body; null removes one.
        api_key: default: the environment's.
        is_managed: the endpoint is a server that flywheel runs itself: its outages are told by who runs it, and it is
            looked for every second.
    """

    is_batched = False

    def __init__(
        self,
        *,
        base_url: str | Sequence[str] | None,
        model: str | None,
        concurrency: int,
        timeout_s: float,
        max_attempts: int,
        send_seed: bool = False,
        patience_s: float = 0.0,
        extra_body: dict[str, Any] | None = None,
        api_key: str | None = None,
        is_managed: bool = False,
    ) -> None:
        urls = [base_url] if base_url is None or isinstance(base_url, str) else list(base_url)
        self._endpoints = [_Endpoint(find_address(url, api_key), Limiter(concurrency)) for url in urls]
        self._model = model or ""
        self._concurrency = concurrency * len(urls)
        self._timeout_s = timeout_s
        self._max_attempts = max_attempts
        self._send_seed = send_seed
        self._patience_s = patience_s
        self._extra = dict(extra_body or {})
        self._outage_level = logging.INFO if is_managed else logging.WARNING
        self._longest_probe_s = 1.0 if is_managed else PROBE_LONGEST_S
        self._session: Any = None
        self.identity = self._identify()

    async def connect(self) -> "OpenAIEngine":
        """Reach the endpoints and learn their model.

        Raises:
            EndpointError: one refuses, rejects the key, or does not serve the model.
        """
        self._session = _open_session(self._timeout_s, all(e.address.is_here for e in self._endpoints))
        for endpoint in self._endpoints:
            served = await self._list_models(endpoint)
            name = self._model or (served[0] if served else None)
            if name is None or (served and name not in served and not endpoint.address.is_azure):
                raise EndpointError(
                    f"endpoint {endpoint.address.name}",
                    expected=f"the model {self._model!r}" if self._model else "at least one model",
                    received=f"it lists {', '.join(served[:10]) or 'none'}",
                    cure="set engine.model in the recipe to one of these",
                )
            self._model = name
        self.identity = self._identify()
        return self

    async def stream(
        self, requests: Iterable[Request] | Source, answered: Container[str]
    ) -> AsyncIterator[list[Reply]]:
        """See :class:`~flywheel.llm.Engine`. A group is what has come in since the last one."""
        source = (
            cast("Source", requests)
            if hasattr(requests, "attach")
            else Listed(r for r in requests if r.request_id not in answered)
        )
        pool = _Pool(self, source)
        try:
            async for replies in pool.replies():
                yield replies
        finally:
            await pool.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def limits(self) -> dict[str, int]:
        """How many requests each endpoint gets at once, as found out so far."""
        return {e.address.name: e.limiter.limit for e in self._endpoints}

    def _identify(self) -> ModelIdentity:
        revision = "|".join(sorted({endpoint_revision(e.address.base_url) for e in self._endpoints}))
        if self._extra:
            revision += "#" + content_id("extra", self._extra)
        return ModelIdentity("openai", self._model, revision)

    async def _list_models(self, endpoint: "_Endpoint") -> list[str]:
        try:
            async with self._session.get(endpoint.address.models_url, headers=endpoint.address.headers) as reply:
                body = await reply.read()
                if reply.status != 200:
                    raise refusal(endpoint.address, fault_of_status(reply.status, None, body))
            return [str(m["id"]) for m in orjson.loads(body)["data"]]
        except (ValueError, TypeError, KeyError) as error:
            raise refusal(endpoint.address, fault_of_body(str(error), b"")) from error
        except OSError as error:
            raise refusal(endpoint.address, fault_of_error(error)) from error
        except _client_errors() as error:
            raise refusal(endpoint.address, fault_of_error(error)) from error

    async def ask(self, endpoint: "_Endpoint", job: "_Job") -> Body | Fault:
        """Make one attempt."""
        request = job.request
        payload = encode_request(
            request, self._model, request.sampling.n - len(job.choices), len(job.choices), send_seed=self._send_seed,
            use_schema=endpoint.has_schemas and not job.is_plain, extra=self._extra,
        )  # fmt: skip
        try:
            async with self._session.post(endpoint.url(self._model), data=payload, headers=endpoint.headers) as reply:
                raw = await reply.read()
                if reply.status != 200:
                    return fault_of_status(reply.status, reply.headers.get("retry-after"), raw)
        except _client_errors() as error:
            return fault_of_error(error)
        try:
            return decode_reply(raw)
        except BadBodyError as error:
            return fault_of_body(str(error), raw)


@dataclass
class _Endpoint:
    """One endpoint: its limiter, and whether it is there."""

    address: Address
    limiter: Limiter
    is_up: bool = True
    is_given_up: bool = False
    has_schemas: bool = True
    answered_at: float = field(default_factory=time.monotonic)
    held: list["_Job"] = field(default_factory=list)
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
class _Job:
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


class _Pool:
    """The workers of one stream: each takes a slot, then a request, and tries it."""

    def __init__(self, engine: OpenAIEngine, source: Source) -> None:
        self._engine = engine
        self._endpoints = engine._endpoints
        self._source = source
        self._ready: deque[_Job] = deque()
        self._open = 0
        self._sleeping = 0
        self._most_sleeping = SLEEPERS * engine._concurrency
        self._parked: deque[asyncio.Future[None]] = deque()
        self._out: list[Reply] = []
        self._news = asyncio.Event()
        self._error: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._watchers: set[asyncio.Task[None]] = set()
        source.attach(self._wake)
        self._workers = [self._loop.create_task(self._work()) for _ in range(engine._concurrency)]

    async def replies(self) -> AsyncIterator[list[Reply]]:
        """Yield what comes in until the source is finished.

        Raises:
            EndpointError: no endpoint is left.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            group, self._out = self._out, []
            if group:
                yield group
                continue
            if self._error is not None:
                raise self._error
            if self._is_finished:
                if self._release_held():
                    continue
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

    def _pick(self) -> _Endpoint | None:
        """Return the endpoint with the largest free share."""
        best, best_load = None, 1.0
        for endpoint in self._endpoints:
            if endpoint.is_up:
                load = endpoint.limiter.in_flight / endpoint.limiter.limit
                if load < best_load:
                    best, best_load = endpoint, load
        return best

    def _take(self) -> _Job | None:
        if self._ready:
            return self._ready.popleft()
        if self._sleeping >= self._most_sleeping:
            return None
        request = self._source.take()
        if request is None:
            return None
        self._open += 1
        return _Job(request, utc_now(), time.monotonic())

    async def _try(self, endpoint: _Endpoint, job: _Job) -> None:
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

    def _on_answer(self, endpoint: _Endpoint, job: _Job, body: Body) -> None:
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

    def _on_refusal(self, endpoint: _Endpoint, job: _Job, fault: Fault, congested: bool) -> None:
        job.refusals += 1
        job.fault = fault
        if job.refusals >= MOST_REFUSALS:
            self._finish(job)
            return
        self._retry(job, fault.pause_s(min(job.refusals, 4)))

    def _on_fault(self, endpoint: _Endpoint, job: _Job, fault: Fault) -> None:
        if fault.status in (400, 422) and job.request.response_schema is not None and not job.is_plain:
            job.is_plain = True
            self._ready.append(job)
            return
        job.fault = fault
        if fault.is_endpoint:
            self._on_endpoint_fault(endpoint, job, fault)
            return
        job.failures += 1
        if not fault.is_final and job.failures < self._engine._max_attempts:
            self._retry(job, fault.pause_s(job.failures))
        elif not fault.is_transient:
            self._finish(job)
        else:
            endpoint.held.append(job)
            if len(endpoint.held) >= OUTAGE_AFTER:
                text = f"{len(endpoint.held)} requests in a row ended with {fault.text}"
                self._go_down(endpoint, Fault(text))
            self._check_end()

    def _on_endpoint_fault(self, endpoint: _Endpoint, job: _Job, fault: Fault) -> None:
        self._ready.append(job)
        if fault.is_unreachable:
            self._go_down(endpoint, fault)
            return
        endpoint.is_up, endpoint.is_given_up = False, True
        if any(not e.is_given_up for e in self._endpoints):
            log.warning("endpoint %s is given up: %s", endpoint.address.name, fault.text)
        else:
            self._fail(refusal(endpoint.address, fault))

    def _finish(self, job: _Job) -> None:
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

    def _retry(self, job: _Job, pause_s: float) -> None:
        self._sleeping += 1
        self._loop.call_later(pause_s, self._put_back, job)

    def _put_back(self, job: _Job) -> None:
        self._sleeping -= 1
        self._ready.append(job)
        self._wake(1)

    # --- outages -----------------------------------------------------------------------------------------------

    def _go_down(self, endpoint: _Endpoint, fault: Fault) -> None:
        """Take an endpoint out until it answers again; what failed there is tried again."""
        for job in endpoint.held:
            job.failures, job.fault = 0, None
            self._ready.append(job)
        endpoint.held = []
        if not endpoint.is_up:
            return
        endpoint.is_up = False
        if self._engine._patience_s <= 0 and not any(e.is_up for e in self._endpoints):
            self._fail(refusal(endpoint.address, fault))
            return
        log.log(
            self._engine._outage_level, "endpoint %s does not answer (%s): waiting for it, at most %.0f s", endpoint.address.name, fault.text,
            self._engine._patience_s,
        )  # fmt: skip
        watcher = self._loop.create_task(self._watch(endpoint, fault))
        self._watchers.add(watcher)
        watcher.add_done_callback(self._watchers.discard)

    async def _watch(self, endpoint: _Endpoint, fault: Fault) -> None:
        pause_s = PROBE_FIRST_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, self._engine._longest_probe_s)
            away_s = time.monotonic() - endpoint.answered_at
            if away_s > self._engine._patience_s and not any(e.is_up for e in self._endpoints):
                self._fail(refusal(endpoint.address, fault))
                return
            try:
                await self._engine._list_models(endpoint)
            except EndpointError:
                continue
            log.log(self._engine._outage_level, "endpoint %s answers again after %.0f s", endpoint.address.name, away_s)
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


def refusal(address: Address, fault: Fault) -> EndpointError:
    """Return the error that ends a stream."""
    cure = "start the server or set OPENAI_BASE_URL, then give the same command again: answered requests are kept"
    if fault.status in (401, 403):
        cure = "set OPENAI_API_KEY to a key that this endpoint accepts"
    elif fault.status == 404:
        cure = "check the path of OPENAI_BASE_URL (it usually ends in /v1) and engine.model"
    elif fault.is_exhausted:
        cure = "add credit at the provider, then give the same command again: answered requests are kept"
    return EndpointError(
        f"endpoint {address.name}", expected="an OpenAI-compatible server that answers", received=fault.text, cure=cure
    )


def _open_session(timeout_s: float, is_here: bool) -> Any:
    import aiohttp

    proxied = not is_here and any(
        os.environ.get(v) for name in ("http_proxy", "https_proxy", "all_proxy") for v in (name, name.upper())
    )
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
        timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=CONNECT_TIMEOUT_S),
        trust_env=proxied,
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _client_errors() -> tuple[type[BaseException], ...]:
    import aiohttp

    return (aiohttp.ClientError, asyncio.TimeoutError, OSError)


__all__ = ["Listed", "OpenAIEngine", "endpoint_revision", "without_userinfo"]
