"""The page that asks for the token, where one is demanded."""

from aiohttp import web

from ._guard import COOKIE
from ._keys import GUARD, PAGES


def add_login(app: web.Application) -> None:
    """Add the login."""
    app.router.add_get("/login", show_login)
    app.router.add_post("/login", log_in)


async def show_login(request: web.Request) -> web.Response:
    """Ask for the token."""
    return _render(request, 200, "")


async def log_in(request: web.Request) -> web.StreamResponse:
    """Compare the token, and set the cookie."""
    form = await request.post()
    guard = request.app[GUARD]
    guard.check_form(str(form.get("csrf", "")))
    if not guard.accepts(str(form.get("token", ""))):
        return _render(request, 403, "That is not the token.")
    response = web.HTTPSeeOther("/")
    response.set_cookie(COOKIE, guard.session, httponly=True, samesite="Strict", path="/")
    return response


def _render(request: web.Request, status: int, note: str) -> web.Response:
    text = request.app[PAGES].get_template("login.html").render(csrf=request.app[GUARD].csrf, note=note)
    return web.Response(status=status, text=text, content_type="text/html")
