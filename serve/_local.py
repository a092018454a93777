"""A checkpoint in this process."""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from ..errors import FlywheelError, InputError, StageError
from ..llm import Answer, LocalEngine, LocalServer, Request, ResolvedModel, Ticket
from ._calls import Call
from ._refused import Refused
from ._replies import Writer
from ._stream import DONE, as_event, open_stream
from ._switch import Keep

log = logging.getLogger(__name__)

BROKEN_OFF = "the engine failed in the middle of this reply; see the server's log"
_Said = tuple[int, str] | None
"""A choice and what it says next; None when all is said."""


class LocalBackend:
    """Answers by transformers, in one thread.

    Args:
        model: which weights, named by their checkpoint id.
        batch_size: most sequences decoded together.
    """

    fits_beside = True

    def __init__(self, model: ResolvedModel, batch_size: int) -> None:
        self.checkpoint_id = model.name
        self._engine = LocalEngine(model)
        self._server = LocalServer(self._engine, batch_size)

    @property
    def is_running(self) -> bool:
        """See :class:`Backend`: a thread does not die."""
        return True

    async def start(self) -> None:
        """See :class:`Backend`."""
        try:
            await asyncio.to_thread(self._server.start)
        except FlywheelError:
            raise
        except Exception as error:
            raise StageError(
                f"checkpoint {self.checkpoint_id}", expected="weights that can be loaded",
                received=f"{type(error).__name__}: {error}", cure="restore its folder from a backup, or: flywheel rollback",
            ) from error  # fmt: skip

    async def close(self) -> None:
        """See :class:`Backend`."""
        await asyncio.to_thread(self._server.close)

    async def respond(self, call: Call, http: web.Request, keep: Keep) -> web.StreamResponse:
        """See :class:`Backend`."""
        call.require_plain()
        writer = Writer(call, self.checkpoint_id)
        if call.is_stream:
            return await self._stream(call, writer, http, keep)
        tickets = [self._server.submit(r) for r in self._requests(call)]
        answers = await _collect(tickets)
        await _keep(keep, answers)
        return web.json_response(writer.whole(answers))

    async def _stream(self, call: Call, writer: Writer, http: web.Request, keep: Keep) -> web.StreamResponse:
        said: asyncio.Queue[_Said] = asyncio.Queue()
        tickets = self._listen(call, said)
        collecting = asyncio.create_task(_collect(tickets))
        collecting.add_done_callback(lambda task: said.put_nowait(None))
        try:
            first = await said.get()
            if first is None:
                await collecting  # what is wrong with the prompt is a plain refusal
            reply = await open_stream(http)
            try:
                await self._speak(reply, call, writer, first, said)
                await self._end(reply, call, writer, await collecting, keep)
            except ConnectionError:
                raise
            except Exception:
                log.exception("a reply broke off")
                await reply.write(as_event(Refused(500, BROKEN_OFF).body()))  # and no [DONE]
            return reply
        finally:
            if not collecting.done():
                collecting.cancel()
            await asyncio.gather(collecting, return_exceptions=True)

    def _listen(self, call: Call, said: "asyncio.Queue[_Said]") -> list[Ticket]:
        loop, n = asyncio.get_running_loop(), call.sampling.n

        def submit(i: int, request: Request) -> Ticket:
            def on_text(draw: int, text: str) -> None:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                    loop.call_soon_threadsafe(said.put_nowait, (i * n + draw, text))

            return self._server.submit(request, on_text)

        return [submit(i, r) for i, r in enumerate(self._requests(call))]

    async def _speak(
        self, reply: web.StreamResponse, call: Call, writer: Writer, first: _Said, said: "asyncio.Queue[_Said]"
    ) -> None:
        for index in range(len(call.prompts) * call.sampling.n):
            if opening := writer.opening(index):
                await reply.write(as_event(opening))
        piece = first
        while piece is not None:
            await reply.write(as_event(writer.piece(*piece)))
            piece = await said.get()

    async def _end(
        self, reply: web.StreamResponse, call: Call, writer: Writer, answers: Sequence[Answer], keep: Keep
    ) -> None:
        await _keep(keep, answers)
        for index, told in enumerate(c for a in answers for c in a.choices):
            await reply.write(as_event(writer.ending(index, told)))
        if call.with_usage:
            await reply.write(as_event(writer.usage(answers)))
        await reply.write(DONE)
        await reply.write_eof()

    def _requests(self, call: Call) -> list[Request]:
        return [
            Request(
                prompt, call.sampling, self._engine.identity, raw_prompt=not call.is_chat, top_logprobs=call.top_logprobs,
                scope=str(i) if i else "",
            )
            for i, prompt in enumerate(call.plain_prompts)
        ]  # fmt: skip


async def _collect(tickets: Sequence[Ticket]) -> list[Answer]:
    """Wait for all answers; when nobody waits any more, their places in the batch are freed.

    Raises:
        Refused: the model cannot take a prompt.
    """
    try:
        return list(await asyncio.gather(*(asyncio.wrap_future(t.future) for t in tickets)))
    except InputError as error:
        code = "context_length_exceeded" if "context window" in error.expected else "invalid_value"
        message = f"{error.place}: expected {error.expected}, received {error.received}; {error.cure}"
        raise Refused(400, message, code=code, param=error.place) from error
    finally:
        for ticket in tickets:
            ticket.cancel()


async def _keep(keep: Keep, answers: Sequence[Answer]) -> None:
    texts: list[list[Any]] = [[c.text for c in a.choices] for a in answers]
    await keep(texts, sum(a.prompt_tokens for a in answers), sum(a.completion_tokens for a in answers))
