"""What an address may ask of a page; what it does not know is refused, since a filter that is left out silently shows other rows."""

import difflib
from typing import NoReturn

from aiohttp import web

from ..errors import InputError

LONGEST_VALUE = 500
"""Characters of a value that is looked for."""


def check_names(request: web.Request, allowed: tuple[str, ...]) -> None:
    """Refuse names that the page does not know.

    Raises:
        InputError: there is one.
    """
    for name in request.query:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, 1)
            refuse(
                request,
                name,
                f"one of {', '.join(allowed)}" if allowed else "nothing behind the ?",
                name,
                f"{near[0]}=…" if near else "leave it out",
            )


def read_number(request: web.Request, name: str, default: int) -> int:
    """Return a whole number of the address; the default where it is empty or not there.

    Raises:
        InputError: it is something else.
    """
    text = request.query.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        refuse(request, name, "a whole number of at most 15 digits", text)
    return int(text)


def read_choice(request: web.Request, name: str, allowed: tuple[str, ...], default: str) -> str:
    """Return one of the words that are allowed; the default where it is empty or not there.

    Raises:
        InputError: it is another.
    """
    value = request.query.get(name, "") or default
    if value != default and value not in allowed:
        refuse(request, name, f"one of {', '.join(allowed)}", value)
    return value


def read_text(request: web.Request, name: str) -> str:
    """Return a text to look for.

    Raises:
        InputError: it is too long.
    """
    value = request.query.get(name, "")
    if len(value) > LONGEST_VALUE:
        refuse(request, name, f"at most {LONGEST_VALUE} characters", f"{len(value):,}", "look for less")
    return value


def refuse(request: web.Request, name: str, expected: str, received: str, cure: str = "") -> NoReturn:
    """Refuse an address.

    Raises:
        InputError: always.
    """
    raise InputError(
        f"address {request.path}, {name[:80]}",
        expected=expected,
        received=repr(received[:80]),
        cure=cure or "one of these, or leave it out",
    )
