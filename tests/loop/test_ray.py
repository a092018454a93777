"""``executor: ray`` on a cluster of several nodes on this machine: nodes and the driver are killed, the rows are those of one machine."""

import itertools
import json
import re
import subprocess
import time

import pytest
from flywheel.config import DecontaminateConfig, ExecutorConfig
from flywheel.judge import HERE, PART_CHARS, Decontaminator, EvalText
from flywheel.judge.curate import CurateRow, CurationConfig, curate
from flywheel.loop._cluster import RayMapper
from flywheel.seed import generate
from support import kill_group, refused, run_cli, sql, start_cli, wait_for
from support_flow import final_state, make_flow_project
from support_vllm import FakeVllm

ray = pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CONCURRENCY = 32
SMALL = {"object_store_memory": 100_000_000}


@pytest.fixture(scope="module")
def cluster():
    """A head node without CPUs, for the driver; tests add nodes."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **SMALL})
    yield made
    made.shutdown()


def test_without_a_cluster_one_is_started_here_and_a_users_generator_goes_along(tmp_path, endpoint, none):
    server = endpoint(none, latency=0.05)
    alone = make_flow_project(tmp_path / "alone", n=30)
    run_cli(alone, "generate", env=server.env, check=0)
    shared = make_flow_project(tmp_path / "shared", n=30, executor="ray")
    run_cli(shared, "generate", env=server.env, check=0)
    assert final_state(shared) == final_state(alone)
    assert not (shared / ".flywheel" / "workers").exists()


def test_a_cluster_that_is_not_there_is_told_with_its_address(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=3, executor={"kind": "ray", "address": "127.0.0.1:1"})
    refused(run_cli(folder, "generate", env=endpoint(none).env), "executor.address: 127.0.0.1:1", "ray start --head")


def test_a_cluster_that_is_on_record_and_gone_is_told_with_its_address(tmp_path, endpoint, none):
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    folder = make_flow_project(tmp_path / "p", n=3, executor={"kind": "ray", "address": "auto"})
    env = {**endpoint(none).env, "RAY_TMPDIR": str(tmp_path)}
    refused(run_cli(folder, "generate", env=env), "executor.address: auto", "127.0.0.1:1", "ray start --head")


def test_judges_judge_by_workers_too(tmp_path, endpoint, none):
    judge = {"name": "fair", "kind": "rubric", "criteria": "It is short.", "of": ["notes"], "by_tokens": False}
    server = endpoint(none, latency=0.02)
    verdicts = []
    for name, more in (("alone", {}), ("shared", {"executor": "ray"})):
        folder = make_flow_project(tmp_path / name, n=20, judges=[judge], engine={"model": "fake-teacher"}, **more)
        run_cli(folder, "generate", env=server.env, check=0)
        verdicts.append(sql(folder, "select sample_id, judge, passed, score from verdicts order by all"))
    assert verdicts[0] == verdicts[1] and verdicts[0]


def test_other_engines_are_refused_before_anything_is_done(tmp_path):
    folder = make_flow_project(tmp_path / "p", n=3, engine={"kind": "local"}, executor="ray")
    refused(run_cli(folder, "generate"), "engine.kind: local", "leave executor out")


def test_each_worker_has_a_vllm_server_of_its_own_and_stops_it(tmp_path):
    rows = []
    for name, more in (("alone", {}), ("shared", {"executor": {"kind": "ray", "workers": 2}})):
        fake = FakeVllm(tmp_path / f"{name}-vllm", latency=0.1)
        folder = make_flow_project(tmp_path / name, n=60, engine=fake.engine(), **more)
        run_cli(folder, "generate", check=0)
        rows.append(final_state(folder))
        assert len(fake.notes("argv")) == (2 if more else 1) and not fake.living()
    assert rows[0] == rows[1]


def test_killed_nodes_and_a_killed_driver_cost_what_was_in_flight(tmp_path, endpoint, none, cluster):
    server = endpoint(none, latency=0.2)
    engine = {"concurrency": CONCURRENCY}
    alone = make_flow_project(tmp_path / "alone", n=800, engine=engine)
    run_cli(alone, "generate", env=server.env, check=0)
    n = len(server.answered())
    first, _ = [cluster.add_node(num_cpus=1, **SMALL) for _ in range(2)]
    executor = {"kind": "ray", "address": cluster.address, "workers": 2}
    shared = make_flow_project(tmp_path / "shared", n=800, engine=engine, executor=executor)
    run = start_cli(shared, "generate", env=server.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(server.answered()) > n + 200 or run.poll() is not None, 120)
    assert run.poll() is None
    cluster.remove_node(first, allow_graceful=False)
    cluster.add_node(num_cpus=1, **SMALL)
    wait_for(lambda: len(server.answered()) > n + 600 or run.poll() is not None, 120)
    told = run_cli(shared, "status", check=0).stdout
    # Ray sees some seconds later that a node is gone
    assert re.search(r"Cluster: \d of \d nodes alive \(\d CPUs\)", told) and "1 worker lost so far" in told, told
    assert re.search(r"tokens/s; [\d,]+ inputs? with no worker yet", told), told
    assert re.search(r"[0-9a-f]{8}-\d{4} +│ [\d.]+ [0-9a-f]{8} ", told), "a worker with its node"
    wait_for(lambda: len(server.answered()) > n + 700 or run.poll() is not None, 120)
    assert run.poll() is None
    kill_group(run)
    time.sleep(2)
    done = run_cli(shared, "generate", env=server.env)
    assert done.returncode == 0, done.stderr
    assert final_state(shared) == final_state(alone)
    again = len(server.answered()) - 2 * n
    assert 0 <= again <= CONCURRENCY // 2 + CONCURRENCY, (
        "those in flight on the killed node, and at the kill of the driver"
    )


FEW_FILTERS = {"repetition": {"enabled": False}, "pii": "off", "boilerplate": [], "refusals": False}


def read_curated(folder):
    """Return the training set that was frozen, the drops, and the funnel."""
    (found,) = sql(folder, "select path, n_rows from snapshots")
    drops = sql(folder, "select step, reason, raw, evidence from drops order by step, raw")
    return (
        (folder / found["path"]).read_text(),
        drops,
        sql(folder, "select step, entered, kept, dropped from funnel order by all"),
    )


def test_curation_by_tasks_on_nodes_of_which_one_is_lost_is_that_of_one_machine(tmp_path, cluster):
    problems = list(zip(range(4000), generate("loop", 4, {1: 0.3, 2: 0.7}), strict=False))
    rows = [(p.question, p.answer) for _, p in problems]
    rows += [(q.replace("How many", "How very many"), a) for q, a in rows[:1000]] + rows[3000:3500]
    item = rows[50][0]

    def run(mapper, given):
        found = Decontaminator([EvalText("gsm", "gate", "1", item)], DecontaminateConfig(), mapper=mapper)
        return curate(given, CurationConfig(), decontaminator=found, mapper=mapper)

    def lose_a_node():
        for i, (prompt, completion) in enumerate(rows):
            if i == 2500:
                cluster.remove_node(first, allow_graceful=False)
                cluster.add_node(num_cpus=1, **SMALL)
            yield CurateRow(f"r{i}", prompt, completion)

    alone = run(HERE, (CurateRow(f"r{i}", *row) for i, row in enumerate(rows)))
    first, _ = [cluster.add_node(num_cpus=1, **SMALL) for _ in range(2)]
    executor = ExecutorConfig(kind="ray", address=cluster.address, workers=2)
    shared = run(RayMapper(executor, tmp_path, part_chars=40_000), lose_a_node())
    assert not ray.is_initialized() and not list(tmp_path.iterdir())
    assert (shared.kept, shared.drops, shared.steps) == (alone.kept, alone.drops, alone.steps)
    assert {d.step for d in alone.drops} >= {"exact", "near", "decontaminate"}


def test_rows_of_ones_own_are_curated_on_the_cluster(tmp_path, cluster):
    """They are more than one part; training is left out."""
    cluster.add_node(num_cpus=1, **SMALL)
    problems = [p for _, p in zip(range(9000), generate("loop", 4, {3: 1.0}), strict=False)]
    rows = [
        {"prompt": f"{a.question}\n{b.question}", "completion": f"{a.answer}\n{b.answer}"}
        for a, b in itertools.pairwise(problems)
    ]
    rows += [{**r, "prompt": r["prompt"].upper()} for r in rows[:500]]
    assert sum(len(r["prompt"] + r["completion"]) for r in rows) > PART_CHARS
    made = []
    for name, more in (("alone", {}), ("shared", {"executor": {"kind": "ray", "address": cluster.address}})):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        recipe = {
            "name": "own",
            "model": "seed",
            "train": {"rows": "rows.jsonl", "min_rows": 10**6},
            "curate": FEW_FILTERS,
            **more,
        }
        (folder / "recipe.yaml").write_text(json.dumps(recipe))
        assert "fewer than train.min_rows" in run_cli(folder, "train", "--method", "sft", check=2).stderr
        made.append(read_curated(folder))
    assert made[0] == made[1]
    (folder / "recipe.yaml").write_text(
        json.dumps({**recipe, "executor": {"kind": "ray", "address": "127.0.0.1:1"}, "seed": 1})
    )
    refused(run_cli(folder, "train", "--method", "sft"), "executor.address: 127.0.0.1:1")
