"""Running programs: one, a command, many, a program with its tests beside it."""

import json
import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import InputError
from ._launcher import CLEAR_S, POOL, LauncherFault
from ._probe import choose
from ._types import Isolation, Limits, Outcome, Program, Reason

PLACE = "sandbox"


def run_python(
    source: str, *, stdin: str = "", files: Mapping[str, str] | None = None, limits: Limits | None = None,
    isolation: Isolation = "auto", packages: Sequence[str | Path] = (),
) -> Outcome:  # fmt: skip
    """Run untrusted Python as ``__main__``, in an empty scratch folder.

    Args:
        source: the program.
        stdin: what it reads.
        files: text files of the scratch folder, by relative path.
        limits: what it may use.
        isolation: ``none`` = no walls: the program can read, write and send what its user can.
        packages: folders that it may also read and import from, such as a site-packages.

    Raises:
        SandboxError: the machine has no isolation, or not the one that was asked for.
        InputError: a file's path leads out of the scratch folder.
    """
    entries = [{"entry": "script", "source": source, "stdin": stdin}]
    return run_entries(entries, files=files, limits=limits, isolation=isolation, packages=packages)


def run_command(
    argv: Sequence[str], *, stdin: str = "", files: Mapping[str, str] | None = None, limits: Limits | None = None,
    isolation: Isolation = "auto", readable: Sequence[str | Path] = (),
) -> Outcome:  # fmt: skip
    """Run an untrusted command; the same as :func:`run_python` in all else.

    Args:
        argv: the command; its first part is looked up on ``/usr/bin:/bin``.
        readable: files and folders that it needs beside the system's shared libraries: the binary itself first.
    """
    entries = [{"entry": "argv", "source": json.dumps(list(argv)), "stdin": stdin}]
    return run_entries(entries, files=files, limits=limits, isolation=isolation, packages=readable)


def may_start_processes(isolation: Isolation = "auto") -> bool:
    """Say whether a program may start others here, as a compiler does; at ``landlock``, and as root without a second user, it may not.

    Raises:
        SandboxError: the machine has no isolation, or not the one that was asked for.
    """
    with POOL.borrow(choose(isolation), ()) as launcher:
        return launcher.may_fork


def run_many(
    programs: Iterable[Program], *, workers: int = 0, limits: Limits | None = None, isolation: Isolation = "auto",
    packages: Sequence[str | Path] = (),
) -> Iterator[Outcome]:  # fmt: skip
    """Run programs side by side; outcomes come in the order of the programs, which may be without end.

    Args:
        workers: runs at a time; 0 = one for each core this process may use.
    """
    n = workers or count_cores()
    waiting: deque[Future[Outcome]] = deque()
    settings: dict[str, Any] = {"limits": limits, "isolation": choose(isolation), "packages": packages}
    with ThreadPoolExecutor(n, thread_name_prefix="sandbox") as threads:
        for program in programs:
            waiting.append(
                threads.submit(run_python, program.source, stdin=program.stdin, files=program.files, **settings)
            )
            if len(waiting) >= 4 * n:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_entries(
    entries: list[dict[str, str]], *, files: Mapping[str, str] | None = None, limits: Limits | None = None,
    isolation: Isolation = "auto", packages: Sequence[str | Path] = (),
) -> Outcome:  # fmt: skip
    """Run one process, or two that are linked; see ``child/_entries.py`` for what they can be.

    A launcher that is lost in mid-run (the system was out of memory, someone killed it) is replaced once.
    """
    rung = choose(isolation)
    checked = {check_path(name): text for name, text in (files or {}).items()}
    bounds = _bounds(limits or Limits())
    extra = tuple(str(Path(p).resolve()) for p in packages)
    fault = ""
    for _ in range(2):
        try:
            with POOL.borrow(rung, extra) as launcher:
                told, streams = launcher.run(entries, checked, bounds)
            return _read_outcome(told, streams, rung, bounds)
        except LauncherFault as error:
            fault = str(error)
    return Outcome("sandbox", None, None, "", f"the launcher was lost twice: {fault}", 0.0, 0.0, rung)


def check_path(name: str) -> str:
    """Return a file's name when it stays in the scratch folder.

    Raises:
        InputError: it does not.
    """
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
        cure = "name it by a relative path without '..'"
        raise InputError(PLACE, expected="a file in the scratch folder", received=repr(name), cure=cure)
    return str(path)


def _bounds(limits: Limits) -> dict[str, Any]:
    return {
        "cpu_s": limits.cpu_s, "wall_s": limits.wall_s, "memory_kb": limits.memory_mb << 10,
        "processes": limits.processes, "file_bytes": limits.file_mb << 20, "scratch_bytes": limits.scratch_mb << 20,
        "open_files": limits.open_files, "output_bytes": limits.output_bytes, "files": limits.files, "clear_s": CLEAR_S,
    }  # fmt: skip


def _read_outcome(told: dict[str, Any], streams: list[bytes], rung: Isolation, bounds: dict[str, Any]) -> Outcome:
    out_first, out_last, err_first, err_last, channel = streams
    stdout = _join(out_first, told["left_out"][0], out_last)
    stderr = _join(err_first, told["left_out"][1], err_last)
    report = told["report"] or {}
    if "fault" in report:  # the supervisor could not start the run
        return Outcome("sandbox", None, None, stdout, report["fault"], told["seconds"], 0.0, rung, channel)
    programs = report.get("programs")
    main = programs[-1] if programs else None
    status = os.waitstatus_to_exitcode(main["status"]) if main else -signal.SIGKILL
    peak_kb = max([told["peak_kb"], *(p["peak_kb"] for p in programs or () if p)])
    reason = told["why"] or _name_end(status, main, stderr, bounds)
    exit_code = status if status >= 0 and not told["why"] else None
    number = None if exit_code is not None else max(-status, 0) or int(signal.SIGKILL)
    return Outcome(reason, exit_code, number, stdout, stderr, told["seconds"], peak_kb / 1024, rung, channel)


def _name_end(status: int, main: dict[str, Any] | None, stderr: str, bounds: dict[str, Any]) -> Reason:
    if status == 0:
        return "ok"
    out_of_time = main is not None and main["cpu_s"] >= bounds["cpu_s"]
    if status == -signal.SIGXCPU or (status == -signal.SIGKILL and out_of_time):
        return "timeout"
    last = stderr.rstrip().rpartition("\n")[2]
    if last.startswith("MemoryError"):
        return "memory"
    return "killed" if status < 0 else "error"


def _join(first: bytes, left_out: int, last: bytes) -> str:
    middle = f"\n… {left_out} bytes left out …\n" if left_out else ""
    return first.decode("utf-8", "replace") + middle + last.decode("utf-8", "replace")
