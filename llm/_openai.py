"""The ``openai`` engine: any OpenAI-compatible chat endpoints (vLLM, a hosted API, a gateway), one or several.

Faults of one request are retried by class and end, at worst, as a reply with its error. An endpoint that is away is
waited for (``patience_s``), others taking over meanwhile; one that rejects the key or the model is given up. When none
is left the stream ends with an :class:`EndpointError`: what was answered is on record, and the same command goes on.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Container, Iterable, Sequence
from typing import Any, cast

import orjson

from ..errors import EndpointError
from ..schema import content_id
from ._address import endpoint_revision, find_address, without_userinfo
from ._body import BadBodyError, Body, decode_reply, encode_request
from ._faults import Fault, fault_of_body, fault_of_error, fault_of_status, refusal
from ._limiter import Limiter
from ._pool import PROBE_LONGEST_S, Endpoint, Job, Listed, Manners, Pool
from ._types import ModelIdentity, Reply, Request, Source

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
        self._endpoints = [Endpoint(find_address(url, api_key), Limiter(concurrency)) for url in urls]
        self._model = model or ""
        self._timeout_s = timeout_s
        self._send_seed = send_seed
        self._extra = dict(extra_body or {})
        self._manners = Manners(
            concurrency * len(urls), max_attempts, patience_s, longest_probe_s=1.0 if is_managed else PROBE_LONGEST_S,
            outage_level=logging.INFO if is_managed else logging.WARNING,
        )  # fmt: skip
        self._session: Any = None
        self.identity = self._identify()

    async def connect(self) -> "OpenAIEngine":
        """Reach the endpoints and learn their model.

        Raises:
            EndpointError: one refuses, rejects the key, or does not serve the model.
        """
        self._session = _open_session(self._timeout_s, all(e.address.is_here for e in self._endpoints))
        for endpoint in self._endpoints:
            served = await self.list_models(endpoint)
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
        pool = Pool(self, self._endpoints, self._manners, source)
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

    async def list_models(self, endpoint: Endpoint) -> list[str]:
        """Return the names of the models that an endpoint serves.

        Raises:
            EndpointError: it does not answer, or refuses.
        """
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

    async def ask(self, endpoint: Endpoint, job: Job) -> Body | Fault:
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
