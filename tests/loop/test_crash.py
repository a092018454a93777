"""kill -9 of the whole process group, at moments across all stages; the same command again each time."""

import os
import queue
import random
import subprocess
import threading
import time

import pytest
from flywheel.store import Project, Store, latest_version
from support import FINAL, final_state, kill_group, make_mini_project, run_cli, sql, start_cli

pytestmark = pytest.mark.slow

EMBEDDED_TARGETS = [int(t) for t in os.environ.get("FLYWHEEL_TEST_KILLS", "1,4,6").split(",")]
"""Stages of the kills with the embedded model; the full ten are FLYWHEEL_TEST_KILLS=0,1,1,1,2,2,3,4,5,6."""


def requests_on_record(folder):
    """Ids that are in the store or the journal: read as a new process would find them."""
    store = Store(Project(folder))
    store.fold()
    found = store.query("select request_id from requests where engine = 'openai'")
    return {request_id for (request_id,) in found}


STAGES = [
    "[0] eval seed",
    "[1] solve",
    "[1] train sft",
    "[1] eval sft",
    "[1] on-policy",
    "[1] train dpo",
    "[1] eval dpo",
]
TARGETS = [0, 1, 1, 1, 2, 2, 3, 4, 5, 6]
"""Each life of the run is killed in this stage (or a later one), up to ``LONGEST_DELAY_S`` after it has begun."""

LONGEST_DELAY_S = 5.0


def interrupt(folder, env, targets, seed):
    """Kill the run once for each of ``targets``, at a random moment in that stage; return the stage of each kill."""
    rng = random.Random(seed)
    hit = []
    for target in targets:
        run = start_cli(folder, "run", env=env, stdout=subprocess.DEVNULL)
        lines = queue.Queue()
        reader = threading.Thread(target=lambda r=run, q=lines: [q.put(line) for line in r.stderr], daemon=True)
        reader.start()
        stage, deadline = -1, None
        while deadline is None or time.monotonic() < deadline:
            try:
                line = lines.get(timeout=0.05)
            except queue.Empty:
                assert run.poll() is None, "the run ended before its kill"
                continue
            if ": started" in line and line.split(":")[0] in STAGES:
                stage = max(stage, STAGES.index(line.split(":")[0]))
            if stage >= target and deadline is None:
                deadline = time.monotonic() + rng.uniform(0, LONGEST_DELAY_S if target < 6 else 1.0)
        kill_group(run)
        reader.join()
        run.stderr.close()
        hit.append(STAGES[stage])
    assert len(set(hit)) >= min(4, len(targets) - 1), hit
    return hit


@pytest.mark.timeout(900)
def test_with_an_endpoint_the_killed_run_equals_the_whole_one(tmp_path, endpoint):
    changes = {
        "engine": {"kind": "openai", "concurrency": 4, "batch_size": 64},
        "iterations": 1,
        "solve": {"draws": 4, "problems": 60, "max_tokens": 64},
    }
    whole = make_mini_project(tmp_path / "whole", **changes)
    server = endpoint(whole / "problems.jsonl", latency=0.15)
    run_cli(whole, "run", env=server.env, check=0)
    asked_whole = len(server.answered())

    killed = make_mini_project(tmp_path / "killed", **changes)
    server = endpoint(killed / "problems.jsonl", latency=0.15)
    hit = interrupt(killed, server.env, TARGETS, seed=1)
    run_cli(killed, "run", env=server.env, check=0)
    answered = server.answered()
    in_flight = 4 * len(hit)
    assert len(answered) - len(set(answered)) <= in_flight
    assert len(set(answered)) == asked_whole
    mine, theirs = final_state(killed), final_state(whole)
    for name in FINAL:
        assert mine[name] == theirs[name], name


def test_no_request_on_record_is_sent_again(tmp_path, endpoint):
    """Exact, not up to the requests in flight: what is in journal or store at the kill is never sent after it."""
    folder = make_mini_project(
        tmp_path / "killed",
        engine={"kind": "openai", "concurrency": 4},
        iterations=1,
        solve={"draws": 2, "problems": 60},
    )
    server = endpoint(folder / "problems.jsonl", latency=0.1)
    for _ in range(3):
        run = start_cli(folder, "run", env=server.env, stdout=subprocess.DEVNULL)
        before = len(server.answered())
        while len(server.answered()) < before + 9 and run.poll() is None:
            time.sleep(0.01)
        kill_group(run)
        run.stderr.close()
        time.sleep(0.5)  # what is in flight still comes to the server's log
        on_record = requests_on_record(folder)
        sent_before = len(server.answered())
        assert sent_before - 4 * 3 <= len(on_record) <= sent_before
    remaining = 60 - len(requests_on_record(folder))
    before = len(server.answered())
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) - before == remaining
    assert sql(folder, "select count(*) as n, count(distinct request_id) as d from requests where step = 'solve'") == [
        {"n": 60, "d": 60}
    ]
    assert sql(folder, "select count(*) as n from samples") == [{"n": 120}]


@pytest.mark.timeout(900)
def test_with_the_embedded_model_the_killed_run_equals_the_whole_one(tmp_path):
    """Batches are fixed by the plan, draws by request and seed, training by its seed: nothing is left to differ."""
    whole = make_mini_project(tmp_path / "whole", iterations=1)
    run_cli(whole, "run", check=0)
    killed = make_mini_project(tmp_path / "killed", iterations=1)
    interrupt(killed, {}, EMBEDDED_TARGETS, seed=2)
    run_cli(killed, "run", check=0)
    mine, theirs = final_state(killed), final_state(whole)
    for name in FINAL:
        assert mine[name] == theirs[name], name


def test_a_kill_while_the_file_is_made_leaves_no_broken_store(tmp_path):
    folder = make_mini_project(tmp_path / "young")
    for delay_s in (0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9):
        run = start_cli(folder, "run", stdout=subprocess.DEVNULL)
        time.sleep(delay_s)
        kill_group(run)
        run.stderr.close()
        store = folder / "flywheel.duckdb"
        assert not store.exists() or sql(folder, "select max(version) as n from migrations") == [
            {"n": latest_version()}
        ]
        store.unlink(missing_ok=True)
