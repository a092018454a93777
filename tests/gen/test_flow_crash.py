"""kill -9 of ``flywheel generate`` at random moments: nothing answered is sent again, and the end is the same."""

import json
import random
import subprocess
import time

import pytest
from fake_endpoint import digest
from flywheel.store import Project, Store
from support import FakeEndpoint, kill_group, make_mini_project, run_cli, sql, start_cli
from support_flow import final_state, make_flow_project

pytestmark = pytest.mark.slow

KILLS = 10
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def on_record(folder):
    """What the endpoint's log calls the requests in the store or the journal, as a new process would find them."""
    store = Store(Project(folder)).open()
    found = store.query("select messages from requests where answered_at is not null")
    store.close()
    return {digest(json.loads(m), None) for (m,) in found}


@pytest.mark.timeout(600)
def test_ten_kills_cost_nothing_but_what_was_in_flight(tmp_path):
    (tmp_path / "none").write_text("")
    concurrency, latency = 16, 0.05
    faults = {"latency": latency, "faults": "500=0.03,malformed=0.03"}
    engine = {"concurrency": concurrency, "max_attempts": 30}
    whole = make_flow_project(tmp_path / "whole", n=1500, engine=engine)
    first = FakeEndpoint(tmp_path / "first", tmp_path / "none", **faults)
    run_cli(whole, "generate", env=first.env, check=0)
    first.stop()
    killed = make_flow_project(tmp_path / "killed", n=1500, engine=engine)
    server = FakeEndpoint(tmp_path / "second", tmp_path / "none", **faults)
    rng, marks = random.Random(5), []
    for kill in range(KILLS):
        run = start_cli(killed, "generate", env=server.env, **QUIET)
        before = len(server.answered())
        while len(server.answered()) < before + 20:
            assert run.poll() is None, f"ended before kill {kill}"
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.6))
        assert run.poll() is None, f"ended before kill {kill}"
        kill_group(run)
        time.sleep(4 * latency)  # the endpoint still logs what was in flight
        marks.append((on_record(killed), len(server.answered())))
    run_cli(killed, "generate", env=server.env, check=0)
    log = server.answered()
    server.stop()
    assert final_state(killed) == final_state(whole)
    for recorded, mark in marks:
        assert not recorded & set(log[mark:])
    n = sql(killed, "select count(*) as n, count(distinct request_id) as d from requests")[0]
    assert n["n"] == n["d"]
    assert len(log) - n["n"] <= KILLS * concurrency


@pytest.mark.timeout(600)
def test_with_the_embedded_model_the_killed_run_equals_the_whole_one(tmp_path):
    steps = [
        {"step": "tries", "generator": "solve", "source": "problems", "draws": 2, "max_tokens": 48,
         "options": {"template": "solve"}},
        {"step": "more", "generator": "solve", "source": "tries", "max_tokens": 48, "options": {"template": "solve"}},
    ]  # fmt: skip
    folders = [
        make_mini_project(
            tmp_path / name, generate=steps, iterations=1, solve={"draws": 1, "problems": 4, "max_tokens": 32}
        )
        for name in ("whole", "killed")
    ]
    started = time.monotonic()
    run_cli(folders[0], "generate", check=0)
    whole_s = time.monotonic() - started
    rng = random.Random(3)
    for _ in range(3):
        run = start_cli(folders[1], "generate", **QUIET)
        time.sleep(rng.uniform(0.4, 0.9) * whole_s)
        if run.poll() is None:
            kill_group(run)
    run_cli(folders[1], "generate", check=0)
    assert final_state(folders[1]) == final_state(folders[0])
    assert sql(folders[1], "select count(*) > 200 as enough from samples") == [{"enough": True}]
