"""Child processes with a JSON contract: training and evaluation run beside the store, never inside its process.

The contract: the parent writes ``job.json``; the child appends JSON lines to ``events.jsonl``, prints what it likes
(kept in ``stage.log``), and leaves ``result.json``, or ``error.json`` and a non-zero exit code. A crash or an
out-of-memory there ends the stage and nothing else.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from ..errors import (
    DiskFullError,
    EndpointError,
    FlywheelError,
    InputError,
    NotFoundError,
    OutOfMemoryError,
    RecipeError,
    SandboxError,
    StageError,
)
from ._ahead import Child, inherited, take_ahead

JOB, EVENTS, LOG, RESULT, ERROR = "job.json", "events.jsonl", "stage.log", "result.json", "error.json"
FAILED = "failed-{}.json"
"""What another machine tells of its processes that died."""
POLL_S = 0.1
GRACE_S = 10.0
"""How long processes go on after one of them has failed, which they may be waiting for; and how long another machine has to tell."""
LOG_TAIL_LINES = 12

Event = dict[str, Any]

_ERRORS: dict[str, type[FlywheelError]] = {
    kind.__name__: kind
    for kind in (
        DiskFullError,
        EndpointError,
        InputError,
        NotFoundError,
        OutOfMemoryError,
        RecipeError,
        SandboxError,
        StageError,
    )
}


def run_stage(
    module: str,
    job: dict[str, Any],
    folder: Path,
    *,
    on_event: Callable[[Event], None] = lambda event: None,
    python: str = sys.executable,
    launcher: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    elsewhere: AbstractContextManager[None] | None = None,
) -> dict[str, Any]:
    """Run ``python -m module`` on ``job`` and return its result.

    Args:
        module: a module whose main is :func:`flywheel.stage.child_main`.
        job: anything that JSON holds.
        folder: the stage's own; a result that is already there is returned without running anything.
        on_event: called with each event as it comes.
        python: interpreter of the child.
        launcher: arguments of ``python -m`` that start the module in one or more processes (``accelerate launch``).
        env: variables added to the child's environment.
        elsewhere: lets other machines take part while the child runs; they see the same folder. None = there are none.

    Raises:
        OutOfMemoryError: the child ran out of memory, or was killed as if it had.
        StageError: the child died without saying why; the message has the end of its log.
        FlywheelError: the child's own error.
    """
    result = folder / RESULT
    if result.is_file():
        return _read_json(result)
    folder.mkdir(parents=True, exist_ok=True)
    for file in (folder / EVENTS, folder / ERROR, *folder.glob(FAILED.format("*"))):
        file.unlink(missing_ok=True)
    (folder / JOB).write_text(json.dumps(job, indent=1), encoding="utf-8")
    ahead = None if launcher else take_ahead(module, python, env or {}, folder)
    if ahead is not None:
        _attend(ahead, folder / EVENTS, on_event)
    if ahead is None or (ahead.returncode and not (folder / EVENTS).exists()):  # or it did not come as far as its job
        command = [python, "-P", "-m", *launcher, *(["-m"] if launcher else []), module, str(folder), str(os.getpid())]
        with elsewhere or nullcontext():
            child = _start(command, folder / LOG, {**_inherited(launcher), **(env or {})})
            _attend(child, folder / EVENTS, on_event)
            if child.returncode and elsewhere is not None:
                _wait_for_word(folder)
    else:
        child = ahead
    if child.returncode == 0 and result.is_file():
        return _read_json(result)
    raise _explain(module, folder, child.returncode)


def _attend(child: Child, events: Path, on_event: Callable[[Event], None]) -> None:
    """Follow a child to its end; stop it when this process is to end first."""
    try:
        _follow(child, events, on_event)
    except BaseException:
        _stop(child)
        raise


def _start(command: Sequence[str], log: Path, env: Mapping[str, str]) -> Child:
    with log.open("ab") as stream:
        return subprocess.Popen(command, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL, env=env)


def _inherited(launcher: Sequence[str]) -> dict[str, str]:
    return {**os.environ, "PYTHONSAFEPATH": "1"} if launcher else inherited()


def has_failed(folder: Path) -> bool:
    """Say whether one of a stage's processes has left an error."""
    return (folder / ERROR).is_file()


def clear_stage(folder: Path) -> None:
    """Remove a stage's folder."""
    shutil.rmtree(folder, ignore_errors=True)


def leave_failure(folder: Path, number: int, what: str, log: Path, code: int) -> None:
    """Tell of processes on another machine that died.

    Args:
        folder: the stage's.
        number: the machine's.
        what: how it is called.
        log: what they printed.
        code: their exit code.
    """
    write_json(folder / FAILED.format(number), {"what": what, "died": _name_end(code), "lines": _read_end(log)})


def _follow(child: Child, events: Path, on_event: Callable[[Event], None]) -> None:
    offset, failed_at = 0, None
    while True:
        running = child.poll() is None
        offset = _read_events(events, offset, on_event)
        if not running:
            return
        if failed_at is None and (has_failed(events.parent) or _read_failures(events.parent)):
            failed_at = time.monotonic()
        if failed_at is not None and time.monotonic() - failed_at > GRACE_S:
            _stop(child)
            return
        time.sleep(POLL_S)


def _wait_for_word(folder: Path) -> None:
    """Wait until another machine says what happened: a connection that broke tells nothing."""
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until and not (has_failed(folder) or _read_failures(folder)):
        time.sleep(POLL_S)


def _read_failures(folder: Path) -> list[dict[str, Any]]:
    return [_read_json(file) for file in sorted(folder.glob(FAILED.format("*")))]


def _read_events(events: Path, offset: int, on_event: Callable[[Event], None]) -> int:
    if not events.exists():
        return offset
    with events.open("rb") as stream:
        stream.seek(offset)
        for line in stream:
            if not line.endswith(b"\n"):
                break
            offset += len(line)
            on_event(json.loads(line))
    return offset


def _stop(child: Child) -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(timeout=5)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _explain(module: str, folder: Path, code: int) -> FlywheelError:
    error = folder / ERROR
    if error.is_file():
        told = _read_json(error)
        return _ERRORS.get(told.pop("kind"), StageError)(**told)
    elsewhere = [
        f"{told['what']}: {told['died']}; its last lines:\n    {told['lines']}" for told in _read_failures(folder)
    ]
    is_killed = code == -signal.SIGKILL
    hint = "it was probably out of memory: lower the batch size" if is_killed else "read the log"
    return (OutOfMemoryError if is_killed else StageError)(
        f"stage {module.rsplit('.', 2)[1]} ({folder / LOG})",
        expected="a result",
        received="\n".join([f"{_name_end(code)}; its last lines:\n    {_read_end(folder / LOG)}", *elsewhere]),
        cure=f"{hint}; then give the same command again: everything before this stage is kept",
    )


def _name_end(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _read_end(log: Path) -> str:
    return "\n    ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:])


def _read_json(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def write_json(path: Path, data: Any) -> None:
    """Write ``data`` so that the file is there whole or not at all."""
    who = f"{socket.gethostname()}-{os.getpid()}"  # several processes may tell the same
    partial = path.with_name(f"{path.name}.{who}.part")
    with partial.open("w", encoding="utf-8") as stream:
        json.dump(data, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(partial, path)
