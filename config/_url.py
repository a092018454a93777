"""Addresses of servers, as a recipe or the environment has them."""

from typing import NamedTuple
from urllib.parse import urlsplit


class UrlFault(NamedTuple):
    """What is wrong with an address."""

    expected: str
    received: str
    cure: str


def find_url_fault(url: str) -> UrlFault | None:
    """Return why ``url`` is no address of a server; None when it reads http://host or https://host, with no secret."""
    expected = "an address such as http://localhost:8000/v1"
    cure = "begin with http:// or https://, then the server's name"
    try:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            return UrlFault(
                "an address without a name or password in it", "one with them (not shown)",
                "take them out; secrets come from the environment: OPENAI_API_KEY",
            )  # fmt: skip
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return None
    except ValueError as error:
        return UrlFault(expected, str(error), cure)
    return UrlFault(expected, repr(url), cure)
