"""Ending by a signal."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
Told = asyncio.Queue[int]


def run_until_signal(work: Callable[[Told], Coroutine[Any, Any, int]]) -> int:
    """Run ``work`` in an event loop, and return what it returns: the signal that ended it.

    Args:
        work: is given SIGINT and SIGTERM as they come, from before its first line on.
    """

    async def run() -> int:
        told: Told = asyncio.Queue()
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, told.put_nowait, number)
        return await work(told)

    before = [(number, signal.getsignal(number)) for number in SIGNALS]
    try:
        return asyncio.run(run())
    finally:
        for number, handler in before:  # asyncio puts its own in place and forgets these
            signal.signal(number, handler)
