"""Addresses that are listened on, names that a request gives, and the token that an open address demands."""

import os
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..errors import RecipeError

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def name_of(host: str) -> str:
    """Return the name in a ``Host`` header, without its port and in small letters; empty when there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def read_token(command: str, host: str, variable: str) -> str:
    """Return the token of the environment; empty where there is none and only this machine reaches ``host``.

    Raises:
        RecipeError: others reach it, and there is none.
    """
    token = os.environ.get(variable, "")
    if not token and not is_loopback(host):
        raise RecipeError(
            f"{command} --host {host}", expected=f"a token in the environment variable {variable}: others can reach this address",
            received="none", cure=f"export {variable}=$(openssl rand -hex 24), or leave --host out and use an SSH tunnel",
        )  # fmt: skip
    return token
