"""The ``openai`` engine: any OpenAI-compatible chat endpoint (vLLM, a hosted API, a gateway).

Faults of one request are retried by class and end, at worst, as a reply with its error. Faults of the endpoint itself
(refused connections, a rejected key, an unknown model) stop the stream with an :class:`EndpointError`: what was
answered is on record, and the same command goes on later.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncIterator, Container, Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ..errors import EndpointError
from ..schema import utc_now
from ._types import Choice, ModelIdentity, Reply, Request

BASE_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
RAW_KEPT_CHARS = 4000
LOOPBACK = ("127.0.0.1", "localhost", "::1")
OUTAGE_AFTER = 10
"""So many requests in a row that fail for no fault of their own are an outage of the endpoint, not bad luck."""


def without_userinfo(url: str) -> str:
    """Return ``url`` without a name and password in it, for messages."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def endpoint_revision(base_url: str) -> str:
    """Return what names an endpoint in ids: host and path. A port on this machine is no part of it."""
    parts = urlsplit(base_url)
    host = "localhost" if parts.hostname in LOOPBACK else parts.netloc.rpartition("@")[2]
    return f"{host}{parts.path.rstrip('/')}"


class OpenAIEngine:
    """Asks one endpoint.

    Args:
        base_url: for example ``http://localhost:8000/v1``; default OPENAI_BASE_URL.
        model: name at the endpoint; default: the first it lists.
        concurrency: most requests in flight.
        timeout_s: of one attempt.
        max_attempts: tries of one request.
        send_seed: send each request's seed along.
    """

    def __init__(
        self,
        *,
        base_url: str | None,
        model: str | None,
        concurrency: int,
        timeout_s: float,
        max_attempts: int,
        send_seed: bool = False,
    ) -> None:
        self._base_url = base_url or os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        self._model = model
        self._concurrency = concurrency
        self._timeout_s = timeout_s
        self._max_attempts = max_attempts
        self._send_seed = send_seed
        self._client: Any = None
        self.identity = ModelIdentity("openai", model or "", endpoint_revision(self._base_url))

    async def connect(self) -> "OpenAIEngine":
        """Reach the endpoint and learn its model.

        Raises:
            EndpointError: it refuses, rejects the key, or does not serve the model.
        """
        import openai

        key = os.environ.get("OPENAI_API_KEY") or "none"
        self._client = openai.AsyncOpenAI(
            base_url=self._base_url, api_key=key, max_retries=0, timeout=self._timeout_s,
            http_client=openai.DefaultAioHttpClient() if _has_aiohttp() else None,
        )  # fmt: skip
        try:
            served = [m.id async for m in self._client.models.list()]
        except openai.OpenAIError as error:
            raise self._refused(error) from error
        except (ValueError, TypeError, AttributeError) as error:
            raise self._refused(error) from error
        name = self._model or (served[0] if served else None)
        if name is None or (served and name not in served):
            raise EndpointError(
                f"endpoint {without_userinfo(self._base_url)}",
                expected=f"the model {self._model!r}" if self._model else "at least one model",
                received=f"it lists {', '.join(served[:10]) or 'none'}",
                cure="set engine.model in the recipe to one of these",
            )
        self._model = name
        self.identity = ModelIdentity("openai", name, endpoint_revision(self._base_url))
        return self

    async def stream(self, requests: Iterable[Request], answered: Container[str]) -> AsyncIterator[list[Reply]]:
        """See :class:`~flywheel.llm.Engine`. A group is one reply."""
        source = (r for r in requests if r.request_id not in answered)
        replies: asyncio.Queue[Reply | BaseException | None] = asyncio.Queue(maxsize=self._concurrency)
        workers = [asyncio.create_task(self._work(source, replies)) for _ in range(self._concurrency)]
        running = len(workers)
        failed: list[Reply] = []  # not on record until another request succeeds: they may be an outage
        try:
            while running:
                item = await replies.get()
                if item is None:
                    running -= 1
                elif isinstance(item, BaseException):
                    raise item
                elif item.is_transient:
                    failed.append(item)
                    if len(failed) >= OUTAGE_AFTER:
                        raise self._refused(RuntimeError(f"{len(failed)} requests in a row ended with {item.error}"))
                else:
                    yield [*failed, item]
                    failed = []
            if failed:
                yield failed
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _work(self, source: Iterator[Request], replies: asyncio.Queue[Reply | BaseException | None]) -> None:
        try:
            for request in source:
                await replies.put(await self._answer(request))
            await replies.put(None)
        except Exception as error:  # noqa: BLE001 - handed to the consumer, which raises it
            await replies.put(error)

    async def _answer(self, request: Request) -> Reply:
        """Ask until the request has all its choices, or ``max_attempts`` in a row have failed."""
        created_at, started = utc_now(), time.monotonic()
        choices: list[Choice] = []
        prompt_tokens = completion_tokens = attempts = failures = 0
        fault: _Fault | None = None
        while len(choices) < request.sampling.n and failures < self._max_attempts:
            attempts += 1
            body, fault = await self._attempt(request, request.sampling.n - len(choices), len(choices))
            if body is not None:
                choices += body.choices
                prompt_tokens += body.prompt_tokens
                completion_tokens += body.completion_tokens
                failures = 0
                continue
            assert fault is not None
            failures += 1
            if fault.is_final or failures == self._max_attempts:
                break
            await asyncio.sleep(fault.pause_s(failures))
        complete = len(choices) >= request.sampling.n
        if fault is not None and fault.is_endpoint:
            raise self._refused(fault.error)
        return Reply(
            request=request, choices=tuple(choices), attempts=attempts, prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens, latency_s=time.monotonic() - started, created_at=created_at,
            answered_at=utc_now() if complete else None, error=None if fault is None else fault.text,
            raw=None if fault is None else fault.raw, is_transient=fault is not None and fault.is_transient,
        )  # fmt: skip

    async def _attempt(self, request: Request, n: int, offset: int) -> tuple["_Body | None", "_Fault | None"]:
        import openai

        s = request.sampling
        extra: dict[str, Any] = {"stop": list(s.stop)} if s.stop else {}
        if s.logprobs:
            extra["logprobs"] = True
        if self._send_seed:
            extra["seed"] = (s.seed + offset) & 0x7FFFFFFF
        try:
            answer = await self._client.chat.completions.with_raw_response.create(
                model=self._model, messages=list(request.messages), n=n, temperature=s.temperature, top_p=s.top_p,
                max_tokens=s.max_tokens, **extra,
            )  # fmt: skip
            return _parse_body(answer.text), None
        except openai.OpenAIError as error:
            return None, _Fault(error)
        except _BadBody as error:
            return None, _Fault(error, raw=error.raw)

    def _refused(self, error: BaseException) -> EndpointError:
        cure = "start the server or set OPENAI_BASE_URL, then give the same command again: answered requests are kept"
        status = getattr(error, "status_code", None)
        if status in (401, 403):
            cure = "set OPENAI_API_KEY to a key that this endpoint accepts"
        elif status == 404:
            cure = "check the path of OPENAI_BASE_URL (it usually ends in /v1) and engine.model"
        received = f"HTTP {status}" if status else f"{type(error).__name__}: {error}".strip(": ")
        return EndpointError(
            f"endpoint {without_userinfo(self._base_url)}",
            expected="an OpenAI-compatible server that answers",
            received=received,
            cure=cure,
        )


def _has_aiohttp() -> bool:
    try:
        import aiohttp  # noqa: F401
    except ImportError:
        return False
    return True


class _BadBody(ValueError):
    """A reply with status 200 that is not a chat completion."""

    def __init__(self, text: str, raw: str) -> None:
        super().__init__(text)
        self.raw = raw[:RAW_KEPT_CHARS]


class _Body:
    """The part of a chat completion that is kept."""

    def __init__(self, choices: list[Choice], prompt_tokens: int, completion_tokens: int) -> None:
        self.choices = choices
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens


def _parse_body(text: str) -> _Body:
    try:
        body = json.loads(text)
        usage = body.get("usage") or {}
        choices = [_parse_choice(c) for c in body["choices"]]
        tokens = int(usage.get("completion_tokens") or 0)
        if len(choices) == 1:
            only = choices[0]
            choices = [Choice(only.text, only.finish_reason, tokens, only.logprob)]
        if not choices:
            raise ValueError("no choices")
        return _Body(choices, int(usage.get("prompt_tokens") or 0), tokens)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _BadBody(f"malformed reply: {type(error).__name__}: {error}", text) from None


def _parse_choice(choice: dict[str, Any]) -> Choice:
    logprobs = (choice.get("logprobs") or {}).get("content")
    total = sum(float(t["logprob"]) for t in logprobs) if logprobs else None
    content = choice["message"]["content"]
    if not isinstance(content, str):
        raise ValueError(f"content is {type(content).__name__}, not text")
    content = content.encode("utf-8", "replace").decode()  # half a surrogate pair cannot be stored
    return Choice(content, str(choice.get("finish_reason") or "stop"), 0, total)


class _Fault:
    """Why an attempt failed, and what that means for the next one."""

    def __init__(self, error: BaseException, raw: str | None = None) -> None:
        import openai

        self.error = error
        self.raw = raw
        self.status = getattr(error, "status_code", None)
        is_timeout = isinstance(error, openai.APITimeoutError) and "Connect" not in type(error.__cause__).__name__
        unreachable = isinstance(error, openai.APIConnectionError) and not is_timeout
        self.is_endpoint = unreachable or self.status in (401, 403, 404)
        self.is_final = self.status is not None and self.status not in (408, 409, 425, 429) and self.status < 500
        self.is_transient = not self.is_final and raw is None
        self.text = f"HTTP {self.status}" if self.status else f"{type(error).__name__}: {error}"[:300]

    def pause_s(self, attempt: int) -> float:
        """Seconds to wait: what the server asks for, else exponential with jitter."""
        response = getattr(self.error, "response", None)
        asked = response.headers.get("retry-after") if response is not None else None
        exponential = min(BASE_PAUSE_S * 2.0 ** (attempt - 1), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)
        try:
            return exponential if asked is None else min(float(asked), LONGEST_PAUSE_S) * random.uniform(1.0, 1.1)
        except ValueError:  # an HTTP date
            return exponential
