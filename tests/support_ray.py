"""Workers of a Ray on this machine, as the system sees them, and what is left when they and their head are killed."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from support import kill_group, run_cli, start_cli, wait_for
from support_flow import final_state, make_flow_project

CONCURRENCY = 16


def find_workers(marked):
    """Return the numbers of the processes of workers whose environment has a mark."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_worker = (process / "cmdline").read_bytes().startswith(b"ray::_Actor")
            if is_worker and marked.encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


def lose_a_worker_and_the_head(tmp_path, server, journals, begun=lambda: None, lost=lambda folder: None):
    """Generate with workers whose journals go to an address, kill one of two, then the head, and give the command again; return the folder.

    Checks that the rows are those of one machine, and that what was put before the kills is not asked again. ``begun`` is called
    before the worker is killed, ``lost`` before the head is.
    """
    engine = {"concurrency": CONCURRENCY}
    alone = make_flow_project(tmp_path / "alone", n=500, engine=engine)
    run_cli(alone, "generate", env=server.env, check=0)
    n = len(server.answered())
    executor = {"kind": "ray", "workers": 2, "journals": journals}
    shared = make_flow_project(tmp_path / "shared", n=500, engine=engine, executor=executor)
    mark = f"FLYWHEEL_TEST_MARK={tmp_path}"
    env = {**server.env, "FLYWHEEL_TEST_MARK": str(tmp_path)}
    run = start_cli(shared, "generate", env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(server.answered()) > n + 150 or run.poll() is not None, 120)
    assert run.poll() is None
    begun()
    workers = find_workers(mark)
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    wait_for(lambda: len(server.answered()) > n + 400 or run.poll() is not None, 120)
    assert run.poll() is None
    lost(shared)
    kill_group(run)
    wait_for(lambda: not find_workers(mark), 60)
    time.sleep(1)
    before = len(server.answered())
    run_cli(shared, "generate", env=env, check=0)
    assert final_state(shared) == final_state(alone)
    again = len(server.answered()) - 2 * n
    assert 0 <= again <= before - n - 150, "what was put before the kills is not asked again"
    return shared
