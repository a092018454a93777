"""Helpers that tests share: mini projects, the real command line, the fake endpoint."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from flywheel.config import Recipe, load_recipe
from flywheel.errors import RecipeError
from flywheel.seed import generate_distinct
from flywheel.store import Project, render, run_query

HERE = Path(__file__).parent
SHARED = HERE.parent.parent / "shared" / "data"


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


def as_rows(problems):
    return [{"question": p.question, "answer": p.answer} for p in problems]


MINI = {
    "name": "mini",
    "seed": 3,
    "iterations": 2,
    "problems": {"source": "problems.jsonl"},
    "engine": {"batch_size": 64},
    "solve": {"draws": 4, "problems": 40, "max_tokens": 64},
    "on_policy": {"draws": 4, "problems": 24, "max_tokens": 64, "temperature": 1.4},  # hot: pairs in each iteration
    "train": {
        "sft": {"learning_rate": 5e-4, "num_train_epochs": 1, "per_device_train_batch_size": 16, "max_length": 256},
        "dpo": {"learning_rate": 1e-5, "num_train_epochs": 1, "per_device_train_batch_size": 16, "max_length": 256},
        "min_rows": 2,
    },
    "suites": [
        {"name": "heldout", "task": "word-problems", "gate": "gate.jsonl", "report": "report.jsonl", "max_gen_toks": 64}
    ],
}


def make_mini_project(folder, **changes):
    """Write a small project with real problems: seconds an iteration."""
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / "problems.jsonl", as_rows(generate_distinct("loop", 5, {1: 0.5, 2: 0.5}, 200)))
    write_jsonl(folder / "gate.jsonl", as_rows(generate_distinct("gate", 5, {1: 0.5, 2: 0.5}, 40)))
    write_jsonl(folder / "report.jsonl", as_rows(generate_distinct("report", 5, {1: 0.5, 2: 0.5}, 20)))
    recipe = {**MINI, **changes}
    Recipe.model_validate(recipe)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    return folder


def run_cli(folder, *args, env=None, timeout=300, check=None, stdin=None):
    """Run the real command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "flywheel", "-C", str(folder), *args],
        capture_output=True, text=True, timeout=timeout, env={**os.environ, **(env or {})}, input=stdin,
    )  # fmt: skip
    if check is not None:
        assert done.returncode == check, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


def give_shell(folder, commands, env=None, timeout=300):
    """Give lines to a shell in which ``flywheel`` is this one, as a page shows them; each has to end with exit code 0.

    Args:
        env: of the shell; None as a value takes a variable away.
    """
    shim = folder.parent / f"{folder.name}.bin" / "flywheel"
    if not shim.exists():
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m flywheel "$@"\n')
        shim.chmod(0o755)
    env = {**os.environ, "PATH": f"{shim.parent}:{os.environ['PATH']}", **(env or {})}
    done = subprocess.run(
        ["sh", "-e", "-c", commands], cwd=folder, capture_output=True, text=True, timeout=timeout,
        env={key: value for key, value in env.items() if value is not None},
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
    return done


def start_cli(folder, *args, env=None, stdout=subprocess.PIPE, stderr=subprocess.PIPE):
    """Start the real command in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "flywheel", "-C", str(folder), *args], env={**os.environ, **(env or {})},
        stdout=stdout, stderr=stderr, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def refuse_recipe(folder, said, **keys):
    """Check that a mini recipe with these keys is refused in these words."""
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**MINI, **keys}))
    with pytest.raises(RecipeError) as raised:
        load_recipe(path)
    assert said in str(raised.value)


def refused(done, *parts, code=2):
    """Check that a command was refused with all four parts of a message: place, expected, received, cure."""
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    for part in (*parts, "expected:", "received:", "cure:"):
        assert part in done.stderr, done.stderr


def change(folder, **changes):
    """Write the mini project's recipe anew, with changes."""
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**MINI, **changes}))


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
"""Rows of a finished run that do not depend on when and how often it was interrupted."""


def final_state(folder):
    return {name: sql(folder, query) for name, query in FINAL.items()}


class FakeEndpoint:
    def __init__(self, folder, problems, **settings):
        folder.mkdir(exist_ok=True)
        self.log = folder / "endpoint.log"
        port_file = folder / "endpoint.port"
        port_file.unlink(missing_ok=True)
        args = [f"{k}={v}" for k, v in settings.items()]
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "fake_endpoint.py"), str(port_file), str(self.log), str(problems), *args],
            start_new_session=True,
        )
        while not port_file.exists():
            assert self.process.poll() is None, "the fake endpoint did not start"
            time.sleep(0.02)
        self.url = f"http://127.0.0.1:{port_file.read_text()}/v1"
        self.env = {"OPENAI_BASE_URL": self.url, "OPENAI_API_KEY": "secret-key-for-tests"}

    def answered(self):
        return self.log.read_text().splitlines() if self.log.exists() else []

    def stop(self):
        self.process.kill()
        self.process.wait()


def sql(folder, query):
    """Return the rows of a query as dicts, as ``flywheel sql --format json`` prints them, without its process."""
    return json.loads(render(run_query(Project(Path(folder)), query), "json"))


JUMPS = """
import itertools, time
real, turns = time.time_ns, itertools.count()
time.time_ns = lambda: real() + (-1) ** next(turns) * 86_400 * 10**9
time.time = lambda: time.time_ns() / 1e9
"""
"""As ``sitecustomize.py`` on a process's path: its clock jumps a day to and fro."""
HOLD = """
import duckdb, sys, time
for _ in range(2000):  # a run holds the file for a third of the time, some milliseconds each
    try:
        c = duckdb.connect(sys.argv[1])
        break
    except duckdb.IOException:
        time.sleep(0.01)
c.sql("select 1")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""
"""A program that takes a store's lock as soon as it is free, says ``held``, and keeps it for some seconds."""


def kill_group(process):
    os.killpg(process.pid, 9)
    process.wait()
