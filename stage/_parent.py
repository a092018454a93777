"""Child processes with a JSON contract: training and evaluation run beside the store, never inside its process.

The contract: the parent writes ``job.json``; the child appends JSON lines to ``events.jsonl``, prints what it likes
(kept in ``stage.log``), and leaves ``result.json``, or ``error.json`` and a non-zero exit code. A crash or an
out-of-memory there ends the stage and nothing else.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
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
POLL_S = 0.1
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

    Raises:
        OutOfMemoryError: the child ran out of memory, or was killed as if it had.
        StageError: the child died without saying why; the message has the end of its log.
        FlywheelError: the child's own error.
    """
    result = folder / RESULT
    if result.is_file():
        return _read_json(result)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (EVENTS, ERROR):
        (folder / name).unlink(missing_ok=True)
    (folder / JOB).write_text(json.dumps(job, indent=1), encoding="utf-8")
    ahead = None if launcher else take_ahead(module, python, env or {}, folder)
    if ahead is not None:
        _attend(ahead, folder / EVENTS, on_event)
    if ahead is None or (ahead.returncode and not (folder / EVENTS).exists()):  # or it did not come as far as its job
        command = [python, "-P", "-m", *launcher, *(["-m"] if launcher else []), module, str(folder), str(os.getpid())]
        child = _start(command, folder / LOG, {**_inherited(launcher), **(env or {})})
        _attend(child, folder / EVENTS, on_event)
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


def clear_stage(folder: Path) -> None:
    """Remove a stage's folder."""
    shutil.rmtree(folder, ignore_errors=True)


def _follow(child: Child, events: Path, on_event: Callable[[Event], None]) -> None:
    offset = 0
    while True:
        running = child.poll() is None
        offset = _read_events(events, offset, on_event)
        if not running:
            return
        time.sleep(POLL_S)


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
    log = (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    died = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    is_killed = code == -signal.SIGKILL
    hint = "it was probably out of memory: lower the batch size" if is_killed else "read the log"
    return (OutOfMemoryError if is_killed else StageError)(
        f"stage {module.rsplit('.', 2)[1]} ({folder / LOG})",
        expected="a result",
        received=f"{died}; its last lines:\n    " + "\n    ".join(log),
        cure=f"{hint}; then give the same command again: everything before this stage is kept",
    )


def _read_json(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def write_json(path: Path, data: Any) -> None:
    """Write ``data`` so that the file is there whole or not at all."""
    partial = path.with_name(path.name + ".part")
    with partial.open("w", encoding="utf-8") as stream:
        json.dump(data, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(partial, path)
