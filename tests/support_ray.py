"""Workers of a Ray on this machine, as the system sees them."""

from contextlib import suppress
from pathlib import Path


def find_workers(marked):
    """Return the numbers of the processes of workers whose environment has a mark."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_worker = (process / "cmdline").read_bytes().startswith(b"ray::_Actor")
            if is_worker and marked.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found
