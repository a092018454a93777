"""The exception tree of flywheel: every error a user can meet, and its exit code.

::

    FlywheelError                 exit 1: the run is broken off; nothing that was finished is lost
    ├── UserError                 exit 2: the user can mend it; printed without a traceback
    │   ├── RecipeError           (ValueError)         a recipe, template or flag
    │   ├── InputError            (ValueError)         a data file and the line in it
    │   ├── NotFoundError         (FileNotFoundError)  a file, model, checkpoint or suite
    │   ├── FileAccessError       (OSError)            a named file that the system does not let us read or write
    │   ├── QueryError            (ValueError)         SQL that cannot be run
    │   ├── SandboxError          (RuntimeError)       this machine cannot isolate programs
    │   └── MissingExtraError     (ImportError)        an optional dependency
    ├── StoreError
    │   ├── StoreLockedError      (TimeoutError)       another program holds the file
    │   ├── StoreVersionError                          made by a newer flywheel
    │   └── RunInProgressError                         another run owns the project
    ├── EndpointError             (ConnectionError)    an endpoint refuses or is gone
    ├── StageError                (RuntimeError)       a child process failed
    │   └── OutOfMemoryError      (MemoryError)        … since it needed more memory than there is
    ├── StoppedError                                   the recipe's time is over, or a budget is spent: printed as stopped, not as error
    ├── CollapseError                                  an iteration's completions have changed more than the recipe allows
    ├── DiskFullError             (OSError)            no room for a checkpoint or the journal
    └── SystemRefusedError        (OSError)            anything else that the system refuses

Every message has four parts: place, what was expected, what was received, and the cure.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple


class FlywheelError(Exception):
    """Base of everything that flywheel raises on purpose.

    Args:
        place: where it happened: a file and line, a recipe key, a command.
        expected: what would have been right.
        received: what was there instead.
        cure: what the user can do about it.
    """

    exit_code = 1

    def __init__(self, place: str, *, expected: str = "", received: str = "", cure: str = "") -> None:
        self.place = place
        self.expected = expected
        self.received = received
        self.cure = cure
        super().__init__(self.render())

    def render(self) -> str:
        """Return the message, one line a part, empty parts left out."""
        parts = (("expected", self.expected), ("received", self.received), ("cure", self.cure))
        return "\n".join([self.place, *(f"  {name}: {text}" for name, text in parts if text)])


class UserError(FlywheelError):
    """Something that the user wrote or named; exit code 2."""

    exit_code = 2


class RecipeError(UserError, ValueError):
    """A recipe, template or flag is not valid."""


class InputError(UserError, ValueError):
    """A data file holds something that cannot be read."""


class NotFoundError(UserError, FileNotFoundError):
    """A named file, model, checkpoint or suite does not exist."""

    def __str__(self) -> str:
        return self.render()


class FileAccessError(UserError, OSError):
    """A file that the user named is there, or its folder is, but the system refuses to read or write it."""

    def __str__(self) -> str:
        return self.render()


class QueryError(UserError, ValueError):
    """SQL that DuckDB refuses, or that would write."""


class SandboxError(UserError, RuntimeError):
    """This machine cannot isolate untrusted programs, or not in the way that was asked for."""


class MissingExtraError(UserError, ImportError):
    """An optional dependency is not installed."""

    def __str__(self) -> str:
        return self.render()


class StoreError(FlywheelError):
    """The store cannot be used."""


class StoreLockedError(StoreError, TimeoutError):
    """Another program held the store's file lock for longer than the patience allowed."""

    def __str__(self) -> str:
        return self.render()


class StoreVersionError(StoreError):
    """The store was written by a newer flywheel or a newer DuckDB."""

    exit_code = 2


class RunInProgressError(StoreError):
    """Another process runs the wheel in this project."""

    exit_code = 2


class EndpointError(FlywheelError, ConnectionError):
    """An endpoint refuses, is unreachable, or answers with something else than its protocol."""

    def __str__(self) -> str:
        return self.render()


class StageError(FlywheelError, RuntimeError):
    """A child process (training, evaluation) ended without its result."""


class OutOfMemoryError(StageError, MemoryError):
    """A child process needed more memory than there is."""


class StoppedError(FlywheelError):
    """A run ended before its iterations were complete, by a limit that the recipe sets: no failure, and nothing is lost.

    Args:
        rule: ``hours`` or ``budget``.
    """

    def __init__(self, place: str, *, expected: str = "", received: str = "", cure: str = "", rule: str) -> None:
        self.rule = rule
        super().__init__(place, expected=expected, received=received, cure=cure)


class CollapseError(FlywheelError):
    """An iteration's completions have changed more than the recipe's ``watch`` allows: no further one is begun."""


class DiskFullError(FlywheelError, OSError):
    """There is no room left for a checkpoint, the journal or the store."""

    def __str__(self) -> str:
        return self.render()


class SystemRefusedError(FlywheelError, OSError):
    """The system refused a file operation that no command foresaw."""

    def __str__(self) -> str:
        return self.render()


class Refusal(NamedTuple):
    """An OSError in our words."""

    expected: str
    received: str
    cure: str


_REFUSALS: dict[int, tuple[str, str]] = {
    errno.EACCES: ("the right to use it", "give yourself the rights (ls -l shows them), or choose another place"),
    errno.EPERM: ("the right to use it", "give yourself the rights (ls -l shows them), or choose another place"),
    errno.EROFS: ("a place that can be written", "choose a folder on another disk: this one is mounted read-only"),
    errno.ENOENT: ("a path that exists", "check the path: it, or a folder on the way to it, is missing"),
    errno.ENOTDIR: ("a folder", "move away the file that stands where a folder has to be"),
    errno.EEXIST: ("a folder", "move away the file that stands where a folder has to be"),
    errno.EISDIR: ("a file", "name a file, or move the folder away"),
    errno.ENOSPC: ("room on the disk", "free some space, then give the same command again"),
    errno.EDQUOT: ("room in your quota", "free some space, then give the same command again"),
    errno.EFBIG: (
        "a file of a size that the system allows",
        "raise the limit (ulimit -f), then the same command again",
    ),
    errno.EMFILE: ("an open file more", "raise the limit (ulimit -n), then the same command again"),
    errno.ENAMETOOLONG: ("a shorter path", "choose a shorter name"),
}


def explain_os_error(error: OSError) -> Refusal:
    """Say of an OSError what was expected, what came, and the cure."""
    expected, cure = _REFUSALS.get(
        error.errno or 0,
        ("the system to allow it", "check the path, its rights and the disk; then the same command again"),
    )
    return Refusal(expected, error.strerror or str(error) or type(error).__name__, cure)


@contextmanager
def interrupts_of_queries() -> Iterator[None]:
    """Make an interruption again of what DuckDB makes of a signal that meets a query: a ``RuntimeError`` of its own.

    Raises:
        KeyboardInterrupt: a query was interrupted.
    """
    try:
        yield
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error
