"""A user's mistakes: a clear message with place and cure, the right exit code, no traceback, nothing lost."""

import json
import resource
import subprocess
import sys

import pytest
from support import MINI, change, make_mini_project, refused, run_cli, sql


def test_no_recipe(tmp_path):
    refused(run_cli(tmp_path, "run"), "recipe.yaml", f"flywheel -C {tmp_path} init")


def test_a_misspelt_key(mini):
    change(mini, itterations=3)
    refused(run_cli(mini, "run"), "recipe.yaml:", "did you mean 'iterations'?")


def test_a_misspelt_training_key_before_anything_is_generated(mini):
    change(mini, train={**MINI["train"], "sft": {"learning_rat": 1e-4}})
    refused(run_cli(mini, "run"), "train.sft.learning_rat", "did you mean 'learning_rate'?")
    assert not (mini / "flywheel.duckdb").exists()


def test_a_missing_problem_file(mini):
    change(mini, problems={"source": "gone.jsonl"})
    refused(run_cli(mini, "run"), "gone.jsonl", "no such file")


def test_a_missing_suite_file(mini):
    change(mini, suites=[{**MINI["suites"][0], "gate": "gone.jsonl"}])
    refused(run_cli(mini, "run"), "gone.jsonl", "no such file")


def test_an_unknown_task(mini):
    change(mini, suites=[{**MINI["suites"][0], "task": "no-such-task"}])
    refused(run_cli(mini, "run"), "task 'no-such-task'")


def test_an_unknown_template(mini):
    change(mini, solve={**MINI["solve"], "template": "nope"})
    refused(run_cli(mini, "run"), "template 'nope'")


def test_an_unknown_model(mini):
    change(mini, model="someone/nothing")
    refused(run_cli(mini, "run"), "model 'someone/nothing'")


def test_a_malformed_problem_line_is_kept_as_a_drop_and_the_rest_is_used(mini, endpoint):
    lines = (mini / "problems.jsonl").read_text().splitlines()
    lines[2:2] = ['{"question": "torn', '{"question": "no answer"}', "[1, 2]"]
    (mini / "problems.jsonl").write_text("\n".join(lines))
    change(mini, engine={"kind": "openai"}, solve={"draws": 1, "problems": 5})
    (mini / "known.jsonl").write_text("")
    done = run_cli(mini, "generate", env=endpoint(mini / "known.jsonl").env, check=0)
    assert "3 rows of problems.jsonl cannot be used" in done.stderr
    assert "problems.jsonl:3: not JSON" in done.stderr
    drops = sql(mini, "select input_id, raw from drops where step = 'problems' order by input_id")
    assert [d["input_id"] for d in drops] == [f"problems.jsonl:{i}" for i in (3, 4, 5)]
    assert drops[0]["raw"] == '{"question": "torn'
    assert sql(mini, "select count(*) as n from problems") == [{"n": 200}]
    run_cli(mini, "generate", env=endpoint(mini / "known.jsonl").env, check=0)
    assert sql(mini, "select count(*) as n from drops where step = 'problems'") == [{"n": 3}]


def test_a_problem_file_without_a_usable_line(mini):
    (mini / "problems.jsonl").write_text("nothing\nuseful\n")
    refused(run_cli(mini, "run"), "problems problems.jsonl", "not JSON")


def test_a_malformed_suite_line_is_never_scored_around(mini):
    with (mini / "gate.jsonl").open("a") as stream:
        stream.write('{"question": "torn\n')
    refused(run_cli(mini, "run"), "gate.jsonl:41", "never scored in part")


def test_an_endpoint_that_refuses(mini):
    change(mini, engine={"kind": "openai", "max_attempts": 1, "patience_s": 0})
    done = run_cli(mini, "generate", env={"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    refused(done, "endpoint http://127.0.0.1:9/v1", "the same command again", code=1)


def test_an_endpoint_that_fails_some_requests_costs_only_those(mini, endpoint):
    change(mini, engine={"kind": "openai", "max_attempts": 1}, solve={"draws": 2, "problems": 40})
    server = endpoint(mini / "problems.jsonl", faults="400=0.3")
    run_cli(mini, "generate", env=server.env, check=0)
    (row,) = sql(mini, "select * from funnel where step = 'solve'")
    assert row["entered"] == 80 == row["kept"] + row["dropped"]
    assert 0 < row["dropped"] < 60
    assert row["reason"] == f"HTTP 400: {row['dropped']}"


def test_no_key_is_stored_or_logged(mini, endpoint):
    change(mini, engine={"kind": "openai"}, solve={"draws": 1, "problems": 3})
    server = endpoint(mini / "problems.jsonl")
    done = run_cli(mini, "generate", env=server.env, check=0)
    assert "secret-key" not in done.stdout + done.stderr
    for file in mini.rglob("*"):
        if file.is_file():
            assert b"secret-key-for-tests" not in file.read_bytes(), file


def test_a_store_that_another_program_holds(mini, endpoint):
    change(mini, engine={"kind": "openai"}, solve={"draws": 1, "problems": 3})
    server = endpoint(mini / "problems.jsonl")
    run_cli(mini, "generate", env=server.env, check=0)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import duckdb, time; c = duckdb.connect({str(mini / 'flywheel.duckdb')!r}); print(1, flush=True); time.sleep(4)",
        ],
        stdout=subprocess.PIPE,
    )
    holder.stdout.readline()
    done = run_cli(mini, "status", check=0)
    assert f"held by process {holder.pid}" in done.stderr
    holder.communicate()


@pytest.mark.slow
def test_no_room_for_a_checkpoint_and_then_room_again(tmp_path):
    """A real write failure: the kernel refuses files above 2 MB in the run and its children."""
    folder = make_mini_project(tmp_path / "full", iterations=1)

    def no_large_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))

    done = subprocess.run(
        [sys.executable, "-m", "flywheel", "-C", str(folder), "run"],
        capture_output=True,
        text=True,
        preexec_fn=no_large_files,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "free some space, then give the same command again" in done.stderr
    assert sql(folder, "select count(*) as n from samples") == [{"n": 160}]
    run_cli(folder, "run", check=0)
    (row,) = sql(folder, "select count(*) as n, count(distinct sample_id) as d from samples where step = 'solve'")
    assert row == {"n": 160, "d": 160}


def test_too_little_room_is_seen_before_training(monkeypatch, tmp_path):
    import shutil
    from collections import namedtuple

    from flywheel.errors import DiskFullError
    from flywheel.llm import seed_model_path
    from flywheel.train._stage import _check_room

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1_000_000))
    with pytest.raises(DiskFullError, match="3 times the parent checkpoint"):
        _check_room(seed_model_path(), tmp_path)


def test_an_unknown_checkpoint_and_suite(mini):
    refused(run_cli(mini, "eval", "--checkpoint", "ckpt_nope"), "checkpoint 'ckpt_nope'")
    refused(run_cli(mini, "eval", "--suite", "nope"), "suite 'nope'", "heldout")


def test_training_without_samples_says_what_is_missing(mini):
    refused(run_cli(mini, "train"), "iteration 1", "flywheel generate")


def test_a_second_run_in_the_same_project(mini):
    from flywheel.store import Project, Store

    with Store(Project(mini)).run_lock("somebody else"):
        refused(run_cli(mini, "run"), "no other run in this project", "(somebody else)")


def test_a_model_folder_that_does_not_load(mini, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (broken / "model.safetensors").write_bytes(b"")
    change(mini, model=str(broken))
    refused(run_cli(mini, "run"), "model", "tokenizer")
