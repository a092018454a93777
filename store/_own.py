"""Who owns something of a project: a lock file that its process holds while it lives, with its number in it.

One that tidies up, or looks who the owner is, shares the lock for a moment: it is no owner, none can begin meanwhile, and
one that wants to waits for it.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..errors import RunInProgressError
from ._journal import list_segments
from ._project import Project

TIDYING_S = 60.0
"""How long an owner to be waits for those that share the lock."""
POLL_S = 0.02


@contextmanager
def owned(file: Path, what: str, place: str, *, expected: str, cure: str) -> Iterator[None]:
    """Hold ``file`` while the block runs; :func:`find_owner` says that it is so.

    Args:
        file: the lock; its folder is there.
        what: the command that holds it.
        place, expected, cure: of the error.

    Raises:
        RunInProgressError: another live process holds it.
    """
    with file.open("a+") as stream:
        if not _try_to_own(stream):
            stream.seek(0)
            received = f"process {stream.read().strip() or 'unknown'}"
            raise RunInProgressError(place, expected=expected, received=received, cure=cure)
        stream.truncate(0)
        stream.write(f"{os.getpid()} ({what})")
        stream.flush()
        yield


def find_owner(file: Path) -> str | None:
    """Return who holds ``file``, ``PID (command)``; None when nobody does."""
    if not file.exists():
        return None
    with file.open("r") as stream:
        return None if _try(stream, fcntl.LOCK_SH) else stream.read().strip() or "unknown"


@contextmanager
def tidying(project: Project) -> Iterator[bool]:
    """Say whether the block may fold what is in the journal: nobody who may still write there is alive, and none begins
    until the block ends. Nothing is waited for. That only one process tidies up at a time is a lock on the folder.

    Raises:
        OSError: the project's folders cannot be written to.
    """
    folder = os.open(project.journal, os.O_RDONLY)
    try:
        with project.run_lock.open("a+") as stream:
            yield _try(folder, fcntl.LOCK_EX) and _try(stream, fcntl.LOCK_SH) and not _has_writer(project)
    finally:
        os.close(folder)


def _try_to_own(stream: IO[str]) -> bool:
    """Take the lock; return False where another process owns it. Who only shares it is waited for."""
    until = time.monotonic() + TIDYING_S
    while True:
        if _try(stream, fcntl.LOCK_EX):
            return True
        if time.monotonic() > until or not _try(stream, fcntl.LOCK_SH):
            return False
        time.sleep(POLL_S)


def _try(stream: IO[str] | int, kind: int) -> bool:
    try:
        fcntl.flock(stream, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _has_writer(project: Project) -> bool:
    """Say whether a process that a segment is named after is alive: one that writes without owning the project."""
    pids = (s.stem.rpartition("-")[2] for s in list_segments(project.journal))
    return any(pid.isdigit() and _is_alive(int(pid)) for pid in pids)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
