"""Why an attempt failed, and what that means for the next one."""

import asyncio
import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from ..errors import EndpointError
from ._address import Address

BASE_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
RAW_KEPT_CHARS = 4000
RETRIED = (408, 409, 425, 429)
ENDPOINT_STATUS = (401, 403, 404)


@dataclass(frozen=True)
class Fault:
    """One failed attempt.

    Attributes:
        text: what happened, in a few words.
        status: HTTP status, when there was one.
        raw: the body that could not be used.
        retry_after_s: what the server asks for.
        is_unreachable: no connection at all.
    """

    text: str
    status: int | None = None
    raw: str | None = None
    retry_after_s: float | None = None
    is_unreachable: bool = False
    is_exhausted: bool = False
    """HTTP 429 for a used-up quota: waiting does not help."""

    @property
    def is_refusal(self) -> bool:
        """Refused for load: says nothing against the request."""
        return self.status == 429 and not self.is_exhausted

    @property
    def is_endpoint(self) -> bool:
        """Every other request would meet it too."""
        return self.is_unreachable or self.is_exhausted or self.status in ENDPOINT_STATUS

    @property
    def is_final(self) -> bool:
        """Trying the same again cannot help."""
        return self.status is not None and self.status not in RETRIED and 300 <= self.status < 500

    @property
    def is_transient(self) -> bool:
        """The request itself gave no cause for it."""
        return not self.is_final and self.raw is None

    def pause_s(self, failures: int) -> float:
        """Seconds to wait before the next try: what the server asks for, else exponential, with jitter."""
        if self.retry_after_s is not None:
            return min(self.retry_after_s, LONGEST_PAUSE_S) * random.uniform(1.0, 1.1)
        return min(BASE_PAUSE_S * 2.0 ** (failures - 1), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)


def fault_of_status(status: int, retry_after: str | None, body: bytes) -> Fault:
    """Return the fault of an HTTP status other than 200."""
    exhausted = status == 429 and b"insufficient_quota" in body
    note = ": quota used up" if exhausted else ""
    raw = body[:RAW_KEPT_CHARS].decode("utf-8", "replace") if 400 <= status < 500 and status not in RETRIED else None
    return Fault(f"HTTP {status}{note}", status, raw, _read_retry_after(retry_after), is_exhausted=exhausted)


def fault_of_error(error: BaseException) -> Fault:
    """Return the fault of a failed connection."""
    import aiohttp

    unreachable = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ServerTimeoutError) and not isinstance(
        error, aiohttp.SocketTimeoutError
    )
    name = "time-out" if isinstance(error, asyncio.TimeoutError) else type(error).__name__
    return Fault(f"{name}: {error}".strip(": ")[:300], is_unreachable=unreachable)


def fault_of_body(text: str, raw: bytes) -> Fault:
    """Return the fault of a reply with status 200 that is no chat completion."""
    return Fault(f"malformed reply: {text}"[:300], raw=raw[:RAW_KEPT_CHARS].decode("utf-8", "replace"))


def _read_retry_after(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def refusal(address: Address, fault: Fault) -> EndpointError:
    """Return the error that ends a stream."""
    cure = "start the server or set OPENAI_BASE_URL, then give the same command again: answered requests are kept"
    if fault.status in (401, 403):
        cure = "set OPENAI_API_KEY to a key that this endpoint accepts"
    elif fault.status == 404:
        cure = "check the path of OPENAI_BASE_URL (it usually ends in /v1) and engine.model"
    elif fault.is_exhausted:
        cure = "add credit at the provider, then give the same command again: answered requests are kept"
    return EndpointError(
        f"endpoint {address.name}", expected="an OpenAI-compatible server that answers", received=fault.text, cure=cure
    )
