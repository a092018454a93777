"""What a caller is told when there is no answer: OpenAI's error form, so that its clients raise what they should."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class Refused(Exception):
    """A request that is not answered.

    Args:
        status: HTTP status.
        message: what is wrong and what would be right.
        code: OpenAI's word for it, where there is one.
        param: the key of the body that is at fault.
        retry_after_s: when to come again; 0 = never like this.
    """

    def __init__(
        self, status: int, message: str, *, code: str | None = None, param: str | None = None, retry_after_s: int = 0
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, Any]:
        """Return the body of the reply."""
        kind = _TYPES.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def reply(self, headers: Mapping[str, str] | None = None) -> web.Response:
        """Return the reply."""
        more = dict(headers or {})
        if self.retry_after_s:
            more["Retry-After"] = str(self.retry_after_s)
        if self.status == 401:
            more["WWW-Authenticate"] = "Bearer"
        return web.json_response(self.body(), status=self.status, headers=more)
