"""A run as seen from outside: what it writes, and what it uses."""

import contextlib
import os
import select
import time
from typing import Any

from ._scratch import measure

TICK_S = 0.05
FLOOD = 16
"""A program that writes this many times what is kept is ended."""
LEISURE, LONGEST_LEISURE_S = 10, 0.2
"""Measuring the scratch folder takes one part in so many of the time; more, where the next look would be further away."""

_MEMORY = ("RssAnon", "VmSwap", "HugetlbPages")
_NUMBERS = (*_MEMORY, "RssShmem", "Threads")


class Kept:
    """The first and the last part of a stream."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.first = bytearray()
        self.last = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        """Take what came."""
        self.total += len(data)
        room = max(self.limit - self.limit // 2 - len(self.first), 0)
        self.first += data[:room]
        self.last += data[room:]
        if len(self.last) > self.limit:
            del self.last[: len(self.last) - self.limit // 2]

    def parts(self) -> tuple[bytes, int, bytes]:
        """Return the first part, how many bytes were left out, and the last part."""
        last = bytes(self.last) if self.total <= self.limit else bytes(self.last[-(self.limit // 2) :])
        return bytes(self.first), self.total - len(self.first) - len(last), last


class Watch:
    """Reads what a run writes, and says when it has to end.

    Args:
        first: the supervisor's process id.
        streams: what is read; the last is the report, at whose end the run is over.
        control: the launcher's line to its parent.
        proc: descriptor of /proc; -1 = none.
        deadline: when the time is up, on the monotonic clock.
        job: the run's limits and programs.
        scratch: folder that has to be measured; "" = none.
    """

    def __init__(
        self, first: int, streams: dict[int, Kept], control: int, proc: int, deadline: float, job: dict[str, Any],
        scratch: str,
    ) -> None:  # fmt: skip
        self.first, self.streams, self.control, self.proc = first, streams, control, proc
        self.deadline, self.limits, self.scratch = deadline, job["limits"], scratch
        self.programs = len(job["programs"])
        self.peak_kb = 0
        self.next_measure = 0.0
        self.report = list(streams)[-1]
        self.poll = select.poll()
        for stream in (*streams, control):
            self.poll.register(stream, select.POLLIN)
        self.open = set(streams)

    def follow(self) -> str:
        """Return why the run ended: "", "timeout", "memory", "processes", "files" or "output"."""
        next_look = time.monotonic() + TICK_S
        while self.report in self.open:
            now = time.monotonic()
            if now >= self.deadline:
                return "timeout"
            if now >= next_look:
                next_look = now + TICK_S
                if why := self._look() or self._look_at_files():
                    return why
            for stream, _ in self.poll.poll(max(min(next_look, self.deadline) - now, 0) * 1000 + 1):
                if stream == self.control:
                    raise EOFError("the parent is gone")
                self._read(stream)
                if self.streams[stream].total > FLOOD * self.streams[stream].limit:
                    return "output"
        return ""

    def drain(self) -> None:
        """Read what is left; the writers are dead."""
        for stream in list(self.open):
            os.set_blocking(stream, False)
            with contextlib.suppress(BlockingIOError):
                while stream in self.open:
                    self._read(stream)

    def _read(self, stream: int) -> None:
        data = os.read(stream, 65536)
        if data:
            self.streams[stream].add(data)
        else:
            self.poll.unregister(stream)
            self.open.discard(stream)

    def _look(self) -> str:
        """Look at the memory and threads of the whole run; return which limit it is over."""
        if self.proc < 0:
            return ""
        pids = list_children(self.proc, self.first)
        told = [read_status(self.proc, pid) for pid in pids]
        own = sum(one.get(name, 0) for one in told for name in _MEMORY)
        shared = sum(one.get("RssShmem", 0) for one in told)
        most = self.limits["memory_kb"] * self.programs
        if shared and own + shared > most:  # what several processes share counts once
            shared = sum(min(read_shared(self.proc, p), o.get("RssShmem", 0)) for p, o in zip(pids, told, strict=True))
        self.peak_kb = max(self.peak_kb, own + shared)
        if own + shared > most:
            return "memory"
        n_threads = sum(one.get("Threads", 0) for one in told)
        return "processes" if n_threads > self.limits["processes"] + self.programs else ""

    def _look_at_files(self) -> str:
        now = time.monotonic()
        if not self.scratch or now < self.next_measure:
            return ""
        n, size = measure(self.scratch, self.limits["files"])
        if self.proc >= 0:
            size += measure_deleted(self.proc, list_children(self.proc, self.first), self.scratch)
        self.next_measure = time.monotonic() + min(LEISURE * (time.monotonic() - now), LONGEST_LEISURE_S)
        return "files" if n > self.limits["files"] or size > self.limits["scratch_bytes"] else ""


def read_status(proc: int, pid: int) -> dict[str, int]:
    """Return the numbers of ``/proc/PID/status`` that are looked at: kB, counts; empty when the process is gone.

    Its other lines may hold whatever the program called itself.
    """
    found = {}
    for line in read_at(proc, f"{pid}/status").split("\n"):
        name, _, value = line.partition(":")
        if name in _NUMBERS:
            found[name] = int(value.split()[0])
    return found


def read_shared(proc: int, pid: int) -> int:
    """Return a process's part of the memory that it shares, in kB; without bound where that cannot be read."""
    for line in read_at(proc, f"{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss_Shmem:"):
            return int(line.split()[1])
    return 1 << 62


def read_at(folder: int, path: str) -> str:
    """Read a file below the descriptor of a folder; empty when it is gone."""
    try:
        file = os.open(path, os.O_RDONLY, dir_fd=folder)
    except OSError:
        return ""
    try:
        return os.read(file, 1 << 16).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(file)


def list_children(proc: int, pid: int) -> list[int]:
    """Return the processes below ``pid``, those of theirs too."""
    found: list[int] = []
    todo = [pid]
    while todo:
        one = todo.pop()
        threads = _list(proc, f"{one}/task")  # a child is listed under the thread that forked it
        below = [int(p) for tid in threads for p in read_at(proc, f"{one}/task/{tid}/children").split()]
        found += below
        todo += below
    return found


def measure_deleted(proc: int, pids: list[int], folder: str) -> int:
    """Return the bytes on the disk of ``folder`` of files that have no name any more, and are open still."""
    disk = os.stat(folder).st_dev  # noqa: PTH116
    found = {}
    for pid in pids:
        for name in _list(proc, f"{pid}/fd"):
            with contextlib.suppress(OSError):
                told = os.stat(f"{pid}/fd/{name}", dir_fd=proc)
                if told.st_dev == disk and told.st_nlink == 0:
                    found[told.st_ino] = told.st_blocks * 512
    return sum(found.values())


def _list(folder: int, path: str) -> list[str]:
    """List a folder below the descriptor of another; nothing when it is gone."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=folder)
    except OSError:
        return []
    try:
        return os.listdir(opened)  # noqa: PTH208
    except OSError:
        return []
    finally:
        os.close(opened)
