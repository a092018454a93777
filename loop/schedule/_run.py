"""``flywheel run`` as a child process of the schedule: its output passed on, signals handed on, its last words kept."""

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from typing import BinaryIO

LINES_KEPT = 40
MESSAGE_CHARS = 2000
STOPPED = "stopped: "
"""So begins what a run says that a rule of its recipe ended: time, or a budget."""
DRAIN_S = 5.0
"""How long to wait for the end of the output of a run that is gone: what it left behind may hold the pipe."""


class ChildRun:
    """A run that was started.

    Its session is its own, so that a terminal's Ctrl-C comes to it once: from the schedule, which hands it on.

    Args:
        command: what to start.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"}, start_new_session=True,
        )  # fmt: skip
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        pipes = ((self._process.stdout, sys.stdout), (self._process.stderr, sys.stderr))
        self._pumps = [threading.Thread(target=self._pump, args=(p, s.buffer), daemon=True) for p, s in pipes]
        for pump in self._pumps:
            pump.start()

    def poll(self) -> int | None:
        """Return the exit code, as a shell would tell it, once the run has ended."""
        code = self._process.poll()
        if code is None:
            return None
        for pump in self._pumps:
            pump.join(DRAIN_S)
        return 128 - code if code < 0 else code

    def send_signal(self, number: int) -> None:
        """Hand a signal on; a run that has ended gets none."""
        self._process.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

    @property
    def last_words(self) -> str:
        """The error, or the rule, that it ended with; without one the last line of its output."""
        lines = [line for line in self._lines if line.strip()]
        starts = [i for i, line in enumerate(lines) if line.startswith(("error: ", STOPPED))]
        return "\n".join(lines[starts[-1] :] if starts else lines[-1:])[:MESSAGE_CHARS]

    def _pump(self, pipe: BinaryIO, to: BinaryIO) -> None:
        with pipe:
            for line in pipe:
                self._lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                try:
                    to.write(line)
                    to.flush()
                except (OSError, ValueError):
                    continue  # nobody reads any more; the run must not wait for a reader
