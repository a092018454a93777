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
from ._watch import Kept, Watch, list_children

LINK, CHANNEL = 3, 4
"""Descriptors of a program: to its partner, and (the main one's) to us."""

READY = "ready"
"""What a process says when it stands behind its walls."""

Job = dict[str, Any]
Pipes = dict[str, tuple[int, int]]


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
    scratch = "" if walls.has_pid_namespace else walls.scratch
    watch = Watch(first, streams, control, proc, started + limits["wall_s"], job, scratch)
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
        "why": why, "seconds": time.monotonic() - started, "report": told, "peak_kb": watch.peak_kb,
        "stdout": out.parts(), "stderr": err.parts(), "channel": bytes(channel.first),
    }  # fmt: skip


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
    walls.open_scratch(job["limits"]["scratch_bytes"], job["limits"]["files"])
    fault, pids = _start_all(walls, job, pipes)
    report = {"fault": fault} if fault else {"programs": _wait_for(pids)}
    os.write(pipes["report"][1], json.dumps(report).encode())


def _wait_for(pids: list[int]) -> list[dict[str, int | float] | None]:
    """Wait for the last of the programs; return how each ended, None for those that have not."""
    ended: dict[int, dict[str, int | float]] = {}
    while pids[-1] not in ended:
        pid, status, usage = os.wait4(-1, 0)
        if pid in pids:
            ended[pid] = {"status": status, "peak_kb": usage.ru_maxrss, "cpu_s": usage.ru_utime + usage.ru_stime}
    return [ended.get(pid) for pid in pids]


def _start_all(walls: Walls, job: Job, pipes: Pipes) -> tuple[str, list[int]]:
    """Start the programs: none begins before all stand behind their walls. Return what went wrong, and their ids."""
    n = len(job["programs"])
    links = socket.socketpair() if n == 2 else (None, None)
    go = os.pipe()
    started = [_start(walls, job, i, links[i] if n == 2 else None, pipes, go) for i in range(n)]
    for link in links:
        if link is not None:
            link.close()
    for name in ("out", "err", "channel"):
        os.close(pipes[name][1])
    faults = [_read_all(ready) for _, ready in started]
    fault = next((told for told in faults if told != READY), "")
    if not fault:
        os.close(go[1])
    return fault, [pid for pid, _ in started]


def _read_all(fd: int) -> str:
    with os.fdopen(fd, "rb") as stream:
        return stream.read().decode(errors="replace") or "a process ended before its program began"


def _start(
    walls: Walls, job: Job, index: int, link: "socket.socket | None", pipes: Pipes, go: tuple[int, int]
) -> tuple[int, int]:  # fmt: skip
    """Fork a program's process; return its id and the descriptor on which it says that it is ready, or what is wrong.

    Both ends of that line, and of the one it waits on, are shut in it before the program begins: nothing that a program
    writes, and no way to end, is ever taken for our own word.
    """
    ready, told = os.pipe()
    pid = os.fork()
    if pid:
        os.close(told)
        return pid, ready
    code, line = 1, {"told": told, "go": go[0]}
    try:
        work = _enter(walls, job, index, link, pipes, line)
        os.write(line["told"], READY.encode())
        os.close(line.pop("told"))
        os.read(line["go"], 1)
        os.close(line.pop("go"))
        code = work()
    except BaseException as error:  # noqa: BLE001 nothing may climb out into the supervisor's own code
        if "told" in line:
            os.write(line["told"], f"{type(error).__name__}: {error}"[:2000].encode(errors="replace"))
    finally:
        os._exit(code)


def _enter(
    walls: Walls, job: Job, index: int, link: "socket.socket | None", pipes: Pipes, line: dict[str, int]
) -> Callable[[], int]:  # fmt: skip
    """Become the program: its user, folder, descriptors and limits; then close the walls. Return its work.

    Args:
        line: descriptors of ours, kept until the program begins; they are moved.
    """
    program = job["programs"][index]
    if sys.platform == "linux":
        os.setsid()
    walls.switch_user()
    os.umask(0o077)
    os.chdir(walls.scratch)
    if index == 0:
        _write_files(job["fds"][0])
    line.update(_arrange_descriptors(job, index, link, pipes, walls.rules, line))
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


def _arrange_descriptors(
    job: Job, index: int, link: "socket.socket | None", pipes: Pipes, rules: int, line: dict[str, int]
) -> dict[str, int]:  # fmt: skip
    """Give the process the program's standard streams, link, channel, source and rules (see ``Walls``), then ours.

    Returns:
        Where those of ``line`` are now; everything else is closed.
    """
    source, stdin = job["fds"][1 + 2 * index : 3 + 2 * index]
    is_main = index == len(job["programs"]) - 1
    wanted = [stdin, pipes["out"][1], pipes["err"][1], link.fileno() if link else stdin]
    wanted += [pipes["channel"][1] if is_main else stdin, source, *([rules] if rules >= 0 else [])]
    n = len(wanted)
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 64) for fd in (*wanted, *line.values())]  # out of the targets' way
    for target, fd in enumerate(high):
        os.dup2(fd, target, inheritable=target < LINK)
    os.closerange(len(high), 1 << 20)
    if link is None:
        os.close(LINK)
    if not is_main:
        os.close(CHANNEL)
    return dict(zip(line, range(n, len(high)), strict=True))


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
