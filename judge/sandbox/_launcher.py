"""The parent's side of a launcher, and the pool of idle ones.

A launcher is ``python -P -s -S`` with an environment of our own, told of runs over a socket. It is kept between runs,
since putting the walls up costs many times a run, and ends when our end of the socket closes: also after ``kill -9``.
"""

import atexit
import contextlib
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ._types import Isolation
from .child._scratch import empty

START_TIMEOUT_S = 30.0
GRACE_S = 30.0
"""How long after its wall time a run may still take to be cleared away."""

CLEAR_S = 1.0
"""How long emptying the scratch folder of a run is waited for. Its launcher goes on with it, and another takes its place."""
MOST_ENDING = 8
"""Launchers that clear up at a time; with more, the oldest is waited for, so that no batch of programs fills the disk."""

_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from child._main import main; main()"
_SEALS = 0x1 | 0x2 | 0x4 | 0x8
"""No more seals, no shrinking, no growing, no writing."""
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
}  # fmt: skip

Reply = tuple[dict[str, Any], list[bytes]]


class LauncherFault(Exception):
    """A launcher does not start, or is gone."""


class Launcher:
    """One launcher process.

    Args:
        isolation: the rung, never ``auto``.
        packages: folders outside the interpreter that programs may read and import from.

    Raises:
        LauncherFault: the rung cannot be put up; the message says why.
    """

    def __init__(self, isolation: Isolation, packages: Sequence[str] = ()) -> None:
        self._base = Path(tempfile.mkdtemp(prefix="flywheel-sandbox-"))
        self._base.chmod(0o711)
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = self._start(theirs.fileno(), isolation, packages)
            except OSError as error:
                ours.close()
                self._base.rmdir()
                raise LauncherFault(f"{sys.executable} does not start: {error}") from error
        self._socket = ours
        self._socket.settimeout(START_TIMEOUT_S)
        try:
            told, _ = self._receive()
        except LauncherFault:
            raise LauncherFault(self._explain()) from None
        if "fault" in told:
            self.close()
            raise LauncherFault(told["fault"])
        self.may_fork = bool(told["may_fork"])
        self.is_done = False
        """Its last run left so much behind that it takes no more: it clears up, and ends."""
        if isolation.endswith("namespace"):
            self._base.rmdir()  # its programs have a folder in memory

    def _start(self, link: int, isolation: Isolation, packages: Sequence[str]) -> "subprocess.Popen[bytes]":
        code = str(Path(__file__).parent)
        command = [sys.executable, "-P", "-s", "-S", "-X", "utf8", "-c", _START, code, isolation]
        return subprocess.Popen(
            [*command, str(link), str(self._base), *packages], pass_fds=[link], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", env=_ENVIRONMENT, start_new_session=True,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def run(self, programs: list[dict[str, Any]], files: dict[str, str], limits: dict[str, Any]) -> Reply:
        """Run programs; return what the launcher tells, and the kept streams as bytes.

        Raises:
            LauncherFault: the launcher is gone.
        """
        texts = [json.dumps(files), *(p[key] for p in programs for key in ("source", "stdin"))]
        job = {"programs": [{"entry": p["entry"]} for p in programs], "limits": limits}
        data = json.dumps(job).encode()
        self._socket.settimeout(limits["wall_s"] + GRACE_S)
        with contextlib.ExitStack() as stack:
            fds = [stack.enter_context(_held(text)) for text in texts]
            try:
                socket.send_fds(self._socket, [struct.pack("IH", len(data), len(fds))], fds)
                self._socket.sendall(data)
            except OSError as error:
                raise LauncherFault(str(error)) from None
        told, streams = self._receive()
        self.is_done = "is_last" in told
        return told, streams

    def close(self) -> None:
        """End the launcher and all that it runs; return when it has cleared away."""
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        if self._process.returncode is None:
            self._process.kill()
            self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()
        self._clear()

    def let_go(self) -> None:
        """Leave the launcher to clear up by itself, and to end then."""
        self._socket.close()
        if self._process.stderr:
            self._process.stderr.close()
        thread = threading.Thread(target=self._process.wait, daemon=True, name="sandbox-end")
        thread.start()
        _ENDING[:] = [*(t for t in _ENDING if t.is_alive()), thread]
        if len(_ENDING) > MOST_ENDING:
            _ENDING[0].join(GRACE_S)

    def _clear(self) -> None:
        """Remove what a launcher that was killed left, for :data:`CLEAR_S` at most."""
        with contextlib.suppress(OSError):
            if empty(str(self._base), CLEAR_S):
                self._base.rmdir()

    def forget(self) -> None:
        """Let go in a forked child: the launcher is the parent's."""
        self._socket.close()
        self._process.returncode = 0

    def _receive(self) -> Reply:
        (size,) = struct.unpack("I", self._read(4))
        told: dict[str, Any] = json.loads(self._read(size))
        return told, [self._read(n) for n in told.get("sizes", ())]

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            try:
                part = self._socket.recv(min(size - len(data), 1 << 20))
            except OSError as error:
                raise LauncherFault(str(error)) from None
            if not part:
                raise LauncherFault("it ended")
            data += part
        return bytes(data)

    def _explain(self) -> str:
        self._socket.close()
        try:
            _, err = self._process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, err = self._process.communicate()
        self._clear()
        lines = err.decode(errors="replace").strip().splitlines() or ["nothing"]
        return f"the launcher ended with {self._process.returncode}: {lines[-1]}"


@contextlib.contextmanager
def _held(text: str) -> Iterator[int]:
    """A read-only descriptor of ``text``, on no disk where the system has memory files."""
    data = text.encode("utf-8", "surrogateescape")
    if not data:
        fd = os.open(os.devnull, os.O_RDONLY)
    elif hasattr(os, "memfd_create"):
        fd = _in_memory(data)
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            fd = os.open(file.name, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def _in_memory(data: bytes) -> int:
    memory = os.memfd_create("flywheel", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(memory, view) :]
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
        return os.open(f"/proc/self/fd/{memory}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(memory)


_ENDING: list[threading.Thread] = []


class Pool:
    """Idle launchers by kind; one is taken for a run and given back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[tuple[Isolation, tuple[str, ...]], list[Launcher]] = {}

    @contextlib.contextmanager
    def borrow(self, isolation: Isolation, packages: tuple[str, ...]) -> Iterator[Launcher]:
        """Take an idle launcher or start one; it comes back unless the block raises."""
        key = (isolation, packages)
        with self._lock:
            idle = self._idle.get(key)
            launcher = idle.pop() if idle else None
        launcher = launcher or Launcher(isolation, packages)
        try:
            yield launcher
        except BaseException:
            launcher.close()
            raise
        if launcher.is_done:
            launcher.let_go()
            return
        with self._lock:
            self._idle.setdefault(key, []).append(launcher)

    def close(self) -> None:
        """End all idle launchers."""
        for launcher in self._take_all():
            launcher.close()

    def forget(self) -> None:
        """Start anew in a forked child: its parent's launchers are not its own."""
        self._lock = threading.Lock()
        for launcher in self._take_all():
            launcher.forget()

    def _take_all(self) -> list[Launcher]:
        with self._lock:
            taken = [launcher for idle in self._idle.values() for launcher in idle]
            self._idle.clear()
        return taken


POOL = Pool()
atexit.register(POOL.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL.forget)
