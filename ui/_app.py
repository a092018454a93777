"""The application: addresses, the frame of every reply, and errors as pages."""

import asyncio
import html
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from importlib import resources

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined

from ..errors import FlywheelError, NotFoundError, StoreLockedError, UserError
from ._charts import draw_share
from ._guard import HEADERS, LARGEST_BODY, Guard
from ._keys import GUARD, ME, PAGES, READER
from ._reader import Reader, parts_of
from ._render import render
from ._views import add_views
from ._words import (
    mark_differences,
    mark_span,
    short_id,
    write_cell,
    write_clock,
    write_number,
    write_percent,
    write_time,
)

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def make_app(reader: Reader, guard: Guard, judge: str) -> web.Application:
    """Return the application.

    Args:
        reader: of the project.
        guard: who may ask.
        judge: what verdicts of the page's user are filed under, ``human:NAME``.
    """
    app = web.Application(middlewares=[_frame], client_max_size=LARGEST_BODY)
    app[READER], app[GUARD], app[ME], app[PAGES] = reader, guard, judge, _make_pages()
    add_views(app)
    files = _read_static()
    app.router.add_get("/static/{name}", lambda request: _send_static(request, files))
    app.router.add_get("/favicon.ico", lambda _: _send(files, "icon.svg"))

    async def close(_: web.Application) -> None:
        reader.close()

    app.on_cleanup.append(close)
    return app


def _make_pages() -> Environment:
    pages = Environment(
        loader=PackageLoader("flywheel.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(
        num=write_number,
        pct=write_percent,
        when=write_time,
        clock=write_clock,
        short=short_id,
        cell=write_cell,
        span=mark_span,
        diff=mark_differences,
    )
    pages.globals["share"] = draw_share
    return pages


def _read_static() -> dict[str, bytes]:
    """Return the files that are served, by name: there is no path to leave the folder by."""
    folder = resources.files(__package__) / "static"
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.name.rpartition(".")[2] in TYPES}


async def _send_static(request: web.Request, files: dict[str, bytes]) -> web.Response:
    return await _send(files, request.match_info["name"])


async def _send(files: dict[str, bytes], name: str) -> web.Response:
    if name not in files:
        raise web.HTTPNotFound(text="There is no such file.")
    return web.Response(body=files[name], content_type=TYPES[name.rpartition(".")[2]], charset="utf-8")


@web.middleware
async def _frame(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Check first, answer, and put the headers on whatever is answered."""
    try:
        request.app[GUARD].check(request)
        response = await handler(request)
    except web.HTTPException as error:
        response = error if error.status < HTTPStatus.BAD_REQUEST else _show_refusal(error)
    except FlywheelError as error:
        response = _show_error(request, error)
    except asyncio.CancelledError:
        raise
    except Exception:  # the one boundary: a fault of ours is a page, and in the log
        log.exception("the page %s", request.path)
        response = _say(
            HTTPStatus.INTERNAL_SERVER_ERROR, "Something is wrong in flywheel itself; its log has the details."
        )
    response.headers.update(HEADERS)
    return response


def _show_refusal(error: web.HTTPException) -> web.Response:
    status = HTTPStatus(error.status)
    return _say(status, error.text or status.phrase)


def _say(status: HTTPStatus, text: str) -> web.Response:
    name, words = html.escape(status.phrase), html.escape(text)
    body = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<link rel="stylesheet" href="/static/app.css"></head><body><main class="narrow"><h1>{name}</h1><p>{words}</p>'
        '<p><a href="/">Overview</a></p></main></body></html>'
    )
    return web.Response(status=status, text=body, content_type="text/html")


def _show_error(request: web.Request, error: FlywheelError) -> web.Response:
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, NotFoundError):
        status = HTTPStatus.NOT_FOUND
    elif isinstance(error, StoreLockedError):
        status = HTTPStatus.SERVICE_UNAVAILABLE
    elif isinstance(error, UserError):
        status = HTTPStatus.BAD_REQUEST
    if "application/json" in request.headers.get("Accept", ""):
        return web.json_response({"error": parts_of(error)}, status=status)
    return render(request, "error.html", "", status, parts=parts_of(error), phrase=status.phrase)
