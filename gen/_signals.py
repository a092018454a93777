"""Ctrl-C and SIGTERM while rows flow."""

import asyncio
import logging
import signal
import threading
from typing import Protocol

from ._progress import Stop

log = logging.getLogger(__name__)


class Stoppable(Protocol):
    """What can be told to send nothing more."""

    def stop(self, why: Stop) -> None:
        """Finish what is in flight."""
        ...


class StopSignals:
    """Ctrl-C or SIGTERM once: finish what is in flight, save, end. Twice: now."""

    def __init__(self, flow: Stoppable) -> None:
        self._flow = flow
        self._count = 0

    def __enter__(self) -> None:
        self._is_main = threading.current_thread() is threading.main_thread()
        if self._is_main:
            self._task = asyncio.current_task()
            now = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
            self._before = {number: handler for number, handler in now.items() if handler is not signal.SIG_IGN}
            for number in self._before:  # a shell's background job ignores Ctrl-C, and goes on to
                asyncio.get_running_loop().add_signal_handler(number, self._on_signal, number)

    def __exit__(self, *exc: object) -> None:
        if self._is_main:
            for number, handler in self._before.items():
                asyncio.get_running_loop().remove_signal_handler(number)
                signal.signal(number, handler)

    def _on_signal(self, number: int) -> None:
        self._count += 1
        if self._count == 1:
            log.warning("stopping: what is in flight is finished and kept; once more to stop now")
            self._flow.stop(Stop(f"stopped by {signal.Signals(number).name}", number))
        elif self._task is not None:
            self._task.cancel()
