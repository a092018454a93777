"""The routes, and what every request goes through: guard, limits, errors in OpenAI's form, figures."""

import asyncio
import logging
import time
from collections.abc import Sequence

from aiohttp import web

from ..config import ServeConfig
from ..errors import SystemRefusedError
from ._calls import Call, read_call
from ._figures import CONTENT_TYPE, Figures
from ._guard import Guard, Handler
from ._record import ServedLog, as_row
from ._refused import Refused
from ._switch import Switch

log = logging.getLogger(__name__)

ALIAS = "champion"
BODY_TIMEOUT_S = 60.0
BUSY_RETRY_S = 2
PATHS = ("/health", "/metrics", "/v1/models", "/v1/chat/completions", "/v1/completions")


class App:
    """Serves one switch.

    Args:
        switch: who answers.
        config: the limits.
        guard: who may ask.
        figures: what is counted.
        record: where served prompts are kept; None = nowhere.
    """

    def __init__(
        self, switch: Switch, config: ServeConfig, guard: Guard, figures: Figures, record: ServedLog | None
    ) -> None:
        self._switch, self._config, self._guard, self._figures, self._record = switch, config, guard, figures, record
        self._began = int(time.time())
        self.in_flight = 0
        self.is_ending = False

    def make(self) -> web.Application:
        """Return the application."""
        app = web.Application(middlewares=[self._watch_over], client_max_size=self._config.most_body_bytes)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{name}", self._model)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._complete)
        return app

    # --- what every request goes through -----------------------------------------------------------------------

    @web.middleware
    async def _watch_over(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        began, status = time.monotonic(), 500
        try:
            self._guard.check(request)
            reply = await handler(request)
            status = reply.status
            return reply
        except Refused as refused:
            status = refused.status
            return refused.reply()
        except web.HTTPException as error:
            status = error.status
            return _in_our_form(error, self._config.most_body_bytes)
        except ConnectionResetError:
            status = (
                499  # whoever asked is gone, or the engine is, in the middle of a stream: no end that looks like one
            )
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=status)
        except Exception:
            log.exception("a request failed")
            return Refused(500, "the engine failed; see the server's log").reply()
        finally:
            path = request.path if request.path in PATHS else "other"
            self._figures.requests.labels(path=path, status=str(status)).inc()
            self._figures.seconds.observe(time.monotonic() - began)

    # --- routes ------------------------------------------------------------------------------------------------

    async def _health(self, request: web.Request) -> web.Response:
        current = self._switch.current
        if self.is_ending or current is None or not current.is_running:
            state = "ending" if self.is_ending else "loading"
            return web.json_response({"status": state}, status=503, headers={"Retry-After": "5"})
        return web.json_response({"status": "ok"})

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._figures.render(), headers={"Content-Type": CONTENT_TYPE})

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [self._describe(n) for n in self._names()]})

    async def _model(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self._require_model(name)
        return web.json_response(self._describe(name))

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, is_chat=True)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, is_chat=False)

    # --- inside ------------------------------------------------------------------------------------------------

    async def _answer(self, request: web.Request, *, is_chat: bool) -> web.StreamResponse:
        if self.is_ending:
            raise Refused(503, "the server is ending", retry_after_s=10)
        if self.in_flight >= self._config.most_requests:
            raise Refused(
                429, f"{self.in_flight} requests are in flight (serve.most_requests)", code="rate_limit_exceeded",
                retry_after_s=BUSY_RETRY_S,
            )  # fmt: skip
        self.in_flight += 1
        self._figures.in_flight.set(self.in_flight)
        try:
            raw = await self._read_body(request)
            call = read_call(raw, is_chat=is_chat, most_choices=self._config.most_choices)
            async with self._switch.use() as backend:
                self._require_model(call.model, backend.checkpoint_id)
                keep = _Keeper(call, backend.checkpoint_id, self._record, self._figures)
                return await backend.respond(call, request, keep)
        finally:
            self.in_flight -= 1
            self._figures.in_flight.set(self.in_flight)

    async def _read_body(self, request: web.Request) -> bytes:
        if (request.content_length or 0) > self._config.most_body_bytes:
            raise web.HTTPRequestEntityTooLarge(self._config.most_body_bytes, request.content_length or 0)
        try:
            return await asyncio.wait_for(request.read(), BODY_TIMEOUT_S)
        except TimeoutError:
            raise Refused(408, f"the body did not come within {BODY_TIMEOUT_S:g} s") from None

    def _names(self) -> list[str]:
        current = self._switch.current
        return [] if current is None else [current.checkpoint_id, ALIAS]

    def _require_model(self, name: str, serving: str | None = None) -> None:
        names = self._names() if serving is None else [serving, ALIAS]
        if name not in names:
            told = f"no model {name[:100]!r} here; there is {' and '.join(names) or 'none yet'}"
            raise Refused(404, told, code="model_not_found", param="model")

    def _describe(self, name: str) -> dict[str, object]:
        return {"id": name, "object": "model", "created": self._began, "owned_by": "flywheel"}


class _Keeper:
    """Counts a reply's tokens, and keeps it where the recipe says so."""

    def __init__(self, call: Call, model: str, record: ServedLog | None, figures: Figures) -> None:
        self._call, self._model, self._record, self._figures = call, model, record, figures

    async def __call__(self, replies: Sequence[Sequence[str]], prompt_tokens: int, completion_tokens: int) -> None:
        self._figures.tokens.labels(kind="prompt").inc(prompt_tokens)
        self._figures.tokens.labels(kind="completion").inc(completion_tokens)
        if self._record is None:
            return
        tools = self._call.body.get("tools")
        rows = [as_row(p, r, self._model, tools) for p, r in zip(self._call.prompts, replies, strict=True)]
        try:
            await asyncio.to_thread(self._record.write, rows)
        except SystemRefusedError as error:  # whoever asked gets the answer all the same
            self._figures.failures.labels(what="log").inc()
            log.error("served, but not kept: %s", error)


def _in_our_form(error: web.HTTPException, most_bytes: int) -> web.Response:
    told = {
        404: "no such path",
        405: "no such method here",
        413: f"the body is larger than {most_bytes} bytes (serve.most_body_bytes)",
    }
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return Refused(error.status, told.get(error.status, error.reason)).reply(headers)
