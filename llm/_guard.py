"""Runs a server and sees to its end: ``python _guard.py GRACE_S PROGRAM ARGUMENT …``.

A script of its own, with nothing but the standard library.

Standard input is a pipe whose other end only flywheel holds. When it closes (flywheel closes it, or is gone in whatever
way, ``kill -9`` included) the server gets SIGTERM, and after ``GRACE_S`` seconds SIGKILL, with all that it has started.
The guard ends when nothing of it is left, with the server's exit code (128 + n for signal n). Should the guard itself be
killed, the kernel sends the server SIGTERM (Linux).
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

POLL_S = 0.1
SWEEP_S = 5.0
NOT_STARTED = 127
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36

_asked_to_stop = False


def main() -> int:
    """Run the server that the command line names; return its exit code."""
    grace_s, command = float(sys.argv[1]), sys.argv[2:]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _on_signal)
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else lambda *options: 0
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM),  # safe: one thread, and prctl is resolved
        )  # fmt: skip
    except OSError as error:
        print(f"cannot start {command[0]}: {error.strerror}", file=sys.stderr)
        return NOT_STARTED
    try:
        _wait(server, grace_s)
    finally:
        _sweep(server.pid)
    code = server.returncode
    return code if code >= 0 else 128 - code


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _asked_to_stop
    _asked_to_stop = True


def _wait(server: "subprocess.Popen[bytes]", grace_s: float) -> None:
    """Return when the server has ended, or has had its time to."""
    while server.poll() is None and not _is_over():
        pass
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(grace_s)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _is_over() -> bool:
    """Wait a moment; say whether the server is to end."""
    ready, _, _ = select.select([0], [], [], POLL_S)
    return _asked_to_stop or bool(ready)


def _sweep(group: int) -> None:
    """Kill what is left of the server's group and of its orphans, and wait until it is gone."""
    deadline = time.monotonic() + SWEEP_S
    while time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        for orphan in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.02)


def _children() -> list[int]:
    """Return the processes below this one: the server, and on Linux what it left behind."""
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main())
