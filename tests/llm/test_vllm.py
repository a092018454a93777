"""The whole wheel with a real vLLM server on CPU that serves the seed model. ``make test-vllm`` sets its environment up;
FLYWHEEL_VLLM_PYTHON names another one.
"""

import json
import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
import yaml
from flywheel.llm import seed_model_path
from support import HERE, make_mini_project, run_cli, sql
from support_serve import Serving

pytestmark = pytest.mark.vllm

PYTHON = Path(os.environ.get("FLYWHEEL_VLLM_PYTHON") or HERE.parent / ".venv-vllm" / "bin" / "python")
START_S = 300


MANAGED = {
    "kind": "vllm", "python": str(PYTHON), "concurrency": 32, "startup_s": START_S,
    "server_args": {"dtype": "float32", "max_model_len": 512},
    "env": {"VLLM_CPU_KVCACHE_SPACE": 1, "HF_HUB_OFFLINE": 1},
}  # fmt: skip


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(autouse=True)
def vllm_python():
    if not PYTHON.exists():
        pytest.skip("no .venv-vllm: make test-vllm")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if not PYTHON.exists():
        pytest.skip("no .venv-vllm: make test-vllm")
    port = free_port()
    log = (tmp_path_factory.mktemp("vllm") / "server.log").open("w+")
    process = subprocess.Popen(
        [
            str(PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--model", str(seed_model_path()),
            "--served-model-name", "seed", "--port", str(port), "--host", "127.0.0.1", "--dtype", "float32",
            "--max-model-len", "512",
        ],
        stdout=log, stderr=log, env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + START_S
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                break
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                pytest.fail("vLLM did not start:\n" + log.read()[-3000:])
            time.sleep(1)
    yield {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": "none"}
    os.killpg(process.pid, 15)
    process.wait(timeout=60)


def test_the_wheel_turns_on_a_vllm_server(server, tmp_path):
    folder = make_mini_project(
        tmp_path / "vllm", engine={"kind": "openai", "concurrency": 32, "batch_size": 64}, iterations=1,
        solve={"draws": 4, "problems": 100, "max_tokens": 96, "temperature": 0.8, "logprobs": True},
    )  # fmt: skip
    done = run_cli(folder, "run", env=server, check=0, timeout=600)
    assert "[1] gate: sft" in done.stderr
    (made,) = sql(folder, "select distinct engine, model, n_draws from requests where step = 'solve'")
    assert made == {"engine": "openai", "model": "seed", "n_draws": 4}
    (solved,) = sql(folder, "select * from funnel where step = 'solve'")
    assert (solved["entered"], solved["kept"]) == (400, 400)
    (verified,) = sql(folder, "select * from funnel where step = 'solve/verify'")
    assert verified["kept"] > 40, "the seed model solves a good part of one- and two-step problems"
    (tokens,) = sql(
        folder, "select min(completion_tokens) as least, sum(attempts) as attempts from requests where step = 'solve'"
    )
    assert tokens["least"] > 0
    assert tokens["attempts"] == 100
    (probable,) = sql(
        folder, "select count(logprob) as n, max(logprob) <= 0 as negative from samples where step = 'solve'"
    )
    assert probable == {"n": 400, "negative": True}


def test_vllm_and_the_local_engine_agree_on_greedy_completions(server):
    import asyncio

    from flywheel.llm import LocalEngine, OpenAIEngine, Request, Sampling, resolve_model
    from flywheel.seed import generate_distinct

    problems = generate_distinct("loop", 123, {1: 0.5, 2: 0.5}, 60)

    async def ask(engine):
        wanted = [
            Request(({"role": "user", "content": p.question},), Sampling(max_tokens=64), engine.identity)
            for p in problems
        ]
        got = {r.request.request_id: r async for group in engine.stream(wanted, set()) for r in group}
        await engine.close()
        return [got[r.request_id].choices[0].text for r in wanted]

    async def both():
        remote = OpenAIEngine(
            base_url=server["OPENAI_BASE_URL"], model=None, concurrency=8, timeout_s=60, max_attempts=3
        )
        return await ask(await remote.connect()), await ask(LocalEngine(resolve_model("seed"), batch_size=32))

    theirs, ours = asyncio.run(both())
    same = sum(a == b for a, b in zip(theirs, ours, strict=True))
    assert same >= 57, f"{same} of 60; a few may differ where two tokens are as good as equal"


def test_generate_starts_a_real_server_and_stops_it(tmp_path):
    steps = [{"step": "tries", "generator": "solve", "source": "problems", "limit": 30, "draws": 2, "max_tokens": 64}]
    folder = make_mini_project(
        tmp_path / "managed", generate=steps, solve={"draws": 4, "problems": 30, "max_tokens": 64, "logprobs": True},
        engine=MANAGED,
    )  # fmt: skip
    done = run_cli(folder, "-v", "generate", check=0, timeout=580)
    assert "vLLM is ready after" in done.stderr
    (made,) = sql(folder, "select distinct engine, model from requests")
    assert made == {"engine": "vllm", "model": "seed"}
    counts = sql(folder, "select step, entered, kept from funnel where step in ('solve', 'tries') order by step")
    assert counts == [{"step": "solve", "entered": 120, "kept": 120}, {"step": "tries", "entered": 30, "kept": 30}]
    (verified,) = sql(folder, "select * from funnel where step = 'solve/verify'")
    assert verified["kept"] > 12, "the seed model solves a good part of one- and two-step problems"
    logs = list((folder / ".flywheel" / "logs").iterdir())
    for log in logs:
        assert "VLLM_API_KEY" not in log.read_text()
    assert not find_processes(str(folder / ".flywheel")), "nothing of the server is left"
    assert not find_processes("vllm.entrypoints.openai.api_server --model=")
    again = run_cli(folder, "generate", check=0)
    assert "vLLM" not in again.stderr
    assert list((folder / ".flywheel" / "logs").iterdir()) == logs, "nothing left to ask: no server"


def test_each_worker_of_a_ray_cluster_has_a_real_server(tmp_path):
    pytest.importorskip("ray")
    solve = {"draws": 2, "problems": 60, "max_tokens": 64}
    folder = make_mini_project(tmp_path / "ray", generate=[], solve=solve, engine={**MANAGED, "concurrency": 8})
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    executor = {"kind": "ray", "workers": 2, "cpus": 1}
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**recipe, "executor": executor}))
    done = run_cli(folder, "-v", "generate", check=0, timeout=580)
    counts = sql(folder, "select step, entered, kept from funnel where step = 'solve'")
    assert counts == [{"step": "solve", "entered": 120, "kept": 120}], done.stderr
    (made,) = sql(folder, "select distinct engine, model from requests")
    assert made == {"engine": "vllm", "model": "seed"}
    (verified,) = sql(folder, "select * from funnel where step = 'solve/verify'")
    assert verified["kept"] > 24, "the seed model solves a good part of one- and two-step problems"
    assert len(list((folder / ".flywheel" / "logs").iterdir())) == 2, "one server a worker"
    assert not find_processes("vllm.entrypoints.openai.api_server --model="), "nothing of the servers is left"


def test_the_document_path_runs_on_a_managed_server(tmp_path):
    """Stories → questions → reasoning → attempts → critiques → revisions and pairs, each step's prompts of its own."""
    folder = tmp_path / "stories"
    run_cli(folder, "init", "--recipe", "stories", check=0)
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    (folder / "recipe.yaml").write_text(
        yaml.safe_dump({**recipe, "engine": {**MANAGED, "server_args": {"dtype": "float32", "max_model_len": 1024}}})
    )
    for file in sorted((folder / "documents").iterdir())[60:]:
        file.unlink()
    run_cli(folder, "ingest", str(folder / "documents"), check=0)
    run_cli(folder, "generate", check=0, timeout=580)
    rows = {r["step"]: r for r in sql(folder, "select step, entered, kept, dropped from funnel")}
    assert all(r["entered"] == r["kept"] + r["dropped"] for r in rows.values()), rows
    assert rows["questions"]["entered"] == 60 and rows["questions/items"]["kept"] >= 60
    (made,) = sql(
        folder, "select count(*) filter (engine = 'vllm' and model = 'seed') as own, count(*) as n from requests"
    )
    assert made["own"] == made["n"] > 180
    (pairs,) = sql(folder, "select count(*) as n from pairs where kind = 'revised/original'")
    assert pairs["n"] >= 6
    print(json.dumps(list(rows.values())))


def test_a_trained_checkpoint_answers_as_it_does_in_process(tmp_path):
    """What a training leaves is loaded by vLLM as it is, and ``flywheel serve`` serves it so."""
    folder = make_mini_project(tmp_path / "trained", engine=MANAGED, iterations=1)
    rows = [json.loads(line) for line in (folder / "problems.jsonl").read_text().splitlines()[:64]]
    text = [{"prompt": r["question"], "completion": f"\n#### {r['answer'].rpartition('#### ')[2]}"} for r in rows]
    (folder / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in text))
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    train = {
        "rows": "rows.jsonl",
        "sft": {"learning_rate": 1e-3, "num_train_epochs": 2, "per_device_train_batch_size": 8},
    }
    (folder / "own.yaml").write_text(yaml.safe_dump({**recipe, "train": train}))
    run_cli(folder, "train", "--method", "sft", "--recipe", str(folder / "own.yaml"), check=0, timeout=300)
    (made,) = sql(folder, "select checkpoint_id from checkpoints where stage = 'sft'")
    scored = {}
    for kind in ("local", "vllm"):
        common = (
            "--recipe",
            str(folder / "own.yaml"),
            "--checkpoint",
            made["checkpoint_id"],
            "--split",
            "gate",
            "--engine",
            kind,
        )
        run_cli(folder, "eval", *common, check=0, timeout=580)
        scored[kind] = sql(folder, f"""
            select i.ordinal, i.value, r.completions ->> 0 as said from scores s join score_items i using (score_id)
            join requests r using (request_id) where r.engine = '{kind}' and s.metric like 'exact_match%' order by i.ordinal
        """)  # fmt: skip
    same = sum(a["said"].strip() == b["said"].strip() for a, b in zip(scored["local"], scored["vllm"], strict=True))
    assert len(scored["local"]) > 20 and same >= 0.95 * len(scored["local"]), f"{same} of {len(scored['local'])}"
    server = Serving(folder, "--recipe", str(folder / "own.yaml"))
    try:
        chat = server.client().chat.completions
        said = chat.create(model="champion", messages=[{"role": "user", "content": rows[0]["question"]}], max_tokens=16)
        assert said.choices[0].message.content and said.usage.completion_tokens > 0
        pieces = chat.create(
            model="champion", messages=[{"role": "user", "content": "2 + 2?"}], max_tokens=8, stream=True
        )
        assert len(list(pieces)) > 1
    finally:
        assert server.end() == 130
    assert not find_processes("vllm.entrypoints.openai.api_server --model="), "nothing of the server is left"


def find_processes(text):
    """Return the command lines, of all processes of this machine, that hold ``text``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in command:
            found.append(command)
    return found
