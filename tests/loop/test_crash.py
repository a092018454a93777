"""kill -9 of the whole process group, at moments across all stages; the same command again each time."""

import os
import random
import subprocess
import sys
import time

import pytest
from flywheel.store import Project, Store
from support import kill_group, make_mini_project, run_cli, sql

pytestmark = pytest.mark.slow

KILLS = 10
FINAL = {
    "requests": "select request_id, step, iteration, attempts, completions from requests order by all",
    "samples": "select sample_id, request_id, iteration, step, completion from samples order by all",
    "verdicts": "select verdict_id, passed, reason from verdicts order by all",
    "pairs": "select pair_id, chosen_sample_id, rejected_sample_id from pairs order by all",
    "drops": "select drop_id, step, reason, n from drops order by all",
    "snapshots": "select snapshot_id, ordinal, sample_id, pair_id from snapshot_rows order by all",
    "checkpoints": "select checkpoint_id, parent_id, snapshot_id, stage, iteration from checkpoints order by all",
    "losses": "select checkpoint_id, step, loss from train_log order by all",
    "scores": "select checkpoint_id, suite, split, metric, score, n from scores order by all",
    "items": "select score_id, ordinal, filtered, value from score_items order by all",
    "decisions": "select decision_id, delta, p_value, promoted, reason from decisions order by all",
    "iterations": "select iteration, champion_before, champion_after, finished_at is not null from iterations order by all",
    "funnel": "select * from funnel order by all",
}


def final_state(folder):
    return {name: sql(folder, query) for name, query in FINAL.items()}


def start(folder, env):
    return subprocess.Popen(
        [sys.executable, "-m", "flywheel", "-C", str(folder), "run"],
        env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True, text=True,
    )  # fmt: skip


def requests_on_record(folder):
    """Ids that are in the store or the journal: read as a new process would find them."""
    store = Store(Project(folder))
    store.fold()
    found = store.query("select request_id from requests where engine = 'openai'")
    return {request_id for (request_id,) in found}


def interrupt_until_done(folder, env, seconds, seed):
    """Kill the run ``KILLS`` times, each after a random part of an undisturbed run's time; return the stages hit."""
    rng = random.Random(seed)
    hit = []
    for _ in range(KILLS):
        run = start(folder, env)
        deadline = time.monotonic() + rng.uniform(0.1, 1.0) * seconds
        stage = "start"
        os.set_blocking(run.stderr.fileno(), False)
        while time.monotonic() < deadline and run.poll() is None:
            for line in iter(run.stderr.readline, ""):
                stage = line.split(":")[0]
            time.sleep(0.02)
        if run.poll() is not None:
            assert run.returncode == 0
            break
        kill_group(run)
        run.stderr.close()
        hit.append(stage)
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
    started = time.monotonic()
    run_cli(whole, "run", env=server.env, check=0)
    seconds = time.monotonic() - started
    asked_whole = len(server.answered())

    killed = make_mini_project(tmp_path / "killed", **changes)
    server = endpoint(killed / "problems.jsonl", latency=0.15)
    hit = interrupt_until_done(killed, server.env, seconds / 3, seed=1)
    assert len(set(hit)) >= 3, f"kills hit {hit}"
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
        run = start(folder, server.env)
        before = len(server.answered())
        while len(server.answered()) < before + 9 and run.poll() is None:
            time.sleep(0.01)
        kill_group(run)
        run.stderr.close()
        on_record = requests_on_record(folder)
        sent_before = len(server.answered())
        assert sent_before - 4 * 3 <= len(on_record) <= sent_before
    remaining = 60 - len(requests_on_record(folder))
    before = len(server.answered())
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) - before == remaining
    assert sql(folder, "select count(*) as n, count(distinct request_id) as d from requests") == [{"n": 60, "d": 60}]
    assert sql(folder, "select count(*) as n from samples") == [{"n": 120}]


@pytest.mark.timeout(900)
def test_with_the_embedded_model_the_killed_run_equals_the_whole_one(tmp_path, finished_run):
    """Batches are fixed by the plan, draws by request and seed, training by its seed: nothing is left to differ."""
    folder = make_mini_project(tmp_path / "killed")
    hit = interrupt_until_done(folder, {}, 12, seed=2)
    assert len(set(hit)) >= 3, f"kills hit {hit}"
    run_cli(folder, "run", check=0, timeout=600)
    mine, theirs = final_state(folder), final_state(finished_run)
    for name in FINAL:
        assert mine[name] == theirs[name], name
