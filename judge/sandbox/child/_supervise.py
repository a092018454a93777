"""One run: its programs started behind the walls, watched, and ended with all that they started.

The supervisor is a process of ours between the launcher and the programs. In a PID namespace it is process 1: when it
ends, however it ends, the kernel kills every other process there. It dies with the launcher, which dies with its parent.
"""

# pathlib is left out: every launcher would pay for its import, and descriptors need os in any case.
# ruff: noqa: PTH103, PTH120, PTH123

import contextlib
import fcntl
import json
import math
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from . import _system as s
from ._entries import ENTRIES
from ._walls import Walls

TICK_S = 0.05
FLOOD = 16
"""A program that writes this many times what is kept is ended."""

LINK, CHANNEL = 3, 4
"""Descriptors of a program: to its partner, and (the main one's) to us."""

_PAGE = os.sysconf("SC_PAGE_SIZE")

Job = dict[str, Any]
Pipes = dict[str, tuple[int, int]]


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


def run_job(walls: Walls, job: Job, control: int, proc: int) -> dict[str, Any]:
    """Run the programs of ``job`` until the last of them ends, or a limit is met.

    Args:
        control: the launcher's line to its parent; when it closes, everything ends.
        proc: descriptor of /proc; -1 = none, memory is then limited by process alone.
    """
    limits = job["limits"]
    pipes = {name: os.pipe() for name in ("out", "err", "channel", "report", "life")}
    started = time.monotonic()
    first = _fork_supervisor(walls, job, pipes)
    for fd in job["fds"]:
        os.close(fd)
    for name in ("out", "err", "channel", "report"):
        os.close(pipes[name][1])
    os.close(pipes["life"][0])
    streams = {pipes[name][0]: Kept(limits["output_bytes"]) for name in ("out", "err")}
    streams[pipes["channel"][0]] = Kept(1 << 22)
    streams[pipes["report"][0]] = Kept(1 << 16)
    watch = _Watch(first, streams, control, proc, started + limits["wall_s"], job)
    try:
        why = watch.follow()
    finally:
        _end(walls, first)
    watch.drain()
    os.close(pipes["life"][1])
    for name in ("out", "err", "channel", "report"):
        os.close(pipes[name][0])
    out, err, channel, report = (streams[pipes[n][0]] for n in ("out", "err", "channel", "report"))
    told = json.loads(bytes(report.first) or b"null")
    return {
        "why": why, "seconds": time.monotonic() - started, "programs": told, "peak_kb": watch.peak_kb,
        "stdout": out.parts(), "stderr": err.parts(), "channel": bytes(channel.first),
    }  # fmt: skip


class _Watch:
    """Reads what a run writes, and says when it has to end."""

    def __init__(
        self, first: int, streams: dict[int, Kept], control: int, proc: int, deadline: float, job: Job
    ) -> None:
        self.first, self.streams, self.control, self.proc = first, streams, control, proc
        self.deadline, self.limits = deadline, job["limits"]
        self.programs = len(job["programs"])
        self.peak_kb = 0
        self.report = list(streams)[-1]
        self.poll = select.poll()
        for stream in (*streams, control):
            self.poll.register(stream, select.POLLIN)
        self.open = set(streams)

    def follow(self) -> str:
        """Return why the run ended: "", "timeout", "memory", "processes" or "output"."""
        next_look = time.monotonic() + TICK_S
        while self.report in self.open:
            now = time.monotonic()
            if now >= self.deadline:
                return "timeout"
            if now >= next_look:
                next_look = now + TICK_S
                if why := self._look():
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
        """Look at what the whole run uses now; return which limit it is over."""
        if self.proc < 0:
            return ""
        kb = n_threads = 0
        for pid in list_children(self.proc, self.first):
            memory = read_at(self.proc, f"{pid}/statm").split()
            kb += (int(memory[1]) - int(memory[2])) * _PAGE // 1024 if memory else 0
            told = read_at(self.proc, f"{pid}/stat").rpartition(")")[2].split()
            n_threads += int(told[17]) if told else 0
        self.peak_kb = max(self.peak_kb, kb)
        if kb > self.limits["memory_kb"] * self.programs:
            return "memory"
        return "processes" if n_threads > self.limits["processes"] + self.programs else ""


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
        below = [int(p) for p in read_at(proc, f"{one}/task/{one}/children").split()]
        found += below
        todo += below
    return found


def _end(walls: Walls, first: int) -> None:
    """Kill the supervisor, and what outlives it where there is no namespace to end with it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(first, signal.SIGKILL)
        if sys.platform != "linux":
            os.killpg(first, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(first, 0)
    if not walls.has_pid_namespace:
        _kill_children()


def _kill_children() -> None:
    """End every child: orphans come to us, as their subreaper, until there are none."""
    own = os.getpid()
    with contextlib.suppress(OSError, ChildProcessError):
        proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
        try:
            while True:
                for pid in list_children(proc, own):
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
                if os.waitpid(-1, os.WNOHANG) == (0, 0):
                    time.sleep(0.001)
        finally:
            os.close(proc)


def _fork_supervisor(walls: Walls, job: Job, pipes: Pipes) -> int:
    flags = walls.clone_flags
    pid = walls.system.fork_into(flags) if flags else os.fork()
    if pid == 0:
        code = 1
        try:
            _supervise(walls, job, pipes)
            code = 0
        except BaseException as error:  # noqa: BLE001 the report is the only way out of this process
            fault = f"{type(error).__name__}: {error}"
            os.write(pipes["report"][1], json.dumps({"fault": fault[:2000]}).encode())
        finally:
            os._exit(code)
    return pid


def _supervise(walls: Walls, job: Job, pipes: Pipes) -> None:
    life = pipes["life"][0]
    os.close(pipes["life"][1])
    if sys.platform == "linux":
        walls.system.prctl(s.PR_SET_PDEATHSIG, signal.SIGKILL)
        walls.system.prctl(s.PR_SET_CHILD_SUBREAPER, 1)
    else:
        os.setpgid(0, 0)
    if select.select([life], [], [], 0)[0]:
        os._exit(1)  # the launcher died before it could be said that we go with it
    walls.open_scratch(job["limits"]["scratch_bytes"])
    programs = job["programs"]
    links = socket.socketpair() if len(programs) == 2 else (None, None)
    pids = [_start(walls, job, i, links[i] if len(programs) == 2 else None, pipes) for i in range(len(programs))]
    for link in links:
        if link is not None:
            link.close()
    for name in ("out", "err", "channel"):
        os.close(pipes[name][1])
    ended: dict[int, dict[str, int | float]] = {}
    while pids[-1] not in ended:
        pid, status, usage = os.wait4(-1, 0)
        if pid in pids:
            ended[pid] = {"status": status, "peak_kb": usage.ru_maxrss, "cpu_s": usage.ru_utime + usage.ru_stime}
    os.write(pipes["report"][1], json.dumps([ended.get(pid) for pid in pids]).encode())


def _start(walls: Walls, job: Job, index: int, link: "socket.socket | None", pipes: Pipes) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 125
    try:
        code = _enter(walls, job, index, link, pipes)()
    except BaseException as error:  # noqa: BLE001 nothing may climb out into the supervisor's own code
        fault = f"the sandbox could not start the program: {type(error).__name__}: {error}\n"
        os.write(2, fault.encode(errors="replace"))
    finally:
        os._exit(code)


def _enter(walls: Walls, job: Job, index: int, link: "socket.socket | None", pipes: Pipes) -> Callable[[], int]:
    """Become the program: its user, folder, descriptors and limits; then close the walls. Return its work."""
    program = job["programs"][index]
    if sys.platform == "linux":
        os.setsid()
    walls.switch_user()
    os.umask(0o077)
    os.chdir(walls.scratch)
    if index == 0:
        _write_files(job["fds"][0])
    _arrange_descriptors(job, index, link, pipes, walls.rules)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    work = ENTRIES[program["entry"]](program)
    set_limits(walls, job)
    if sys.platform == "linux":  # after the change of user, which clears it
        walls.system.prctl(s.PR_SET_PDEATHSIG, signal.SIGKILL)
    walls.confine()
    return work


def _write_files(source: int) -> None:
    with os.fdopen(os.dup(source), "rb") as stream:
        files: dict[str, str] = json.loads(stream.read() or b"{}")
    for name, text in files.items():
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        with open(name, "x", encoding="utf-8", errors="surrogateescape", newline="") as stream_out:
            stream_out.write(text)


def _arrange_descriptors(job: Job, index: int, link: "socket.socket | None", pipes: Pipes, rules: int) -> None:
    """Give the program its standard streams, link, channel, source and rules (see ``Walls``), and nothing else."""
    source, stdin = job["fds"][1 + 2 * index : 3 + 2 * index]
    is_main = index == len(job["programs"]) - 1
    wanted = [stdin, pipes["out"][1], pipes["err"][1], link.fileno() if link else stdin]
    wanted += [pipes["channel"][1] if is_main else stdin, source, *([rules] if rules >= 0 else [])]
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64) for fd in wanted]  # out of the way of the targets
    for target, fd in enumerate(high):
        os.dup2(fd, target, inheritable=target < LINK)
    os.closerange(len(high), 1 << 20)
    if link is None:
        os.close(LINK)
    if not is_main:
        os.close(CHANNEL)


def set_limits(walls: Walls, job: Job) -> None:
    """Set the limits that the kernel keeps for each process, and the number of processes."""
    limits = job["limits"]
    cpu = math.ceil(limits["cpu_s"])
    _limit("RLIMIT_CPU", cpu, cpu + 1)
    _limit("RLIMIT_AS", limits["memory_kb"] * 1024)
    _limit("RLIMIT_FSIZE", limits["file_bytes"])
    _limit("RLIMIT_NOFILE", limits["open_files"])
    for name in ("RLIMIT_CORE", "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_RTPRIO"):
        _limit(name, 0)
    if walls.user is not None or walls.uncounted:
        _limit("RLIMIT_NPROC", limits["processes"] + walls.uncounted + len(job["programs"]) - 1)


def _limit(name: str, soft: int, hard: int | None = None) -> None:
    number = getattr(resource, name, None)
    if number is None:
        return
    highest = resource.getrlimit(number)[1]
    wanted = [soft, soft if hard is None else hard]
    if highest != resource.RLIM_INFINITY:
        wanted = [min(value, highest) for value in wanted]
    with contextlib.suppress(ValueError, OSError):  # a kernel without this limit
        resource.setrlimit(number, (wanted[0], wanted[1]))
