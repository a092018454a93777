"""Serving the page: one process, until a signal ends it."""

import asyncio
import webbrowser
from collections.abc import Callable, Sequence

from aiohttp import web

from ..errors import RecipeError
from ..net import Told, listen, read_token, run_until_signal
from ..store import Project
from ._app import make_app
from ._decisions import fold
from ._guard import TOKEN_VARIABLE, Guard, own_names
from ._people import check_name
from ._reader import Reader

COMMAND = "flywheel ui"
FEWEST_SIGNS = 16
"""Of a token."""
FOLD_EVERY_S = 2.0


def serve(
    project: Project, host: str, port: int, *, name: str, names: Sequence[str], opens: bool, say: Callable[[str], None]
) -> int:
    """Serve the page of a project until SIGINT or SIGTERM; return which it was.

    Args:
        project: with a store.
        host: address to be reached at; other than loopback only with a token.
        port: 0 = any that is free.
        name: who looks: verdicts are filed under it.
        names: further names that visitors may use for this machine.
        opens: start a browser.
        say: told where the page is.

    Raises:
        RecipeError: the port is taken, the token is missing or too short, a name is none.
        StoreLockedError: another program holds the store.
    """
    token = read_token(COMMAND, host, TOKEN_VARIABLE)
    check_token(token)
    judge = check_name(name)
    reader = Reader(project)
    reader.store.upgrade()
    guard = Guard(host, token, own_names(host, names))
    return run_until_signal(lambda told: _serve(reader, guard, judge, port, opens, say, told))


def check_token(token: str) -> None:
    """Refuse a token that can be guessed.

    Raises:
        RecipeError: it is short.
    """
    if token and len(token) < FEWEST_SIGNS:
        raise RecipeError(
            TOKEN_VARIABLE,
            expected=f"{FEWEST_SIGNS} signs or more",
            received=f"{len(token)}",
            cure="openssl rand -hex 24 makes one",
        )


async def _serve(
    reader: Reader, guard: Guard, judge: str, port: int, opens: bool, say: Callable[[str], None], told: Told
) -> int:
    runner = web.AppRunner(
        make_app(reader, guard, judge), access_log=None, max_line_size=1 << 16, max_field_size=1 << 14
    )
    await runner.setup()
    folding = asyncio.create_task(_fold_now_and_then(reader))
    try:
        url = await listen(runner, COMMAND, guard.host, port, RecipeError) + "/"
        say(url)
        if opens:
            await asyncio.to_thread(webbrowser.open, url)
        return await told.get()
    finally:
        folding.cancel()
        await runner.cleanup()


async def _fold_now_and_then(reader: Reader) -> None:
    """Take decisions in that met a busy store."""
    while True:
        await asyncio.sleep(FOLD_EVERY_S)
        await asyncio.to_thread(fold, reader, 0.0)
