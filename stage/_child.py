"""The child's side of the contract."""

import contextlib
import errno
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import DiskFullError, FlywheelError
from ._ahead import AHEAD
from ._parent import ERROR, EVENTS, JOB, LOG, RESULT, Event, write_json

Emit = Callable[[Event], None]
Work = Callable[[dict[str, Any], Path, Emit], dict[str, Any]]
"""(job, the stage's folder, emit) to result."""
Ready = Callable[[str], None]
"""Imports what the work will need, as far as a hint tells; see :func:`flywheel.stage.started_ahead`."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def child_main(work: Work, get_ready: Ready = lambda hint: None) -> None:
    """Run ``work`` on the job in the folder that the command line names; leave its result or its error.

    Started by a launcher, several processes do the work: the first tells what happens and leaves the result. Started ahead
    of its job, the process gets ready, and then waits to be told the folder.
    """
    parent = int(sys.argv[2])
    tells = os.getppid() == parent or os.environ.get("RANK", "0") == "0"
    _die_with_parent(parent)
    folder = _wait_ready(get_ready) if sys.argv[1] == AHEAD else Path(sys.argv[1])
    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    with (folder / EVENTS).open("a", encoding="utf-8") as events:

        def emit(event: Event) -> None:
            if tells:
                events.write(json.dumps(event) + "\n")
                events.flush()

        try:
            result = work(job, folder, emit)
        except FlywheelError as error:
            _leave_error(folder, error)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            _leave_error(folder, no_room(error.filename or str(folder), str(error)))
    if tells:
        write_json(folder / RESULT, result)


def _wait_ready(get_ready: Ready) -> Path:
    """Get ready, and return the folder once it is told; what was printed until then goes to its log."""
    with contextlib.suppress(Exception):  # the work runs into it again, with a log to tell it in
        get_ready(sys.argv[3])
    told = sys.stdin.buffer.readline().rstrip(b"\n")
    if not told:
        os._exit(0)  # not needed
    folder = Path(os.fsdecode(told))
    said = os.pread(1, os.fstat(1).st_size, 0)
    with (folder / LOG).open("ab", buffering=0) as log:
        log.write(said)
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    return folder


def no_room(place: str, received: str) -> DiskFullError:
    """Return the error of a disk without room."""
    return DiskFullError(
        f"writing {place}",
        expected="room on the disk",
        received=received,
        cure="free some space, then give the same command again: everything before this stage is kept",
    )


def _leave_error(folder: Path, error: FlywheelError) -> None:
    told = {"place": error.place, "expected": error.expected, "received": error.received, "cure": error.cure}
    write_json(folder / ERROR, {"kind": type(error).__name__, **told})
    sys.exit(error.exit_code)


def _die_with_parent(parent: int) -> None:
    """End this process when the one that asked for it, or the launcher between them, is gone."""
    starter = os.getppid()

    def watch() -> None:
        while os.getppid() == starter and _is_there(parent):
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
