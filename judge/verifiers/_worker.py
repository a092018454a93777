"""A helper process for work that may take for ever: its time limit holds in every thread.

It is started at the first job, kept for the next ones, and started again after one that took too long. It ends when our end
of its pipe closes: also after ``kill -9``.
"""

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from ._verifier import CannotJudge

GRACE_S = 1.0
"""How long a process may take to end of itself."""

_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from child._main import main; main()"


class Worker:
    """One helper process, asked by one thread at a time.

    Args:
        task: a module of :mod:`.child` with a function ``work``.
        limit_s: processor time of a job, in seconds.
    """

    def __init__(self, task: str, limit_s: float) -> None:
        self.limit_s = limit_s
        self._task = task
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0

    def ask(self, *job: Any) -> Any:
        """Return what ``work(*job)`` returns.

        Raises:
            CannotJudge: it took too long, or too much memory.
            ChildProcessError: the process cannot be started, or the work failed.
        """
        with self._lock:
            if self._process is None or self._owner != os.getpid():  # a fork may not share its parent's pipes
                self._start()
            return self._exchange(json.dumps(job))

    def _start(self) -> None:
        command = [sys.executable, "-P", "-X", "utf8", "-c", _START, str(Path(__file__).parent), self._task]
        self._process = subprocess.Popen(
            [*command, str(self.limit_s)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, encoding="utf-8",
        )  # fmt: skip
        self._owner = os.getpid()
        atexit.register(self.close)
        self._receive()

    def _exchange(self, line: str) -> Any:
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        return self._receive()

    def _receive(self) -> Any:
        assert self._process is not None and self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._end()
            if code == -signal.SIGPROF:
                raise CannotJudge("timed out", f"takes more than {self.limit_s:g} s")
            raise ChildProcessError(f"the {self._task.strip('_')} process ended with {code}")
        reply = json.loads(line)
        if "fault" in reply:
            raise ChildProcessError(reply["fault"])
        if reply.get("too_large"):
            raise CannotJudge("too large", "takes more memory, or is nested deeper, than a verifier may")
        return reply["value"]

    def close(self) -> None:
        """End the process; a later job starts another."""
        if self._process is not None and self._owner == os.getpid():
            self._end()

    def _end(self) -> int:
        process, self._process = self._process, None
        assert process is not None and process.stdin is not None and process.stdout is not None
        atexit.unregister(self.close)
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            return process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
        finally:
            process.stdout.close()
