"""The launcher: a bare interpreter that puts the walls up once and then forks for every run, one at a time.

It starts with a clean environment, so that nothing of its parent is in its memory, talks over one socket, and ends, with
everything that it started, when its parent's end of that socket closes.
"""

# pathlib is left out: every launcher would pay for its import, and descriptors need os in any case.
# ruff: noqa: PTH102, PTH106, PTH112, PTH118

import contextlib
import gc
import json
import os
import signal
import socket
import struct
import sys

from . import _system
from ._scratch import empty
from ._supervise import Job, run_job
from ._walls import LIBRARY, RUNGS, Walls

HEADER = "IH"
"""Length of the message, number of descriptors that come with it."""

COMMON = (
    "bisect", "cmath", "collections", "copy", "datetime", "decimal", "fractions", "functools", "hashlib", "heapq",
    "inspect", "io", "itertools", "math", "operator", "random", "re", "statistics", "string", "sys", "time", "typing",
    "unittest",
)  # fmt: skip
"""Modules that programs often import: loaded once, before any fork."""


def main() -> None:
    """Serve runs until the parent is gone. Arguments: the rung, the socket, the scratch base, extra readable paths."""
    rung, link, base, extra = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    control = socket.socket(fileno=link)
    scratch = os.path.join(base, "scratch")
    try:
        walls, proc = _prepare(rung, extra, scratch)
    except (OSError, ValueError) as error:
        _send(control, {"fault": str(error)})
        _remove(scratch, base)
        return
    _send(control, {"ready": rung, "may_fork": walls.may_fork, "has_user": walls.user is not None})
    try:
        while (job := _receive(control)) is not None:
            result = run_job(walls, job, link, proc)
            if not walls.has_pid_namespace and not _is_emptied(scratch, job["limits"]["clear_s"]):
                result["is_last"] = True
            _reply(control, result)
            if "is_last" in result:
                break
    except (EOFError, OSError):  # the parent is gone
        pass
    finally:
        control.close()  # nobody waits for what is cleared away from here on
        if not walls.has_pid_namespace:
            _remove(scratch, base)


def _is_emptied(scratch: str, within_s: float) -> bool:
    """Empty the scratch folder; where that takes too long or cannot be done, no more runs here."""
    try:
        return empty(scratch, within_s)
    except OSError:
        return False


def _prepare(rung: str, extra: list[str], scratch: str) -> tuple[Walls, int]:
    for name in COMMON:
        with contextlib.suppress(ImportError):
            __import__(name)
    sys.path[:] = [p for p in sys.path if p.startswith(LIBRARY) or p.endswith(".zip")] + extra
    sys.executable = os.path.realpath(sys.executable)
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY) if os.path.isdir("/proc/self") else -1
    walls = RUNGS[rung](_system.System(), extra, scratch)
    if not walls.has_pid_namespace:
        os.mkdir(scratch, 0o700)
    if sys.platform == "linux":
        walls.system.prctl(_system.PR_SET_CHILD_SUBREAPER, 1)
    walls.put_up()
    gc.collect()
    gc.freeze()
    return walls, proc


def _send(control: socket.socket, message: object) -> None:
    data = json.dumps(message).encode()
    control.sendall(struct.pack("I", len(data)) + data)


def _reply(control: socket.socket, result: Job) -> None:
    """Send the result, its streams behind it as raw bytes."""
    blobs = [*result["stdout"][::2], *result["stderr"][::2], result.pop("channel")]
    result["left_out"] = [result.pop("stdout")[1], result.pop("stderr")[1]]
    result["sizes"] = [len(blob) for blob in blobs]
    _send(control, result)
    control.sendall(b"".join(blobs))


def _receive(control: socket.socket) -> Job | None:
    """Wait for a job; None = the parent is gone."""
    data, fds, _, _ = socket.recv_fds(control, struct.calcsize(HEADER), 8)
    if len(data) < struct.calcsize(HEADER):
        return None
    size, _ = struct.unpack(HEADER, data)
    body = bytearray()
    while len(body) < size:
        part = control.recv(size - len(body))
        if not part:
            return None
        body += part
    job: Job = json.loads(body)
    job["fds"] = list(fds)
    return job


def _remove(scratch: str, base: str) -> None:
    with contextlib.suppress(OSError):
        os.nice(19)
        empty(scratch)
        os.rmdir(scratch)
    with contextlib.suppress(OSError):
        os.rmdir(base)
