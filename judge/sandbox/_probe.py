"""Which isolation works here: each is tried with a program that tries to break out, never assumed."""

import contextlib
import functools
import json
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from ...errors import SandboxError
from ._launcher import Launcher, LauncherFault
from ._types import RUNGS, Isolation, Report, RungReport

PLACE = "sandbox"
NEEDED = ("files", "network", "processes")

_INTRUDER = """
import json, os, socket, sys
secret, folder, port, pid = json.loads(sys.stdin.read())

def reads():
    for path in (secret, "/etc/passwd"):
        try:
            open(path).read()
            return True
        except OSError:
            pass
    try:
        os.listdir(os.path.dirname(secret))
        return True
    except OSError:
        return False

def writes():
    for path in (os.path.join(folder, "x"), "/tmp/.flywheel-probe", "/x"):
        try:
            open(path, "w").close()
            return True
        except OSError:
            pass
    return False

def connects():
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False

def signals():
    if pid not in (1, os.getpid()):
        try:
            os.kill(pid, 15)
        except OSError:
            pass
    return os.path.exists(f"/proc/{pid}/environ") and bool(open(f"/proc/{pid}/environ").read())

def attempt(work):
    try:
        return work()
    except OSError:
        return False

print(json.dumps([attempt(w) for w in (reads, writes, connects, signals)]))
"""


@functools.cache
def probe() -> Report:
    """Try every isolation, and return what holds; some tenths of a second, the first time."""
    return Report(tuple(probe_rung(rung) for rung in RUNGS))


@functools.cache
def probe_rung(isolation: Isolation) -> RungReport:
    """Try one isolation with a program that reads, writes, connects and signals where it must not."""
    if sys.platform != "linux":
        return RungReport(isolation, False, False, False, f"{sys.platform} is not Linux")
    try:
        launcher = Launcher(isolation)
    except (LauncherFault, OSError) as error:
        return RungReport(isolation, False, False, False, str(error))
    with contextlib.closing(launcher):
        try:
            return _try(launcher, isolation)
        except (LauncherFault, ValueError, KeyError, OSError) as error:
            return RungReport(isolation, False, False, False, f"a trial program did not run: {error}")


def _try(launcher: Launcher, isolation: Isolation) -> RungReport:
    from ._run import _bounds
    from ._types import Limits

    bystander = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    with bystander, tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        secret = Path(folder) / "secret"
        secret.write_text("secret")
        told = json.dumps([str(secret), folder, server.getsockname()[1], bystander.pid])
        program = {"entry": "script", "source": _INTRUDER, "stdin": told}
        reply, streams = launcher.run([program], {}, _bounds(Limits(wall_s=5, memory_mb=256)))
        hit = _ends(bystander)
        bystander.kill()
        if not streams[0]:
            raise ValueError((streams[2] or json.dumps(reply["report"]).encode()).decode(errors="replace")[-300:])
        reads, writes, connects, signals = json.loads(streams[0])
    holds = {"files": not (reads or writes), "network": not connects, "processes": not (signals or hit)}
    broken = [what for what, held in holds.items() if not held]
    return RungReport(isolation, **holds, fault=f"a trial program got through: {', '.join(broken)}" if broken else "")


def _ends(process: "subprocess.Popen[bytes]") -> bool:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(timeout=0.05) is not None
    return False


def choose(isolation: Isolation) -> Isolation:
    """Return the rung to run at.

    Raises:
        SandboxError: it does not work here; for ``auto``: none does.
    """
    if isolation == "none":
        return isolation
    if isolation != "auto":
        if (tried := probe_rung(isolation)).works:
            return isolation
        raise _refuse([tried], f"isolation {isolation!r}")
    for rung in RUNGS:  # the first that works: what is below it need not be tried
        if probe_rung(rung).works:
            return rung
    raise _refuse(list(probe().rungs), "a machine that can isolate programs")


def _refuse(tried: list[RungReport], expected: str) -> SandboxError:
    told = "; ".join(f"{rung.isolation}: {rung.fault or 'works'}" for rung in tried)
    return SandboxError(
        "running untrusted programs",
        expected=f"{expected}: no reading or writing outside ({NEEDED[0]}), no {NEEDED[1]}, no other {NEEDED[2]} in reach",
        received=told,
        cure="a Linux kernel from 5.13 with Landlock, or user namespaces (sysctl user.max_user_namespaces; in a container "
        "see docs/sandbox.md); isolation 'none' runs programs with your own rights, and only limits",
    )
