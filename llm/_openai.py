"""The ``openai`` engine: any OpenAI-compatible chat endpoints (vLLM, a hosted API, a gateway), one or several.

Faults of one request are retried by class and end, at worst, as a reply with its error. An endpoint that is away, from
the start or later, is waited for (``patience_s``), others taking over meanwhile; one that rejects the key, the model or
every request is given up. When none is left the stream ends with an :class:`EndpointError`: what was answered is on
record, and the same command goes on.

Requests are known by the name of the model, not by the addresses: the same model elsewhere gives the same ids.
"""

import asyncio
import importlib
import logging
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Container, Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from ..errors import EndpointError, InputError
from ..schema import content_id
from ._address import find_address
from ._body import BadBodyError, Body, decode_reply, encode_request
from ._endpoint import Endpoint, Job
from ._faults import AWAY_STATUS, Fault, fault_of_body, fault_of_error, fault_of_status, refusal
from ._limiter import Limiter
from ._pool import PROBE_FIRST_S, PROBE_LONGEST_S, Manners, Pool, as_source, tell_outage
from ._types import ModelIdentity, Reply, Request, Source

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 20.0
LOOK_TIMEOUT_S = 20.0
NO_SUCH_IMAGE = 400
"""What an endpoint would say of a request whose image is gone: it is not tried again."""
OTHER_MODELS = re.compile(
    r"embed|rerank|whisper|(^|[-_/])(tts|bge|gte|e5|clip|flux|image|audio|realtime)([-_.]|$)|dall-?e|moderation|transcri|speech|diffusion|imagen|sora",
    re.IGNORECASE,
)
"""Names of models that answer no chat."""


class OpenAIEngine:
    """Asks one endpoint, or several that serve the same model.

    Args:
        base_url: for example ``http://localhost:8000/v1``, or several; default OPENAI_BASE_URL.
        model: name at the endpoint; default: the first for chat that it lists.
        concurrency: most requests in flight at each endpoint; how many it gets is found out.
        timeout_s: of one attempt.
        max_attempts: tries of one request.
        send_seed: send each request's seed along.
        patience_s: how long an endpoint that does not answer is waited for; 0 = not at all.
        peers: how many engines ask these endpoints together, this one included.
        extra_body: keys added to each request's body; null removes one.
        api_key: default: the environment's.
        is_managed: the endpoint is a server that flywheel runs itself: its outages are told by who runs it, and it is
            looked for every second.
    """

    is_batched = False
    is_shared = True
    """Engines elsewhere ask the same endpoints: their concurrency is one for all."""

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
        peers: int = 1,
        extra_body: dict[str, Any] | None = None,
        api_key: str | None = None,
        is_managed: bool = False,
        folder: Path | None = None,
    ) -> None:
        urls = [base_url] if base_url is None or isinstance(base_url, str) else list(base_url)
        self._endpoints = [Endpoint(find_address(url, api_key), Limiter(concurrency, peers=peers)) for url in urls]
        self._model = model or ""
        self._timeout_s = timeout_s
        self._send_seed = send_seed
        self._extra = dict(extra_body or {})
        self._folder = folder
        self._manners = Manners(
            concurrency * len(urls), max_attempts, patience_s, longest_probe_s=1.0 if is_managed else PROBE_LONGEST_S,
            outage_level=logging.INFO if is_managed else logging.WARNING,
        )  # fmt: skip
        self._is_managed = is_managed
        self._session: Any = None
        self.identity = self._identify()

    async def connect(self) -> "OpenAIEngine":
        """Reach an endpoint, waiting for it if need be, and learn the model. Those still away are waited for later.

        Raises:
            RecipeError: one gives nothing without a key, and there is none: nothing is sent.
            EndpointError: none answers in time, all refuse, or one does not serve the model.
        """
        for endpoint in self._endpoints:
            endpoint.address.require_key()
        self._session = _open_session(self._timeout_s, all(e.address.is_here for e in self._endpoints))
        try:
            self._choose_model(await self._reach())
        except BaseException:
            await self.close()
            raise
        self.identity = self._identify()
        return self

    async def stream(
        self, requests: Iterable[Request] | Source, answered: Container[str]
    ) -> AsyncIterator[list[Reply]]:
        """See :class:`~flywheel.llm.Engine`. A group is what has come in since the last one."""
        pool = Pool(self, self._endpoints, self._manners, as_source(requests, answered))
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

    def elsewhere(self, among: int) -> dict[str, Any]:
        """Return the arguments of each of so many engines that ask the same elsewhere; the key is that of the environment there."""
        return {
            "base_url": tuple(e.address.base_url for e in self._endpoints), "model": self._model, "timeout_s": self._timeout_s,
            "concurrency": self._endpoints[0].limiter.most, "max_attempts": self._manners.max_attempts,
            "send_seed": self._send_seed, "patience_s": self._manners.patience_s, "extra_body": self._extra, "folder": self._folder,
            "peers": among,
        }  # fmt: skip

    @property
    def limits(self) -> dict[str, int]:
        """How many requests each endpoint gets at once, as found out so far."""
        return {e.address.name: e.limiter.limit for e in self._endpoints}

    @property
    def n_endpoints(self) -> int:
        """How many there are."""
        return len(self._endpoints)

    @property
    def in_flight(self) -> int:
        """Requests in flight, at the endpoint that has most of them."""
        return max(e.limiter.in_flight for e in self._endpoints)

    def allow(self, most: int) -> None:
        """Set the most requests in flight at each endpoint, at most ``concurrency``."""
        for endpoint in self._endpoints:
            endpoint.limiter.allow(most)

    async def look(self, endpoint: Endpoint) -> Fault | None:
        """Return why an endpoint is away; None when it answers, whatever it says."""
        found = await self._list_models(endpoint)
        return found if isinstance(found, Fault) and _is_away(found) else None

    async def ask(self, endpoint: Endpoint, job: Job) -> Body | Fault:
        """Make one attempt."""
        request = job.request
        schema = request.response_schema
        if schema is not None and not job.is_plain and not endpoint.schemas.takes(schema):
            job.is_plain = True
        try:
            payload = encode_request(
                request, self._model, request.sampling.n - len(job.choices), len(job.choices), send_seed=self._send_seed,
                use_schema=not job.is_plain, extra=self._extra, folder=self._folder,
            )  # fmt: skip
        except InputError as error:
            return Fault("image cannot be read", NO_SUCH_IMAGE, str(error))
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

    # --- the start ---------------------------------------------------------------------------------------------

    def _identify(self) -> ModelIdentity:
        revision = "azure" if self._endpoints[0].address.is_azure else ""
        if self._extra:
            revision += "#" + content_id("extra", self._extra)
        return ModelIdentity("openai", self._model, revision)

    async def _reach(self) -> list[tuple[Endpoint, list[str]]]:
        """Return the endpoints that answer, with the models that each lists; wait until there is one."""
        began, pause_s = time.monotonic(), PROBE_FIRST_S
        patience_s = 0.0 if self._is_managed else self._manners.patience_s
        while True:
            asked = [e for e in self._endpoints if not e.is_given_up]
            looks = await asyncio.gather(*[self._list_models(e) for e in asked])
            found = [
                (e, names) for e, look in zip(asked, looks, strict=True) if (names := self._judge(e, look)) is not None
            ]
            away = [e for e in self._endpoints if not e.is_up and not e.is_given_up]
            left_s = began + patience_s - time.monotonic()
            if not found and (not away or left_s <= 0):
                endpoint = (away or self._endpoints)[0]
                raise refusal(endpoint.address, endpoint.down or Fault("nothing"))
            if pause_s == PROBE_FIRST_S:
                for endpoint in away:
                    tell_outage(endpoint, self._manners)
            if found:
                return found
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, self._manners.longest_probe_s)

    def _judge(self, endpoint: Endpoint, look: list[str] | Fault) -> list[str] | None:
        """Return the names that an endpoint lists, none where it keeps no list and the recipe has the name; None: not there."""
        is_told = bool(self._model)
        if isinstance(look, Fault) and _is_away(look, is_told=is_told):
            endpoint.go_down(look)
            return None
        if isinstance(look, Fault) and (not is_told or look.status in (401, 402)):
            endpoint.down = look
            endpoint.give_up()
            if len(self._endpoints) > 1:
                told = endpoint.address.redact(look.told)
                log.warning("endpoint %s is given up: %s", endpoint.address.name, told)
            return None
        endpoint.is_up = True
        return [] if isinstance(look, Fault) else look

    def _choose_model(self, found: list[tuple[Endpoint, list[str]]]) -> None:
        """Take the recipe's model, else the first listed that looks like one for chat, and see that all serve it."""
        if not self._model:
            endpoint, names = found[0]
            chat = [name for name in names if not OTHER_MODELS.search(name)]
            self._model = (chat or names or [""])[0]
            if len(names) > 1:
                log.warning(
                    "engine.model is not set: %s at %s is asked, one of %d that it lists", self._model, endpoint.address.name,
                    len(names),
                )  # fmt: skip
        for endpoint, names in found:
            if not self._model or (names and self._model not in names and not endpoint.address.is_azure):
                raise EndpointError(
                    f"endpoint {endpoint.address.name}",
                    expected=f"the model {self._model!r}" if self._model else "at least one model",
                    received=f"it lists {', '.join(names[:10]) or 'none'}",
                    cure="set engine.model in the recipe to one of these",
                )

    async def _list_models(self, endpoint: Endpoint) -> list[str] | Fault:
        """Return the names of the models that an endpoint serves."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=min(self._timeout_s, LOOK_TIMEOUT_S))
        url, headers = endpoint.address.models_url, endpoint.address.headers
        try:
            async with self._session.get(url, headers=headers, timeout=timeout) as reply:
                body = await reply.read()
                if reply.status != 200:
                    return fault_of_status(reply.status, None, body)
        except _client_errors() as error:
            return fault_of_error(error)
        try:
            return [str(m["id"]) for m in orjson.loads(body)["data"]]
        except (ValueError, TypeError, KeyError):
            return fault_of_body("no list of models", body)


def _is_away(fault: Fault, *, is_told: bool = True) -> bool:
    """Whether a look at an endpoint says that nobody is there.

    Args:
        is_told: the model's name is known, so that a list that cannot be had does not matter.
    """
    is_answer = fault.status is not None or fault.raw is not None
    return not is_answer or fault.status in AWAY_STATUS or (not is_told and fault.is_transient)


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


def import_ahead() -> None:
    """Import the HTTP client in a thread of its own while the caller opens files: a tenth of a second, half of it in C code."""
    threading.Thread(target=importlib.import_module, args=("aiohttp",), daemon=True).start()


def _client_errors() -> tuple[type[BaseException], ...]:
    import aiohttp

    return (aiohttp.ClientError, asyncio.TimeoutError, OSError)
