"""Who owns something of a project: a lock file that its process holds while it lives, with its number in it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import RunInProgressError


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
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            stream.seek(0)
            received = f"process {stream.read().strip() or 'unknown'}"
            raise RunInProgressError(place, expected=expected, received=received, cure=cure) from None
        stream.truncate(0)
        stream.write(f"{os.getpid()} ({what})")
        stream.flush()
        yield


def find_owner(file: Path) -> str | None:
    """Return who holds ``file``, ``PID (command)``; None when nobody does."""
    if not file.exists():
        return None
    with file.open("r") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return stream.read().strip() or "unknown"
    return None
