"""Server-sent events."""

from typing import Any

import orjson
from aiohttp import web

DONE = b"data: [DONE]\n\n"


async def open_stream(http: web.Request) -> web.StreamResponse:
    """Begin a reply of events."""
    reply = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
    await reply.prepare(http)
    return reply


def as_event(value: dict[str, Any]) -> bytes:
    """Return one event."""
    return b"data: " + orjson.dumps(value) + b"\n\n"
