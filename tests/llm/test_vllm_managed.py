"""A managed vLLM server, with a fake one in its place: started, stopped in every way, its failures explained."""

import asyncio
import json
import os
import signal
import sys
import time

import pytest
from flywheel.errors import EndpointError, NotFoundError
from flywheel.llm import Request, Sampling, ServerSettings, VllmEngine, find_vllm_python, resolve_model
from flywheel.llm import _vllm_server as server_module
from flywheel.llm._vllm_command import PLAIN_TEMPLATE, render_command
from flywheel.llm._vllm_log import find_cause
from support import make_mini_project, run_cli, sql, start_cli, wait_for
from support_flow import STEPS
from support_vllm import FakeVllm, make_vllm_project

ONE = STEPS[:1]


def logs_of(folder):
    return sorted((folder / ".flywheel" / "logs").glob("vllm-*.log"))


def make_engine(fake, tmp_path, **more):
    settings = ServerSettings(tmp_path / "logs", tmp_path, python=str(fake.python), env=fake.env, **more)
    return VllmEngine(resolve_model("seed"), settings, concurrency=4, timeout_s=30, max_attempts=3)


def questions(engine, n=8):
    return [
        Request(({"role": "user", "content": f"question {i}"},), Sampling(max_tokens=8), engine.identity)
        for i in range(n)
    ]


# --- a whole run -----------------------------------------------------------------------------------------------


def test_generate_starts_a_server_uses_it_and_leaves_nothing_of_it(tmp_path):
    fake = FakeVllm(tmp_path / "fake")
    args = {"gpu_memory_utilization": 0.85, "enforce_eager": True}
    folder = make_vllm_project(tmp_path / "p", fake, server_args=args)
    run_cli(folder, "generate", check=0)
    assert not fake.living()
    assert len(fake.notes("pids")) == 3
    (made,) = sql(folder, "select distinct engine, model, checkpoint_id is not null as known from requests")
    assert made == {"engine": "vllm", "model": "seed", "known": True}
    (funnel,) = sql(folder, "select * from funnel where step = 'notes'")
    assert funnel["entered"] == 40
    (argv,) = fake.notes("argv")
    assert "--gpu-memory-utilization=0.85 --enforce-eager" in argv
    assert "--generation-config=vllm" in argv
    run_cli(folder, "generate", check=0)
    assert len(fake.notes("argv")) == 1, "with nothing left to ask, no server is started"


def test_problems_are_solved_by_the_champion_on_the_server(tmp_path):
    fake = FakeVllm(tmp_path / "fake")
    folder = make_mini_project(tmp_path / "p", engine=fake.engine(), solve={"draws": 2, "problems": 10})
    run_cli(folder, "generate", check=0)
    assert not fake.living()
    (made,) = sql(folder, "select engine, model, count(*) as n, sum(n_draws) as draws from requests group by all")
    assert made == {"engine": "vllm", "model": "seed", "n": 10, "draws": 20}


def test_steps_and_problems_of_one_checkpoint_share_a_server_that_ends_with_them(tmp_path):
    fake = FakeVllm(tmp_path / "fake")
    steps = [{"step": "tries", "generator": "solve", "source": "problems", "limit": 5}]
    folder = make_mini_project(tmp_path / "p", engine=fake.engine(), generate=steps, solve={"draws": 2, "problems": 10})
    run_cli(folder, "generate", check=0)
    assert len(fake.notes("argv")) == 1
    assert not fake.living()
    assert sql(folder, "select step, count(*) as n from requests group by all order by step") == [
        {"step": "solve", "n": 10}, {"step": "tries", "n": 5},
    ]  # fmt: skip


def test_the_key_is_in_no_file_of_the_project_no_command_line_and_no_output(tmp_path):
    fake = FakeVllm(tmp_path / "fake", dies_after=10, deaths=1)
    folder = make_vllm_project(tmp_path / "p", fake, n=20, steps=ONE)
    done = run_cli(folder, "-vv", "generate", check=0)
    (key,) = set(fake.notes("keys"))
    assert len(key) >= 32
    for text in (done.stdout, done.stderr, *fake.notes("argv")):
        assert key not in text
    files = [p for p in folder.rglob("*") if p.is_file()]
    assert len(logs_of(folder)) == 1
    for path in files:
        assert key.encode() not in path.read_bytes(), path


def test_dry_run_starts_no_server(tmp_path):
    fake = FakeVllm(tmp_path / "fake")
    folder = make_vllm_project(tmp_path / "p", fake, n=3, steps=ONE)
    assert "requests" in run_cli(folder, "generate", "--dry-run", check=0).stdout
    assert not fake.notes("argv")


# --- ways to end -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_finishes_what_is_in_flight_then_stops_the_server(tmp_path, number):
    fake = FakeVllm(tmp_path / "fake", latency=0.2)
    folder = make_vllm_project(tmp_path / "p", fake, n=300, steps=ONE)
    run = start_cli(folder, "generate")
    wait_for(lambda: len(fake.notes("answered")) >= 8)
    run.send_signal(number)
    out, err = run.communicate(timeout=30)
    assert run.returncode == 128 + number, err
    assert "The same command goes on" in out
    assert not fake.living()
    assert sql(folder, "select count(*) as n from requests")[0]["n"] == len(fake.notes("answered")) < 300


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_two_signals_stop_at_once_and_the_server_too(tmp_path, number):
    fake = FakeVllm(tmp_path / "fake", latency=20)
    folder = make_vllm_project(tmp_path / "p", fake, n=20, steps=ONE)
    run = start_cli(folder, "generate")
    wait_for(lambda: logs_of(folder) and len(fake.living()) == 3)
    time.sleep(1.5)
    run.send_signal(number)
    while "once more" not in run.stderr.readline():
        pass
    run.send_signal(number)
    _, err = run.communicate(timeout=10)
    assert run.returncode == 130, err
    assert not fake.living()


def test_one_signal_during_the_start_ends_it(tmp_path):
    fake = FakeVllm(tmp_path / "fake", mode="hang")
    folder = make_vllm_project(tmp_path / "p", fake, n=20, steps=ONE)
    run = start_cli(folder, "generate")
    wait_for(lambda: len(fake.living()) == 3)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=20)
    assert run.returncode == 130, err
    assert "The same command goes on" in out
    assert not fake.living()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("mode", ["", "hang"])
def test_a_signal_to_the_solving_process_ends_the_server_too(tmp_path, number, mode):
    """Once a start is given up and what is in flight is waited for, twice both are left; SIGKILL asks nobody."""
    fake = FakeVllm(tmp_path / "fake", mode=mode, latency=20)
    folder = make_mini_project(tmp_path / "p", engine=fake.engine(), solve={"draws": 2, "problems": 10})
    run = start_cli(folder, "generate")
    wait_for(lambda: len(fake.living()) == 3)
    run.send_signal(number)
    if number == signal.SIGKILL:
        code = -number
    elif mode == "hang":
        code = 128 + number
    else:
        while "once more" not in run.stderr.readline():
            pass
        run.send_signal(number)
        code = 130
    _, err = run.communicate(timeout=20)
    assert run.returncode == code, err
    wait_for(lambda: not fake.living(), 10)


def test_after_kill_9_the_server_ends_and_nothing_answered_and_saved_is_asked_again(tmp_path):
    fake = FakeVllm(tmp_path / "fake", latency=0.1)
    folder = make_vllm_project(tmp_path / "p", fake, n=100, steps=ONE)
    run = start_cli(folder, "generate")
    wait_for(lambda: len(fake.notes("answered")) >= 24)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    wait_for(lambda: not fake.living(), 10)
    run_cli(folder, "generate", check=0)
    assert sql(folder, "select count(*) as n from requests")[0]["n"] == 100
    assert len(fake.notes("answered")) <= 100 + 8, "at most what was in flight"
    assert len(fake.notes("argv")) == 2
    assert not fake.living()


def test_an_error_of_the_consumer_stops_the_server(tmp_path):
    fake = FakeVllm(tmp_path / "fake")
    engine = make_engine(fake, tmp_path)

    async def fail():
        try:
            async for _ in engine.stream(questions(engine), ()):
                raise ZeroDivisionError
        finally:
            await engine.close()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())
    assert len(fake.notes("pids")) == 3
    assert not fake.living()


def test_a_server_that_ignores_sigterm_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(server_module, "GRACE_S", 0.5)
    fake = FakeVllm(tmp_path / "fake", stubborn=1)
    engine = make_engine(fake, tmp_path)

    async def work():
        replies = [r async for group in engine.stream(questions(engine), ()) for r in group]
        began = time.monotonic()
        await engine.close()
        return replies, time.monotonic() - began

    replies, took_s = asyncio.run(work())
    assert len(replies) == 8
    assert 0.5 <= took_s < 5
    assert not fake.living()


def test_a_guard_that_is_killed_does_not_leave_its_server(tmp_path):
    fake = FakeVllm(tmp_path / "fake")
    engine = make_engine(fake, tmp_path, max_restarts=0)

    async def work():
        try:
            async for _ in engine.stream(questions(engine, 1), ()):
                engine._server._process.kill()
        finally:
            await engine.close()

    asyncio.run(work())
    wait_for(lambda: fake.notes("pids")[0] not in fake.living(), 10)
    for pid in fake.living():
        os.kill(int(pid), signal.SIGKILL)


# --- failures --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "code", "received", "cure"),
    [
        ("oom", 1, "did not start, exit code 1: torch.OutOfMemoryError: CUDA out of memory", "gpu_memory_utilization"),
        ("no-vllm", 2, "No module named 'vllm'", "FLYWHEEL_VLLM_PYTHON"),
        ("arch", 1, "Model architectures ['NewForCausalLM'] are not supported", "newer vLLM"),
        ("cuda", 1, "driver on your system is too old", "do not fit"),
        ("port", 1, "Address already in use", "another port"),
        ("flag", 1, "unrecognized arguments: --gpu-memory-utilisation", "server_args"),
    ],
)
def test_a_failed_start_is_explained_with_the_line_that_tells(tmp_path, mode, code, received, cure):
    fake = FakeVllm(tmp_path / "fake", mode=mode)
    folder = make_vllm_project(tmp_path / "p", fake, n=3, steps=ONE)
    done = run_cli(folder, "generate", check=code)
    assert received in done.stderr
    assert cure in done.stderr.split("cure: ")[1]
    if code == 1:
        assert str(logs_of(folder)[0]) in done.stderr
    assert not fake.living()


def test_a_start_that_takes_too_long_is_given_up(tmp_path):
    fake = FakeVllm(tmp_path / "fake", mode="hang")
    folder = make_vllm_project(tmp_path / "p", fake, n=3, steps=ONE, startup_s=1.5)
    done = run_cli(folder, "generate", check=1)
    assert "engine.startup_s = 1.5 s" in done.stderr
    assert "non-default args" in done.stderr, "the last lines of the log"
    assert not fake.living()


def test_a_missing_interpreter_is_the_users_mistake(tmp_path):
    fake = FakeVllm(tmp_path / "fake")
    fake.python.unlink()
    folder = make_vllm_project(tmp_path / "p", fake, n=3, steps=ONE)
    done = run_cli(folder, "generate", check=2)
    assert f"no program {fake.python}" in done.stderr


def test_a_program_that_cannot_be_run_is_explained(tmp_path):
    fake = FakeVllm(tmp_path / "fake")
    fake.python.write_text("#!/no/such/interpreter\n")
    folder = make_vllm_project(tmp_path / "p", fake, n=3, steps=ONE)
    assert "cannot start" in run_cli(folder, "generate", check=1).stderr


def test_a_server_that_dies_once_is_started_again_and_no_row_is_lost(tmp_path):
    fake = FakeVllm(tmp_path / "fake", dies_after=15, deaths=1)
    folder = make_vllm_project(tmp_path / "p", fake, n=60, steps=ONE)
    done = run_cli(folder, "generate", check=0)
    assert "vLLM ended in the middle of the run, exit code 1: torch.OutOfMemoryError" in done.stderr
    assert "started again (1 of 1)" in done.stderr
    assert len(fake.notes("argv")) == 2
    assert sql(folder, "select count(*) as n, count(answered_at) as done from requests") == [{"n": 60, "done": 60}]
    (funnel,) = sql(folder, "select * from funnel where step = 'notes'")
    assert funnel["entered"] == 60
    assert not fake.living()


def test_a_server_that_dies_again_ends_the_run_with_its_reason_and_the_same_command_goes_on(tmp_path):
    fake = FakeVllm(tmp_path / "fake", dies_after=15, deaths=2)
    folder = make_vllm_project(tmp_path / "p", fake, n=60, steps=ONE)
    done = run_cli(folder, "generate", check=1)
    assert "ended in the middle of the run, exit code 1: torch.OutOfMemoryError" in done.stderr.split("error: ")[-1]
    assert str(logs_of(folder)[0]) in done.stderr
    assert not fake.living()
    assert len(fake.notes("answered")) == 30
    run_cli(folder, "generate", check=0)
    assert len(fake.notes("answered")) == 60, "none is asked twice"
    assert sql(folder, "select count(*) as n, count(answered_at) as done from requests") == [{"n": 60, "done": 60}]


def test_with_no_restarts_the_first_death_ends_the_stream(tmp_path):
    fake = FakeVllm(tmp_path / "fake", dies_after=2)
    engine = make_engine(fake, tmp_path, max_restarts=0)

    async def work():
        try:
            return [r async for group in engine.stream(questions(engine), ()) for r in group]
        finally:
            await engine.close()

    with pytest.raises(EndpointError, match="ended in the middle of the run"):
        asyncio.run(work())
    assert len(fake.notes("argv")) == 1
    assert not fake.living()


# --- parts -----------------------------------------------------------------------------------------------------


def test_identity_is_the_weights_not_the_port_and_what_shapes_answers_counts(tmp_path):
    seed = resolve_model("seed")

    def identity(extra_body=None, **args):
        settings = ServerSettings(tmp_path, tmp_path, server_args=args)
        engine = VllmEngine(seed, settings, concurrency=1, timeout_s=1, max_attempts=1, extra_body=extra_body)
        return engine.identity

    assert identity() == identity(tensor_parallel_size=2, gpu_memory_utilization=0.5)
    assert (identity().engine, identity().revision) == ("vllm", seed.revision)
    assert identity().revision != identity(dtype="bfloat16").revision != identity({"top_k": 5}).revision
    assert identity(max_model_len=512) == identity(**{"max-model-len": 512})


def test_flags_are_rendered_as_vllm_reads_them(tmp_path):
    args = {
        "gpu_memory_utilization": 0.85, "enable-prefix-caching": False, "enforce_eager": True, "dtype": None,
        "middleware": ["a.b", "c.d"], "hf_overrides": {"rope_theta": 1.0}, "generation_config": "auto",
    }  # fmt: skip
    command = render_command("/x/python", resolve_model("seed"), 8123, args)
    assert command[:3] == ["/x/python", "-m", "vllm.entrypoints.openai.api_server"]
    tail = command[command.index("--port=8123") + 1 :]
    assert tail == [
        "--generation-config=auto", "--uvicorn-log-level=warning", "--gpu-memory-utilization=0.85",
        "--no-enable-prefix-caching", "--enforce-eager", "--middleware", "a.b", "c.d",
        '--hf-overrides={"rope_theta": 1.0}',
    ]  # fmt: skip


def test_a_model_without_a_chat_template_gets_the_plain_one_of_the_local_engine(tmp_path):
    import jinja2
    from flywheel.llm import ResolvedModel

    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 9}))
    model = ResolvedModel("m", str(tmp_path), "r")
    assert f"--chat-template={PLAIN_TEMPLATE}" in render_command("p", model, 1, {})
    messages = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
    assert jinja2.Template(PLAIN_TEMPLATE, keep_trailing_newline=True).render(messages=messages) == "a\n\nb\n"
    (tmp_path / "chat_template.jinja").write_text("x")
    assert not [a for a in render_command("p", model, 1, {}) if "chat-template" in a]


def test_the_interpreter_comes_from_the_recipe_then_the_environment_then_this_one(tmp_path, monkeypatch):
    monkeypatch.delenv("FLYWHEEL_VLLM_PYTHON", raising=False)
    assert find_vllm_python() == sys.executable
    monkeypatch.setenv("FLYWHEEL_VLLM_PYTHON", "/bin/sh")
    assert find_vllm_python() == "/bin/sh"
    own = tmp_path / "own"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    assert find_vllm_python("./own", tmp_path) == str(own)
    with pytest.raises(NotFoundError, match=r"engine\.python"):
        find_vllm_python("./none", tmp_path)


@pytest.mark.parametrize(
    ("log", "line", "cure"),
    [
        (
            "(EngineCore pid=4) ERROR 11-20 14:00:00 [core.py:936] ValueError: To serve at least one request with the "
            "models's max seq len (4096), (1.0 GiB KV cache is needed, which is larger than the available KV cache memory "
            "(0.5 GiB).\nRuntimeError: Engine core initialization failed. See root cause above.",
            "ValueError: To serve",
            "max_model_len",
        ),
        ("ValueError: Free memory on device cuda:0 (1/80 GiB) on startup is less than desired GPU memory", "ValueError: Free", "free the GPU"),
        ("ImportError: libcudart.so.12: cannot open shared object file", "ImportError: libcudart", "do not fit"),
        ("\x1b[0;36m(APIServer pid=1)\x1b[0;0m ValueError: odd\nRuntimeError: Engine core initialization failed. See root cause above.", "ValueError: odd", ""),
        ("INFO one\nlast words", "last words", ""),
    ],
)  # fmt: skip
def test_the_telling_line_is_found(log, line, cure):
    finding = find_cause(log)
    assert finding.line.startswith(line)
    assert cure in finding.cure if cure else finding.cure == ""


def test_an_empty_log_tells_nothing():
    assert find_cause("") is None
