"""``executor: ray`` with ``journals`` at an address: real workers, of which one is killed, and a head that is killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import flywheel
import pytest
from support import kill_group, refused, run_cli, start_cli, wait_for
from support_flow import final_state, make_flow_project
from support_ray import find_workers

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CONCURRENCY = 16


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


@pytest.fixture
def other_cluster(tmp_path):
    """A Ray whose machine has another flywheel than the command: the same version, a file changed."""
    root = Path(flywheel.__file__).parent
    copy = tmp_path / "other" / "flywheel"
    for part in root.iterdir():
        if part.suffix == ".py" or (part / "__init__.py").exists():
            (shutil.copytree if part.is_dir() else shutil.copy)(part, copy / part.name)
    with (copy / "gen" / "_text.py").open("a") as file:
        file.write("# changed\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("ray"), "start", "--head", "--block", f"--port={port}", "--num-cpus=2", "--include-dashboard=false", "--object-store-memory=100000000"]  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(copy.parent), "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    started = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd=tmp_path
    )

    def is_up():
        assert started.poll() is None
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    wait_for(is_up, 120)
    yield f"127.0.0.1:{port}"
    kill_group(started)


def test_a_machine_with_another_flywheel_is_told_before_anything_is_asked(tmp_path, endpoint, none, other_cluster):
    server = endpoint(none)
    executor = {"kind": "ray", "workers": 1, "address": other_cluster}
    folder = make_flow_project(tmp_path / "p", n=5, executor=executor)
    refused(run_cli(folder, "generate", env=server.env), "executor: ray: worker on ", "install the same flywheel")
    assert not server.answered()
