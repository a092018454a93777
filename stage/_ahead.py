"""A child that starts before its job is known, and imports what it will need while its parent gets the job ready.

Loading torch and a trainer takes seconds in which a parent would otherwise wait. The child is given its folder on standard
input, later; one that is not needed, or whose parent ends, ends. One that did not come up is no fault: the stage then starts
a child as ever, which tells what is wrong.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

AHEAD = "-"
"""Stands in a child's command line for the folder that it will be told."""
LAUNCHED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
"""Variables by which a launcher tells its processes apart."""

Child = subprocess.Popen[bytes]
_waiting: dict[str, Child] = {}


def inherited() -> dict[str, str]:
    """Return the environment of a child that stands alone: it is no part of a launch that flywheel itself may stand in."""
    return {name: value for name, value in os.environ.items() if name not in LAUNCHED}


@contextmanager
def started_ahead(module: str, hint: str = "") -> Iterator[None]:
    """Have a child ready for the first :func:`run_stage` of ``module`` under this interpreter in the block.

    Args:
        module: its main gives :func:`child_main` what to get ready.
        hint: what that is told.
    """
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-P", "-m", module, AHEAD, str(os.getpid()), hint]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=inherited())
    _waiting[module] = child
    try:
        yield
    finally:
        if _waiting.pop(module, None) is child:
            child.kill()
            _tell(child, b"")
            child.wait()


def take_ahead(module: str, python: str, env: Mapping[str, str], folder: Path) -> Child | None:
    """Give the child that waits for ``module`` its folder, and return it; None when none fits, or it did not come up."""
    if python != sys.executable or env or module not in _waiting:
        return None
    child = _waiting.pop(module)
    try:
        _tell(child, os.fsencode(folder) + b"\n")
    except BrokenPipeError:
        child.wait()
        return None
    return child


def _tell(child: Child, line: bytes) -> None:
    assert child.stdin is not None
    with child.stdin as stream:
        stream.write(line)
