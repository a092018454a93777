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
            try:
                if not walls.has_pid_namespace:
                    empty(scratch)
            finally:
                _reply(control, result)
    except (EOFError, OSError):  # the parent is gone, or a scratch folder that cannot be emptied: no more runs here
        pass
    finally:
        if not walls.has_pid_namespace:
            _remove(scratch, base)


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


def empty(folder: str) -> None:
    """Remove all that is in ``folder``, however deep it is nested, following no link.

    Folders below folders are moved up before they are removed, so that no depth meets a limit.
    """
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while entries := list(os.scandir(root)):
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.name, dir_fd=root)
                    continue
                os.chmod(entry.name, 0o700, dir_fd=root)
                below = os.open(entry.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
                for inner in list(os.scandir(below)):
                    if inner.is_dir(follow_symlinks=False):
                        os.chmod(inner.name, 0o700, dir_fd=below)
                        os.rename(inner.name, os.urandom(12).hex(), src_dir_fd=below, dst_dir_fd=root)
                    else:
                        os.unlink(inner.name, dir_fd=below)
                os.close(below)
                os.rmdir(entry.name, dir_fd=root)
    finally:
        os.close(root)


def _remove(scratch: str, base: str) -> None:
    with contextlib.suppress(OSError):
        empty(scratch)
        os.rmdir(scratch)
    with contextlib.suppress(OSError):
        os.rmdir(base)
