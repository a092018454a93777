"""The ``vllm`` engine: a server that flywheel starts for a checkpoint and stops when the step is done.

It starts with the first request that has to be asked, not before. A server that dies in mid-run is started again, at most
``max_restarts`` times: what was answered is on record, what was in flight is tried again. Then the stream ends with the
reason out of the server's log.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Container, Iterable
from pathlib import Path
from typing import Any, cast

from ..config import shaping_args
from ..errors import EndpointError
from ..schema import content_id
from ._models import ResolvedModel
from ._openai import OpenAIEngine
from ._pool import as_source
from ._types import ModelIdentity, Reply, Request, Source
from ._vllm_command import ServerSettings
from ._vllm_server import VllmServer

log = logging.getLogger(__name__)

PATIENCE_BEYOND_START_S = 60.0


class VllmEngine:
    """Serves ``model`` by a vLLM server of its own.

    Args:
        model: which weights.
        settings: how the server is run.
        concurrency: most requests in flight.
        timeout_s: of one attempt.
        max_attempts: tries of one request.
        send_seed: send each request's seed along.
        patience_s: how long a server that runs and does not answer is waited for.
        extra_body: keys added to each request's body; null removes one.
        on_note: told in a few words how the start goes.
        server: one for the same model and settings, which whoever gives it stops; default: its own.
    """

    is_batched = False
    is_shared = False

    def __init__(
        self,
        model: ResolvedModel,
        settings: ServerSettings,
        *,
        concurrency: int,
        timeout_s: float,
        max_attempts: int,
        send_seed: bool = False,
        patience_s: float = 0.0,
        extra_body: dict[str, Any] | None = None,
        on_note: Callable[[str], None] = lambda note: None,
        server: VllmServer | None = None,
        folder: Path | None = None,
    ) -> None:
        shape = {"server_args": shaping_args(settings.server_args), "extra_body": extra_body or {}}
        mark = "#" + content_id("serve", shape) if any(shape.values()) else ""
        self.identity = ModelIdentity("vllm", model.name, model.revision + mark, model.checkpoint_id)
        self._settings = settings
        self._on_note = on_note
        self._server = server or VllmServer(model, settings)
        self._is_its_own = server is None
        self._client: OpenAIEngine | None = None
        self._model = model.name
        self._resolved = model
        self._allowed = concurrency
        self._options: dict[str, Any] = {
            "concurrency": concurrency, "timeout_s": timeout_s, "max_attempts": max_attempts, "send_seed": send_seed,
            "patience_s": max(patience_s, settings.startup_s + PATIENCE_BEYOND_START_S), "extra_body": extra_body,
            "folder": folder,
        }  # fmt: skip
        self._restarts = 0

    async def stream(
        self, requests: Iterable[Request] | Source, answered: Container[str]
    ) -> AsyncIterator[list[Reply]]:
        """See :class:`~flywheel.llm.Engine`. With nothing to ask, no server is started.

        Raises:
            EndpointError: the server did not start, or died once too often.
        """
        source = as_source(requests, answered)
        first = await _take_first(source)
        if first is None or not await self._come_up(source):
            return
        assert self._client is not None
        watcher = asyncio.create_task(self._keep_up())
        replies = self._client.stream(_Begun(source, first), ())
        try:
            while (group := await self._next(replies, watcher)) is not None:
                yield group
        finally:
            await _cancel(watcher)
            await cast(Any, replies).aclose()

    def elsewhere(self, among: int) -> dict[str, Any]:
        """Return the arguments of an engine with a server of its own on another machine, which has the model's folder under the same path."""
        return {"model": self._resolved, "settings": self._settings, **self._options}

    @property
    def n_endpoints(self) -> int:
        """How many it asks."""
        return 1

    @property
    def in_flight(self) -> int:
        """Requests in flight."""
        return self._client.in_flight if self._client else 0

    @property
    def limits(self) -> dict[str, int]:
        """How many requests the server gets at once, as found out so far."""
        return self._client.limits if self._client else {}

    def allow(self, most: int) -> None:
        """Set the most requests in flight, at most ``concurrency``."""
        self._allowed = most
        if self._client is not None:
            self._client.allow(most)

    async def close(self) -> None:
        """Close the connections; stop the server, if it is its own, and wait until its memory is free."""
        client, self._client = self._client, None
        try:
            if client is not None:
                await client.close()
        finally:
            if self._is_its_own:
                await self._server.stop()

    # --- inside ------------------------------------------------------------------------------------------------

    async def _come_up(self, source: Source) -> bool:
        """Start the server; False when it is not wanted any more before it is there."""
        unwanted = asyncio.Event()
        source.attach(lambda n: unwanted.set() if source.is_finished else None)
        starting, stopping = asyncio.create_task(self._start()), asyncio.create_task(unwanted.wait())
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            return starting.done()
        finally:
            await _cancel(starting, stopping)

    async def _start(self) -> None:
        if not self._server.is_running:
            await self._start_server()
        if self._client is None:
            self._client = OpenAIEngine(
                base_url=self._server.base_url, model=self._model, api_key=self._server.api_key, is_managed=True,
                **self._options,
            )  # fmt: skip
            self._client.allow(self._allowed)
            await self._client.connect()

    async def _start_server(self) -> None:
        self._on_note("vLLM starts")
        await self._server.start(lambda waited_s: self._on_note(f"vLLM starts, {waited_s:.0f} s"))
        self._on_note("vLLM is up")

    async def _keep_up(self) -> None:
        """Start the server again when it ends.

        Raises:
            EndpointError: it ended once too often, or does not start again.
        """
        while True:
            await self._server.wait_for_end()
            died = self._server.explain_end("ended in the middle of the run")
            if self._restarts >= self._settings.max_restarts:
                raise died
            self._restarts += 1
            log.warning(
                "vLLM %s; it is started again (%d of %d), what was in flight is tried again; log: %s", died.received,
                self._restarts, self._settings.max_restarts, self._server.log_path,
            )  # fmt: skip
            await self._start_server()

    async def _next(self, replies: AsyncIterator[list[Reply]], watcher: "asyncio.Task[None]") -> list[Reply] | None:
        """Return the next group, None at the end; or raise what ended the server."""
        pulling = asyncio.create_task(_pull(replies))
        try:
            await asyncio.wait({pulling, watcher}, return_when=asyncio.FIRST_COMPLETED)
            if not pulling.done():
                watcher.result()
            return pulling.result()
        except EndpointError as error:
            if watcher.done() or not self._server.is_running:
                raise
            raise self._server.explain_silence(error.received) from error
        finally:
            await _cancel(pulling)


class _Begun:
    """A source of which the first request is taken already."""

    def __init__(self, source: Source, first: Request) -> None:
        self._source = source
        self._first: Request | None = first

    def attach(self, wake: Callable[[int], None]) -> None:
        """See :class:`~flywheel.llm.Source`."""
        self._source.attach(wake)

    def take(self) -> Request | None:
        """Return the next request."""
        first, self._first = self._first, None
        return first or self._source.take()

    @property
    def is_finished(self) -> bool:
        """Whether none will come any more."""
        return self._first is None and self._source.is_finished

    @property
    def is_stopped(self) -> bool:
        """Whether of those taken only what is in flight is still wanted."""
        return self._source.is_stopped


async def _take_first(source: Source) -> Request | None:
    """Return the first request as soon as there is one; None when none comes."""
    news = asyncio.Event()
    source.attach(lambda n: news.set())
    while (first := source.take()) is None and not source.is_finished:
        await news.wait()
        news.clear()
    return first


async def _pull(replies: AsyncIterator[list[Reply]]) -> list[Reply] | None:
    return await anext(replies, None)


async def _cancel(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
