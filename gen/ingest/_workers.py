"""Worker processes that convert files: one that hangs, dies or needs too much memory costs its file and is replaced."""

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from ...errors import StageError
from ..convert import _worker

FILES_A_WORKER = 500
"""After so many files a worker is replaced: parsers leak."""
BLOCK_BYTES = 1 << 18
_SECRETS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "CREDENTIAL")
_START = "import sys; sys.path.insert(0, sys.argv[1]); from convert._worker import main; main()"
"""The worker's package is imported by itself: it must not wait for the store's libraries."""

Answer = dict[str, Any]


class Workers:
    """A pool that grows to as many workers as threads ask at once.

    Args:
        timeout_s: most seconds for one file.
        memory_mb: most memory of a worker, in MiB.
    """

    def __init__(self, *, timeout_s: float, memory_mb: int) -> None:
        self.timeout_s = timeout_s
        self.memory_mb = memory_mb
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._all: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def ask(self, job: Answer) -> Answer:
        """Return the worker's answer to ``job``, or ``{"refused": reason}`` where it gives none. Any thread may ask.

        Raises:
            StageError: workers cannot be started.
        """
        worker = self._take()
        answer = worker.ask(job, self.timeout_s)
        if "refused_by_death" not in answer and worker.n_files < FILES_A_WORKER:
            self._idle.put(worker)
            return answer
        self._discard(worker)
        reason = answer.pop("refused_by_death", None)
        return {"refused": reason, "raw": None} if reason else answer

    def kill(self) -> None:
        """End all workers, also those at work: whoever waits for one is told that it died. No more can be asked."""
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.kill()

    def close(self) -> None:
        """Clean up, when nobody waits for a worker any more."""
        self.kill()
        for worker in self._all:
            worker.stop()

    def _take(self) -> "_Worker":
        with contextlib.suppress(queue.Empty):
            while True:
                worker = self._idle.get_nowait()
                if worker.alive:
                    return worker
                self._discard(worker)
        with self._lock:
            if self._closed:
                raise RuntimeError("the workers are closed")
            worker = _Worker(self.timeout_s, self.memory_mb)
            self._all.add(worker)
        return worker

    def _discard(self, worker: "_Worker") -> None:
        with self._lock:
            self._all.discard(worker)
        worker.stop()


class _Worker:
    def __init__(self, timeout_s: float, memory_mb: int) -> None:
        self.n_files = 0
        self._memory_mb = memory_mb
        folder = Path(_worker.__file__).parents[1]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _START, str(folder), str(timeout_s), str(memory_mb)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            process_group=0,
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, job: Answer, timeout_s: float) -> Answer:
        assert self._process.stdin is not None
        self.n_files += 1
        try:
            self._process.stdin.write(json.dumps(job).encode() + b"\n")
            self._process.stdin.flush()
            line = self._read_line(time.monotonic() + timeout_s)
        except TimeoutError:
            self.stop()
            return {"refused_by_death": f"took longer than {timeout_s:g} s"}
        except OSError:
            line = b""
        if line:
            answer: Answer = json.loads(line)
            return answer
        return {"refused_by_death": _cause_of_death(self._process.wait(), self._memory_mb)}

    def _read_line(self, deadline: float) -> bytes:
        """Return the next line; nothing when the worker is dead.

        Raises:
            TimeoutError: the deadline came first.
        """
        assert self._process.stdout is not None
        fd, parts = self._process.stdout.fileno(), bytearray()
        while not parts.endswith(b"\n"):
            ready, _, _ = select.select([fd], [], [], max(deadline - time.monotonic(), 0.0))
            if not ready:
                raise TimeoutError
            block = os.read(fd, BLOCK_BYTES)
            if not block:
                return b""
            parts += block
        return bytes(parts)

    def kill(self) -> None:
        self._process.kill()

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


def _environment() -> dict[str, str]:
    """Return the environment without secrets, and with one thread a process for what computes."""
    kept = {k: v for k, v in os.environ.items() if not any(word in k.upper() for word in _SECRETS)}
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def _cause_of_death(code: int, memory_mb: int) -> str:
    """Return why a worker died of a file.

    Raises:
        StageError: it did not: it could not start.
    """
    if code >= 0:
        raise StageError(
            "ingest worker",
            expected="a process that converts files",
            received=f"it ended with code {code} before it could",
            cure=f"check that `{sys.executable} -c 'import lxml'` works, and that --memory-mb {memory_mb} is enough",
        )
    if code == -signal.SIGKILL:
        return "parser was killed (out of memory?)"
    return f"parser crashed ({signal.Signals(-code).name})"
