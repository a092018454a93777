"""Server-sent events."""

from typing import Any

import orjson
from aiohttp import web

DONE = b"data: [DONE]\n\n"


def make_stream() -> web.StreamResponse:
    """Return a reply of events that has not begun."""
    return web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})


async def open_stream(http: web.Request) -> web.StreamResponse:
    """Begin a reply of events."""
    reply = make_stream()
    await reply.prepare(http)
    return reply


def as_event(value: dict[str, Any]) -> bytes:
    """Return one event."""
    return b"data: " + orjson.dumps(value) + b"\n\n"
