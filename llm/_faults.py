"""Why an attempt failed, and what that means for the next one."""

import asyncio
import random
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from ..errors import EndpointError
from ._address import Address

BASE_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
FLOOR = 0.1
"""Shortest pause after a refusal that asks for none, as a multiple of ``BASE_PAUSE_S``; doubled each time."""
RAW_KEPT_CHARS = 4000
SAID_CHARS = 300
RETRIED = (408, 409, 425, 429)
ENDPOINT_STATUS = (401, 402, 403, 404)
AWAY_STATUS = (502, 503, 504)
_SCHEMA_WORDS = re.compile(r"response.?format|json.?schema|structured.?output|guided|grammar|schema", re.IGNORECASE)


@dataclass(frozen=True)
class Fault:
    """One failed attempt.

    Attributes:
        text: what happened, in a few words.
        status: HTTP status, when there was one.
        raw: the body that could not be used, whatever its status.
        retry_after_s: what the server asks for.
        is_unreachable: no connection at all.
        said: the sentence in which the server says what is wrong.
    """

    text: str
    status: int | None = None
    raw: str | None = None
    retry_after_s: float | None = None
    is_unreachable: bool = False
    is_exhausted: bool = False
    """A used-up quota or credit: waiting does not help."""
    said: str = ""

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
        return not self.is_final and not self.is_malformed

    @property
    def is_malformed(self) -> bool:
        """Status 200, and no chat completion."""
        return self.status is None and self.raw is not None

    @property
    def names_schema(self) -> bool:
        """Whether the server complains of the JSON schema, or of the parameter that holds it."""
        return _SCHEMA_WORDS.search(self.raw or "") is not None

    @property
    def kind(self) -> str:
        """What tells it from faults of another kind."""
        return self.text.partition(":")[0]

    @property
    def told(self) -> str:
        """What happened, and what the server says of it."""
        return f"{self.text}: {self.said}" if self.said else self.text

    def pause_s(self, failures: int, longest_s: float = LONGEST_PAUSE_S) -> float:
        """Seconds to wait before the next try: what the server asks for, else exponential, with jitter.

        A server that asks for too little, and refuses again, is given longer each time.
        """
        if self.retry_after_s is not None:
            floor_s = FLOOR * BASE_PAUSE_S * 2.0 ** min(failures - 1, 6)
            return min(max(self.retry_after_s, floor_s), longest_s) * random.uniform(1.0, 1.1)
        return min(BASE_PAUSE_S * 2.0 ** (failures - 1), LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)


def fault_of_status(status: int, retry_after: str | None, body: bytes) -> Fault:
    """Return the fault of an HTTP status other than 200."""
    exhausted = status == 402 or (status == 429 and b"insufficient_quota" in body)
    note = ": quota used up" if exhausted and status == 429 else ""
    raw = body[:RAW_KEPT_CHARS].decode("utf-8", "replace") or None
    return Fault(
        f"HTTP {status}{note}",
        status,
        raw,
        _read_retry_after(retry_after),
        is_exhausted=exhausted,
        said=read_message(body),
    )


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
    return Fault(
        f"malformed reply: {text}"[:300], raw=raw[:RAW_KEPT_CHARS].decode("utf-8", "replace"), said=read_message(raw)
    )


def read_message(body: bytes) -> str:
    """Return the sentence in which a server says what is wrong: out of its JSON, else the text of its page."""
    try:
        found = _find_message(orjson.loads(body))
    except orjson.JSONDecodeError:
        page = body[: 10 * RAW_KEPT_CHARS].decode("utf-8", "replace")
        found = re.sub(r"(?is)<(script|style)\b.*?</\1>|<[^>]*>", " ", page)
    return " ".join(found.split())[:SAID_CHARS]


def _find_message(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return next((said for one in value if (said := _find_message(one))), "")
    if isinstance(value, dict):
        return next((said for k in ("error", "message", "detail", "msg") if (said := _find_message(value.get(k)))), "")
    return ""


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


_AGAIN = "then give the same command again: answered requests are kept"


def refusal(address: Address, fault: Fault) -> EndpointError:
    """Return the error that ends a stream."""
    expected, cure = _explain(fault)
    return EndpointError(
        f"endpoint {address.name}", expected=expected, received=address.redact(fault.told), cure=f"{cure}, {_AGAIN}"
    )


def _explain(fault: Fault) -> tuple[str, str]:
    """Return what was expected, and the cure."""
    if fault.is_exhausted:
        return "an account with credit", "add credit at the provider"
    if fault.status in (401, 403):
        return "a key that it accepts", "set OPENAI_API_KEY to a key that this endpoint accepts"
    if fault.status == 404:
        return (
            "a path and a model that it serves",
            "check the path of the address (it usually ends in /v1), and engine.model",
        )
    if fault.is_refusal:
        return "requests let through", "wait until its limit allows more, or raise engine.patience_s"
    if fault.is_final:
        return (
            "requests that it accepts",
            "mend what it names (engine.model, engine.extra_body, max_tokens, the prompt)",
        )
    if fault.is_malformed:
        return "chat completions in JSON", "check that the address is that of the API (it usually ends in /v1)"
    if fault.status is not None and fault.status not in AWAY_STATUS:
        return "a server that answers", "mend what it names; its own log may say more"
    return "an OpenAI-compatible server that answers", "start the server or set OPENAI_BASE_URL"
