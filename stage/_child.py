"""The child's side of the contract."""

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
from ._parent import ERROR, EVENTS, JOB, RESULT, Event, write_json

Emit = Callable[[Event], None]
Work = Callable[[dict[str, Any], Path, Emit], dict[str, Any]]
"""(job, the stage's folder, emit) to result."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def child_main(work: Work) -> None:
    """Run ``work`` on the job in the folder that the command line names; leave its result or its error.

    Started by a launcher, several processes do the work: the first tells what happens and leaves the result.
    """
    folder, parent = Path(sys.argv[1]), int(sys.argv[2])
    tells = os.getppid() == parent or os.environ.get("RANK", "0") == "0"
    _die_with_parent(parent)
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
