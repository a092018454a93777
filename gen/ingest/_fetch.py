"""One URL to one file, within a time and a size."""

import http.client
import time
import urllib.error
import urllib.request
from pathlib import Path

from ... import __version__
from ..convert import Refused

BLOCK_BYTES = 1 << 16
SOCKET_TIMEOUT_S = 10.0


def fetch(url: str, into: Path, *, timeout_s: float, max_bytes: int) -> str | None:
    """Write what ``url`` answers to ``into``; return its media type.

    Redirections are followed, to http and https only.

    Raises:
        Refused: it cannot be had, takes too long or is too large.
    """
    deadline = time.monotonic() + timeout_s
    request = urllib.request.Request(url, headers={"User-Agent": f"flywheel/{__version__}"})
    try:
        with _opener().open(request, timeout=min(timeout_s, SOCKET_TIMEOUT_S)) as answer:
            _save(answer, into, deadline, max_bytes)
            media_type = answer.headers.get("Content-Type")
            return str(media_type) if media_type else None
    except urllib.error.HTTPError as error:
        error.close()
        raise Refused(f"HTTP {error.code}") from None
    except TimeoutError:
        raise Refused("fetching took too long") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        slow = isinstance(reason, TimeoutError)
        raise Refused("fetching took too long" if slow else f"cannot be fetched: {_tell(reason)}") from None


def _tell(reason: object) -> str:
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return str(words).split("\n")[0]


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPRedirectHandler, urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):  # fmt: skip
        opener.add_handler(handler())
    return opener


def _save(answer: http.client.HTTPResponse, into: Path, deadline: float, max_bytes: int) -> None:
    """Copy in blocks as they come: a server that trickles is cut off at the deadline."""
    size = 0
    with into.open("wb") as stream:
        while block := answer.read1(BLOCK_BYTES):
            size += len(block)
            if size > max_bytes:
                raise Refused(f"larger than {max_bytes >> 20} MB")
            if time.monotonic() > deadline:
                raise Refused("fetching took too long")
            stream.write(block)
    if answer.length:
        raise Refused("cannot be fetched: the answer breaks off")
