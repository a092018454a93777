"""What a training survives: a kill, a loss that is no number, memory that runs out."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from flywheel.errors import OutOfMemoryError, StageError
from flywheel.store import Project, Store
from flywheel.train._batch import smaller_batch
from flywheel.train._log import LogKeeper, write_log
from support import kill_group, run_cli, sql, start_cli, wait_for
from support_train import SEED_MODEL, train_here, write_rows

ROWS = [
    {"prompt": [{"role": "user", "content": f"How much is {i} plus {i}?"}],
     "completion": [{"role": "assistant", "content": f"It is {2 * i}."}]}
    for i in range(60)
]  # fmt: skip


def make_project(folder, rows, **train):
    folder.mkdir()
    write_rows(folder / "rows.jsonl", rows)
    recipe = {"name": "own", "seed": 5, "model": "seed", "train": {"rows": "rows.jsonl", "min_rows": 2, **train}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_after_a_kill_the_same_command_gives_the_losses_of_an_undisturbed_training(tmp_path):
    sft = {
        "learning_rate": 1e-3, "per_device_train_batch_size": 4, "num_train_epochs": 4, "logging_steps": 5,
        "save_strategy": "steps", "save_steps": 7, "max_length": 128,
    }  # fmt: skip
    empty = {"prompt": ROWS[0]["prompt"], "completion": [{"role": "assistant", "content": " "}]}
    folder = make_project(tmp_path / "project", [*ROWS, empty], sft=sft, peft={"r": 4, "lora_dropout": 0.2})
    with (folder / "rows.jsonl").open("a") as stream:
        stream.write("no JSON\n")
    work = folder / ".flywheel" / "work"
    killed = start_cli(folder, "train", stdout=None, stderr=None)
    wait_for(lambda: [*work.glob("*/trainer/checkpoint-*/trainer_state.json")], seconds=120)
    kill_group(killed)
    wait_for(lambda: not _alive(work))
    job = json.loads(next(work.glob("*/job.json")).read_text())
    torn = next(work.glob("*/trainer")) / "checkpoint-999"  # a kill while the next state was written
    torn.mkdir()
    (torn / "trainer_state.json").write_text('{"global_step": 9')
    done = run_cli(folder, "train", check=0)
    assert "60 rows (1 of the snapshot's dropped), loss" in done.stderr
    resumed = [
        tuple(r.values()) for r in sql(folder, "select step, loss from train_log where loss is not null order by step")
    ]

    from flywheel.train.child import train

    (tmp_path / "whole").mkdir()
    whole = train({**job, "out": str(tmp_path / "whole" / "out")}, tmp_path / "whole", lambda event: None)
    assert resumed == [(e["step"], e["loss"]) for e in whole["log"] if "loss" in e]
    assert len(resumed) > 12
    (metrics,) = sql(folder, "select metrics from checkpoints where stage = 'sft'")
    assert json.loads(metrics["metrics"])["train_loss"] == whole["metrics"]["train_loss"]
    assert not [*work.glob("*/trainer")], "the states go when the checkpoint is there"
    funnel = sql(folder, "select step, entered, kept, dropped from funnel where step like 'sft/%' order by step")
    assert [tuple(row.values()) for row in funnel] == [
        ("sft/curate", 61, 61, 0), ("sft/preflight", 61, 60, 1), ("sft/rows", 62, 61, 1), ("sft/snapshot", 61, 61, 0),
    ]  # fmt: skip
    (drop,) = sql(folder, "select reason, input_id, raw from drops where step = 'sft/preflight'")
    assert drop["reason"] == "empty: completion is empty" and '"content": " "' in drop["raw"]
    (line,) = sql(folder, f"select source, draw from samples where sample_id = '{drop['input_id']}'")
    assert line == {"source": "rows.jsonl", "draw": 60}
    out = run_cli(folder, "train", "--export", "champion", "--output", str(tmp_path / "copy"), check=0)
    assert (tmp_path / "copy" / "config.json").is_file() and str(tmp_path / "copy") in out.stdout


def _alive(work):
    return any(str(work).encode() in _command(p) for p in Path("/proc").iterdir() if p.name.isdigit())


def _command(process):
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.filterwarnings("ignore")
def test_a_loss_that_is_no_number_stops_the_training_and_the_last_good_state_stays(tmp_path):
    from safetensors.torch import load_file

    args = {
        "learning_rate": 1e36, "max_grad_norm": 0.0, "warmup_steps": 3, "lr_scheduler_type": "constant_with_warmup",
        "save_strategy": "steps", "save_steps": 1, "per_device_train_batch_size": 4, "logging_steps": 1,
    }  # fmt: skip
    with pytest.raises(StageError, match="last good state is kept in") as caught:
        train_here(tmp_path, "sft", SEED_MODEL, ROWS, args)
    assert "learning_rate" in caught.value.cure
    assert not (tmp_path / "out").exists()
    (kept,) = sorted((tmp_path / "trainer").glob("checkpoint-*"))[-1:]
    assert str(kept) in str(caught.value)
    assert all(bool(w.isfinite().all()) for w in load_file(kept / "model.safetensors").values())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_training_that_fails_leaves_what_it_logged_once_however_often_it_is_tried(tmp_path):
    sft = {
        "per_device_train_batch_size": 4,
        "logging_steps": 1,
        "max_steps": 8,
        "save_strategy": "steps",
        "save_steps": 2,
    }
    bad = {"learning_rate": 1e36, "max_grad_norm": 0.0, "warmup_steps": 3, "lr_scheduler_type": "constant_with_warmup"}
    folder = make_project(tmp_path / "project", ROWS, sft=sft | bad)
    done = run_cli(folder, "train", check=1)
    assert "last good state is kept in" in done.stderr, done.stderr
    lines = sql(folder, "select checkpoint_id, step, loss, entry from train_log order by step")
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1)) and lines[0]["loss"] > 0
    assert json.loads(lines[-1]["entry"])["fault"].startswith(("a loss of", "a grad_norm of"))
    assert "event" not in json.loads(lines[0]["entry"])
    assert sql(
        folder, "select count(*) as n from train_log where checkpoint_id in (select checkpoint_id from checkpoints)"
    ) == [{"n": 0}]
    run_cli(folder, "train", check=1)
    again = sql(folder, "select checkpoint_id, step, loss, entry from train_log order by step")
    assert [(r["checkpoint_id"], r["step"]) for r in again] == [(r["checkpoint_id"], r["step"]) for r in lines]


def test_an_attempt_that_goes_on_replaces_the_lines_from_there_and_success_all(tmp_path):
    store = Store(Project(tmp_path))
    store.open()
    for attempt in ([(1, 3.0), (2, 2.5), (3, 2.0)], [(3, 2.1), (4, 1.5)]):
        keeper = LogKeeper(lambda event: None)
        for step, loss in attempt:
            keeper({"event": "log", "step": step, "loss": loss, "tokens": 5})
        keeper({"event": "step", "step": 5})
        keeper.save(store, "ckpt_a")
    read = "SELECT step, loss FROM train_log ORDER BY step"
    assert store.query(read) == [(1, 3.0), (2, 2.5), (3, 2.1), (4, 1.5)]
    write_log(store, "ckpt_a", [{"step": 1, "loss": 3.0}])
    assert store.query(read) == [(1, 3.0)]
    store.close()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space are Linux's")
def test_memory_that_runs_out_is_told_or_tried_again_in_smaller_parts(tmp_path):
    """In a process of its own: how much address space is free depends on what a process did before."""
    file = Path(__file__).with_name("little_memory.py")
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:xdist", f"--basetemp={tmp_path / 'own'}", str(file)]
    done = subprocess.run(command, env=env, cwd=file.parent.parent.parent, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(("batch", "steps", "then"), [(8, 1, (4, 2)), (9, 2, (3, 6)), (7, 1, (1, 7)), (1, 4, None)])
def test_the_effective_batch_stays(batch, steps, then):
    made = smaller_batch({"per_device_train_batch_size": batch, "gradient_accumulation_steps": steps})
    found = made and (made["per_device_train_batch_size"], made["gradient_accumulation_steps"])
    assert found == then


def test_a_child_that_was_killed_is_told_as_out_of_memory(tmp_path):
    from flywheel.stage import run_stage

    (tmp_path / "killed").mkdir()
    (tmp_path / "killed" / "child.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(OutOfMemoryError, match="SIGKILL"):
        run_stage("killed.child", {}, tmp_path / "work", env={"PYTHONPATH": str(tmp_path)})
