"""What the tests of the sandbox share: the rungs of this machine, and looks at what a run leaves behind."""

import tempfile
from pathlib import Path

import pytest
from flywheel.judge.sandbox import Limits, probe

RUNGS = ("user-namespace", "root-namespace", "landlock")
QUICK = Limits(cpu_s=2, wall_s=3, memory_mb=256, processes=12)


def require(rung):
    """Skip where this machine lacks an isolation, with its reason."""
    report = next(r for r in probe().rungs if r.isolation == rung)
    if not report.works:
        pytest.skip(f"{rung} does not work here: {report.fault}")
    return rung


def list_processes(marker):
    """Return the processes whose command line or name holds ``marker``."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            except OSError:
                continue
            if marker.encode() in told:
                found.append(int(folder.name))
    return found


def list_below(pid):
    """Return the processes below one, theirs too."""
    found = []
    for child in (
        (Path(f"/proc/{pid}/task/{pid}/children").read_text().split()) if Path(f"/proc/{pid}").exists() else ()
    ):
        found += [int(child), *list_below(int(child))]
    return found


def list_scratch():
    """Return the scratch folders on this machine."""
    return sorted(p.name for p in Path(tempfile.gettempdir()).glob("flywheel-sandbox-*"))
