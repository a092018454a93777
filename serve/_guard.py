"""Who may ask, and how much: checked before a body is read.

A page in the user's browser can send requests to this machine, also under a name of its own that points here (DNS
rebinding). So on loopback only the machine's own names are served, a request that comes from another site is refused
wherever it is served, and bodies have to say that they are JSON, which no form of another site can.
"""

import hmac
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from ..net import LOOPBACK_NAMES, is_loopback, name_of
from ._refused import Refused

OPEN = "/health"
"""Asked without a token by whoever watches over the process: it tells nothing but that it lives."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Guard:
    """Refuses what should not be here.

    Args:
        host: the address that is listened on.
        token: what callers have to show; empty = nothing, on loopback.
    """

    def __init__(self, host: str, token: str) -> None:
        self._names = {*LOOPBACK_NAMES, host.strip("[]")} if is_loopback(host) else None
        self._token = token.encode()

    def check(self, request: web.Request) -> None:
        """Let a request pass.

        Raises:
            Refused: it may not.
        """
        self._check_host(request.headers.getall("Host", []))
        self._check_origin(request)
        if self._token and request.path != OPEN:
            self._check_token(request.headers.get("Authorization", ""))
        if request.method == "POST" and request.content_type != "application/json":
            raise Refused(415, "the body is to be of Content-Type application/json")

    def _check_host(self, given: list[str]) -> None:
        if self._names is not None and (len(given) != 1 or name_of(given[0]) not in self._names):
            raise Refused(403, "the Host header is not one of this machine's own names: localhost or 127.0.0.1")

    def _check_origin(self, request: web.Request) -> None:
        origin, host = request.headers.get("Origin"), request.headers.get("Host", "")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise Refused(403, "requests of other sites are refused (Origin)")
        if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
            raise Refused(403, "requests of other sites are refused (Sec-Fetch-Site)")

    def _check_token(self, given: str) -> None:
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token):
            raise Refused(401, "a token is needed: Authorization: Bearer …", code="invalid_api_key")
