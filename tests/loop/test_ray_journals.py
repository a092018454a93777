"""``executor: ray`` with ``journals`` at an address: real workers, of which one is killed, and a head that is killed."""

import os
import shutil
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import flywheel
import pytest
from support import kill_group, refused, run_cli, wait_for
from support_flow import make_flow_project
from support_ray import lose_a_worker_and_the_head

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_killed_worker_and_a_killed_head_cost_what_was_not_put(tmp_path, endpoint, none):
    far = tmp_path / "far"

    def begun():
        assert list(far.rglob("*.jsonl"))

    def lost(folder):
        assert "1 worker lost so far" in run_cli(folder, "status", check=0).stdout

    shared = lose_a_worker_and_the_head(tmp_path, endpoint(none, latency=0.2), f"file://{far}", begun, lost)
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
