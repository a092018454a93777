"""Which model answers now, and how another takes its place: requests in flight finish where they began."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from aiohttp import web

from ..errors import FlywheelError
from ._calls import Call
from ._refused import Refused

log = logging.getLogger(__name__)

Keep = Callable[[list[list[str]], int, int], Awaitable[None]]
"""Puts the replies of each prompt on record, with the tokens of prompts and replies; awaited before a reply ends."""


class Backend(Protocol):
    """One checkpoint with an engine."""

    checkpoint_id: str
    fits_beside: bool
    """Whether another one is expected to find room while this one is loaded."""

    @property
    def is_running(self) -> bool:
        """Whether it can answer."""
        ...

    async def start(self) -> None:
        """Load it.

        Raises:
            FlywheelError: it cannot be loaded.
        """
        ...

    async def respond(self, call: Call, http: web.Request, keep: Keep) -> web.StreamResponse:
        """Answer a request.

        Raises:
            Refused: it cannot be answered.
        """
        ...

    async def close(self) -> None:
        """Free it; nothing is in flight any more."""
        ...


class _Slot:
    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.n = 0
        self.idle = asyncio.Event()
        self.idle.set()

    def enter(self) -> None:
        self.n += 1
        self.idle.clear()

    def leave(self) -> None:
        self.n -= 1
        if not self.n:
            self.idle.set()


class Switch:
    """Hands requests to the current backend. A backend that is replaced is closed when its last request has ended."""

    def __init__(self) -> None:
        self._slot: _Slot | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._retired: set[asyncio.Task[None]] = set()

    @property
    def current(self) -> Backend | None:
        """Who answers; None before the first is loaded."""
        return self._slot.backend if self._slot else None

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Backend]:
        """Keep the current backend while the block runs; while one has to go before the other can come, wait.

        Raises:
            Refused: the first model is not loaded yet.
        """
        await self._open.wait()
        slot = self._slot
        if slot is None:
            raise Refused(503, "the model is being loaded; try again in some seconds", retry_after_s=5)
        slot.enter()
        try:
            yield slot.backend
        finally:
            slot.leave()

    async def switch_to(self, backend: Backend) -> None:
        """Load a backend, then give it all further requests.

        Raises:
            FlywheelError: it cannot be loaded; the former one goes on.
        """
        old = self._slot
        try:
            await backend.start()
        except FlywheelError:
            if old is None or old.backend.fits_beside:
                raise
            log.info("%s does not fit beside %s, which ends first", backend.checkpoint_id, old.backend.checkpoint_id)
            await self._replace(old, backend)
            return
        self._slot = _Slot(backend)
        if old is not None:
            self._retire(old)

    async def close(self) -> None:
        """Free everything, once nothing is in flight."""
        if self._slot is not None:
            self._retire(self._slot)
        await asyncio.gather(*self._retired)

    async def _replace(self, old: _Slot, backend: Backend) -> None:
        """Let new requests wait, end the old backend when it is idle, and start the other; or the old one again."""
        self._open.clear()
        try:
            await old.idle.wait()
            await old.backend.close()
            try:
                await backend.start()
            except FlywheelError:
                await old.backend.start()
                raise
            self._slot = _Slot(backend)
        finally:
            self._open.set()

    def _retire(self, slot: _Slot) -> None:
        async def end() -> None:
            await slot.idle.wait()
            await slot.backend.close()
            log.info("%s has answered its last request", slot.backend.checkpoint_id)

        task = asyncio.create_task(end())
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)
