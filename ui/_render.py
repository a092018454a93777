"""A page of a template, in the frame that every page has."""

from typing import Any

from aiohttp import web

from ._keys import GUARD, ME, PAGES, READER


def render(request: web.Request, template: str, here: str, status: int = 200, **values: Any) -> web.Response:
    """Return a page.

    Args:
        here: address of the part of the page that it belongs to.
    """
    frame = {
        "here": here, "csrf": request.app[GUARD].csrf, "me": request.app[ME].removeprefix("human:"),
        "project": request.app[READER].project.root.name, "has_token": bool(request.app[GUARD].token),
    }  # fmt: skip
    text = request.app[PAGES].get_template(template).render(**frame, **values)
    return web.Response(status=status, text=text, content_type="text/html")
