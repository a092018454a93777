"""A checkpoint on a vLLM server of its own: requests are passed on, replies are passed back."""

import logging
from typing import Any

import aiohttp
import orjson
from aiohttp import web

from ..llm import ResolvedModel, ServerSettings, VllmServer
from ._calls import Call
from ._refused import Refused
from ._stream import DONE, make_stream
from ._switch import Keep

log = logging.getLogger(__name__)

_PASSED_BACK = ("Content-Type", "Retry-After")
AWAY = "the model's server does not answer; it is started again"


class VllmBackend:
    """Answers by a managed vLLM server.

    Args:
        model: which weights, named by their checkpoint id: the server serves them under it.
        settings: how the server is run.
        timeout_s: how long it may be silent.
    """

    fits_beside = False

    def __init__(self, model: ResolvedModel, settings: ServerSettings, timeout_s: float) -> None:
        self.checkpoint_id = model.name
        self._server = VllmServer(model, settings)
        self._timeout = aiohttp.ClientTimeout(total=None, sock_read=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    @property
    def is_running(self) -> bool:
        """See :class:`Backend`."""
        return self._server.is_running

    async def start(self) -> None:
        """See :class:`Backend`."""
        await self._server.start()
        if self._session is None:
            headers = {"Authorization": f"Bearer {self._server.api_key}"}
            self._session = aiohttp.ClientSession(
                headers=headers, timeout=self._timeout, connector=aiohttp.TCPConnector(limit=0)
            )

    async def close(self) -> None:
        """See :class:`Backend`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        await self._server.stop()

    async def respond(self, call: Call, http: web.Request, keep: Keep) -> web.StreamResponse:
        """See :class:`Backend`."""
        assert self._session is not None
        url = self._server.base_url + ("/chat/completions" if call.is_chat else "/completions")
        body = {**call.body, "model": self.checkpoint_id}
        if call.is_stream:
            body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
        try:
            async with self._session.post(
                url, data=orjson.dumps(body), headers={"Content-Type": "application/json"}
            ) as back:
                if call.is_stream and back.status == 200:
                    return await _pass_stream(call, http, back, keep)
                return await _pass_whole(call, back, keep)
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("vLLM: %s", error)
            raise Refused(503, AWAY, retry_after_s=10) from error


async def _pass_whole(call: Call, back: aiohttp.ClientResponse, keep: Keep) -> web.Response:
    raw = await back.read()
    if back.status == 200:
        reply = orjson.loads(raw)
        heard = _Heard(call)
        heard.take(reply)
        await keep(heard.texts, *heard.tokens)
    headers = {k: back.headers[k] for k in _PASSED_BACK if k in back.headers}
    return web.Response(body=raw, status=back.status, headers=headers)


async def _pass_stream(call: Call, http: web.Request, back: aiohttp.ClientResponse, keep: Keep) -> web.StreamResponse:
    """Pass events on as they come; the last one waits until the reply is on record."""
    reply = make_stream()
    heard, rest, is_whole = _Heard(call), b"", False
    async for block in back.content.iter_any():
        *events, rest = (rest + block).replace(b"\r\n", b"\n").split(b"\n\n")
        for event in events:
            is_whole = event.strip() == DONE.strip()
            if is_whole:
                await keep(heard.texts, *heard.tokens)
            if heard.take_event(event) and not call.with_usage:
                continue
            if not reply.prepared:
                await reply.prepare(http)
            await reply.write(event + b"\n\n")
    if not is_whole:
        if not reply.prepared:
            raise Refused(503, AWAY, retry_after_s=10)
        raise ConnectionResetError("vLLM ended in the middle of a reply")  # the caller sees that it is not whole
    await reply.write_eof()
    return reply


class _Heard:
    """What a reply said, for the record and the figures."""

    def __init__(self, call: Call) -> None:
        self._n = call.sampling.n
        self.texts: list[list[str]] = [[""] * self._n for _ in call.prompts]
        self.tokens = (0, 0)

    def take_event(self, event: bytes) -> bool:
        """Take an event; return whether it only counts tokens."""
        if not event.startswith(b"data: {"):
            return False
        try:
            chunk = orjson.loads(event[6:])
        except orjson.JSONDecodeError:
            return False
        self.take(chunk)
        return bool(chunk.get("usage")) and not chunk.get("choices")

    def take(self, reply: dict[str, Any]) -> None:
        """Take a reply or a chunk of one."""
        for choice in reply.get("choices") or ():
            said = choice.get("message") or choice.get("delta") or choice
            text, at = said.get("content") or said.get("text") or "", choice.get("index", 0)
            if at // self._n < len(self.texts):
                self.texts[at // self._n][at % self._n] += text
        if usage := reply.get("usage"):
            self.tokens = (usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)
