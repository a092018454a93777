"""Who may ask: the checks that stand before every page.

Guarantees: a name in ``Host`` that is not this server's is refused (DNS rebinding); what changes something needs this page's
own token and no other site's ``Origin`` (cross-site requests); long addresses are 414; every reply forbids inline scripts,
foreign sources and framing. With a token, nothing is shown to who has not given it.
"""

import hmac
import ipaddress
import re
import secrets
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web

from ..errors import RecipeError
from ..net import LOOPBACK_NAMES, is_loopback, name_of

TOKEN_VARIABLE = "FLYWHEEL_UI_TOKEN"
COOKIE = "flywheel_ui"
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*")
LONGEST_ADDRESS = 8000
"""Characters of path and query."""
LARGEST_BODY = 1 << 20
OPEN_PATHS = ("/login", "/static/")
"""What is answered before a token is given."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Guard:
    """The checks of one server.

    Attributes:
        host: the address that it is bound to.
        token: what a visitor has to give; empty = nothing, for loopback only.
        names: further names in ``Host`` that are this server's.
        csrf: what a form of this server's carries.
        session: what the cookie carries once the token was given.
    """

    host: str
    token: str = ""
    names: frozenset[str] = frozenset()
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    session: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def check(self, request: web.Request) -> None:
        """Refuse a request before anything is done for it.

        Raises:
            web.HTTPException: it is refused; or sent to the login.
        """
        if len(request.raw_path) > LONGEST_ADDRESS:
            raise web.HTTPRequestURITooLong(text=f"The address is longer than {LONGEST_ADDRESS} characters.")
        if not self._knows(request.headers.get("Host", "")):
            raise web.HTTPForbidden(text="The name in the address is not this server's.")
        if self.token and not request.path.startswith(OPEN_PATHS) and not self.is_known(request):
            raise web.HTTPSeeOther("/login") if request.method == "GET" else web.HTTPForbidden(text="Log in first.")
        if request.method not in ("GET", "HEAD"):
            self._check_origin(request)

    def is_known(self, request: web.Request) -> bool:
        """Say whether the visitor has given the token."""
        return hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self.session.encode())

    def accepts(self, token: str) -> bool:
        """Compare in a time that does not depend on where the two differ."""
        return bool(self.token) and hmac.compare_digest(token.encode(), self.token.encode())

    def check_form(self, given: str) -> None:
        """Refuse a form that no page of this server's made."""
        if not hmac.compare_digest(given.encode(), self.csrf.encode()):
            raise web.HTTPForbidden(
                text="The form is not of this page, or the server was restarted: load the page again."
            )

    def _check_origin(self, request: web.Request) -> None:
        origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site", "same-origin")
        if site != "same-origin" or (origin is not None and urlsplit(origin).netloc != request.headers.get("Host")):
            raise web.HTTPForbidden(text="The request comes from another site.")

    def _knows(self, name: str) -> bool:
        host = name_of(name).rstrip(".")
        if host in self.names or host in LOOPBACK_NAMES:
            return True
        return not is_loopback(self.host) and _is_address(host)  # an address cannot be rebound


def host_name(name: str) -> str:
    """Return a name of this machine as a ``Host`` header has it: in small letters, in ASCII, without a dot at its end.

    Raises:
        RecipeError: it is an address of a page, has a port, or no header can have it.
    """
    plain = name.strip().strip("[]").rstrip(".").lower()
    with suppress(UnicodeError):
        plain = plain if plain.isascii() else plain.encode("idna").decode()
    if _is_address(plain) or _NAME.fullmatch(plain):
        return plain
    found = name_of(name.strip().partition("://")[2].partition("/")[0] or name.strip().partition("/")[0])
    raise RecipeError(
        f"flywheel ui --allow-host {name}", expected="a name alone, as visitors' addresses have it: without http://, port or path",
        received=repr(name), cure=f"--allow-host {found if _NAME.fullmatch(found) else 'wheel.example'}",
    )  # fmt: skip


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def own_names(host: str, more: Iterable[str]) -> frozenset[str]:
    """Return the names that a server bound to ``host`` answers to, beside loopback's and addresses.

    Raises:
        RecipeError: one of ``more`` is no name, and would never be met.
    """
    here = set() if is_loopback(host) else {socket.gethostname().lower(), socket.getfqdn().lower()}
    return frozenset({host.lower(), *here, *map(host_name, more)})
