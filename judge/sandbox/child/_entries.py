"""What a process behind the walls does: run a script, answer for a program, test one, grade, or become a command.

Each entry is called before the walls close and returns the work, which is done behind them and gives the exit status.
Texts come by descriptor (:data:`SOURCE`), never through the launcher's memory, so that no program finds another's text
or its own tests there.
"""

# pathlib is left out: every launcher would pay for its import, and descriptors need os in any case.
# ruff: noqa: PTH109, SIM115

import atexit
import contextlib
import json
import linecache
import os
import signal
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any

from ._peer import Peer, ProgramEnded, RemoteProgram, describe
from ._tests import run_tests

SOURCE, LINK, CHANNEL = 5, 3, 4
FILE = "program.py"

Work = Callable[[], int]
Program = dict[str, Any]


def read_source() -> str:
    """Read the text of this process's program, and close its descriptor."""
    with os.fdopen(SOURCE, "rb") as stream:
        return stream.read().decode("utf-8", "surrogateescape")


def _script(program: Program) -> Work:
    source = read_source()
    return lambda: _ended(lambda: run_module(source, "__main__"))


def _argv(program: Program) -> Work:
    argv = json.loads(read_source())
    home = os.getcwd()
    environment = {"PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8"}

    def become() -> int:
        try:
            os.execvpe(argv[0], argv, environment)
        except OSError as error:
            os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        return 127

    return become


def _answer(program: Program) -> Work:
    source = read_source()

    def serve() -> int:
        peer = Peer(LINK, {})
        try:
            peer.names = names = run_module(source, "program")
        except BaseException as error:  # noqa: BLE001 whatever the program raises is its answer
            peer.send({"failed": describe(error)})
            return 1
        peer.send({"names": [name for name in names if isinstance(name, str)]})
        while True:
            peer.answer(peer.receive())

    return lambda: _ended(serve)


def _tests(program: Program) -> Work:
    spec = json.loads(read_source())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program beside it may send it
    return lambda: _ended(lambda: run_tests(spec, Peer(LINK, None), CHANNEL))


def _grader(program: Program) -> Work:
    spec = json.loads(read_source())
    nonce = spec.pop("nonce")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program beside it may send it

    def work() -> None:
        told = {"nonce": nonce, **_grade(spec)}
        os.write(CHANNEL, b"\n" + json.dumps(told).encode() + b"\n")

    return lambda: _ended(work)


def _grade(spec: Program) -> dict[str, Any]:
    """Return the score that ``grade`` gives, or its error and whether that came from the program's process."""
    try:
        given = [spec["sample"], spec["item"]]
        if spec["has_program"]:
            given.append(RemoteProgram(Peer(LINK, None)))
        return {"score": float(run_module(spec["source"], "grader")["grade"](*given))}
    except BaseException as error:  # noqa: BLE001 a grader's fault is data
        is_remote = isinstance(error, ProgramEnded) or hasattr(error, "line")
        return {"error": getattr(error, "line", None) or describe(error)["line"], "by_program": is_remote}


ENTRIES: dict[str, Callable[[Program], Work]] = {
    "script": _script, "argv": _argv, "answer": _answer, "tests": _tests, "grader": _grader,
}  # fmt: skip


def run_module(source: str, name: str) -> dict[str, Any]:
    """Run ``source`` as a module of its own, and return its names."""
    module = types.ModuleType(name)
    sys.modules[name] = module
    linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
    exec(compile(source, FILE, "exec"), module.__dict__)
    return module.__dict__


def _ended(work: Callable[[], Any]) -> int:
    """Do ``work`` on fresh standard streams, end as an interpreter would, and return the exit status."""
    _open_streams()
    code = 0
    try:
        code = _run(work)
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001 as the interpreter does at its end
        _print_error()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()
    return code


def _run(work: Callable[[], Any]) -> int:
    try:
        work()
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return (error.code or 0) & 0xFF
        print(error.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001 the program's last resort is ours
        _print_error()
        return 1
    return 0


def _print_error() -> None:
    """Print the traceback from the program's first frame on."""
    with contextlib.suppress(BaseException):
        kind, error, trace = sys.exc_info()
        while trace is not None and trace.tb_frame.f_code.co_filename != FILE and trace.tb_next is not None:
            trace = trace.tb_next
        traceback.print_exception(kind, error, trace, file=sys.stderr)


def _open_streams() -> None:
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", errors="surrogateescape", closefd=False)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = open(  # type: ignore[misc]
        2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )
    sys.argv = [FILE]
    for name in ("HOME", "TMPDIR"):
        os.environ[name] = os.getcwd()
