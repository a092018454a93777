"""``executor: ray`` with ``journals`` at an address: real workers, of which one is killed, and a head that is killed."""

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support import kill_group, run_cli, start_cli, wait_for
from support_flow import final_state, make_flow_project

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

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


def test_a_killed_worker_and_a_killed_head_cost_what_was_not_put(tmp_path, endpoint, none):
    server = endpoint(none, latency=0.2)
    engine = {"concurrency": CONCURRENCY}
    alone = make_flow_project(tmp_path / "alone", n=500, engine=engine)
    run_cli(alone, "generate", env=server.env, check=0)
    n = len(server.answered())
    far = tmp_path / "far"
    executor = {"kind": "ray", "workers": 2, "journals": f"file://{far}"}
    shared = make_flow_project(tmp_path / "shared", n=500, engine=engine, executor=executor)
    env = {**server.env, "FLYWHEEL_TEST_MARK": str(tmp_path)}
    run = start_cli(shared, "generate", env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(server.answered()) > n + 150 or run.poll() is not None, 120)
    assert run.poll() is None and list(far.rglob("*.jsonl"))
    workers = find_workers(f"FLYWHEEL_TEST_MARK={tmp_path}")
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    wait_for(lambda: len(server.answered()) > n + 400 or run.poll() is not None, 120)
    assert run.poll() is None
    told = run_cli(shared, "status", check=0).stdout
    assert "1 worker lost so far" in told
    kill_group(run)
    wait_for(lambda: not find_workers(f"FLYWHEEL_TEST_MARK={tmp_path}"), 60)
    time.sleep(1)
    before = len(server.answered())
    run_cli(shared, "generate", env=env, check=0)
    assert final_state(shared) == final_state(alone)
    again = len(server.answered()) - 2 * n
    assert 0 <= again <= before - n - 150, "what was put before the kills is not asked again"
    assert not [p for p in far.rglob("*") if p.is_file()] and not (shared / ".flywheel" / "workers").exists()
