"""Where a training runs: an interpreter of one's own, several processes by accelerate launch."""

import json
import os
import socket
import sys

import pytest
from flywheel.errors import NotFoundError
from flywheel.train import Checkpoint, Running, Shape, TrainJob, check_python, train_checkpoint
from support import kill_group, start_cli, wait_for
from support_train import SEED_MODEL, losses, train_here, write_rows

ROWS = [
    {"prompt": [{"role": "user", "content": f"How much is {i} plus {i}?"}],
     "completion": [{"role": "assistant", "content": f"It is {2 * i}."}]}
    for i in range(16)
]  # fmt: skip
ARGS = {"learning_rate": 1e-3, "num_train_epochs": 1, "logging_steps": 1, "max_length": 128}

ACCELERATE = """
compute_environment: LOCAL_MACHINE
distributed_type: MULTI_GPU  # started by torchrun; MULTI_CPU would need MPI
num_machines: 1
num_processes: 2
main_process_port: 0
mixed_precision: 'no'
use_cpu: true
"""
CLOSE = {"rel": 1e-5}
"""How far the losses of two processes may be from those of one with the same effective batch: sums of floats in another order. Measured: 2.3e-7."""


def make_job(store, args, running, rows=ROWS, **shape):
    store.project.make_folders()
    path = write_rows(store.project.snapshots / "snap_x.jsonl", rows)
    parent = Checkpoint("ckpt_seed", SEED_MODEL, "seed")
    return TrainJob(
        "run_x", 1, "sft", parent, "revision", "snap_x", path, len(rows), args, 1, Shape(**shape), running
    )  # fmt: skip


def losses_of(store, checkpoint):
    found = store.query(
        "SELECT loss FROM train_log WHERE checkpoint_id = ? AND loss IS NOT NULL ORDER BY step",
        [checkpoint.checkpoint_id],
    )
    return [loss for (loss,) in found]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_machines_by_accelerate_launch_under_an_interpreter_of_ones_own(tmp_path, store):
    """Each of them has a process with two rows: they learn what one with four does; the interpreter is a script that says it ran."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    config = tmp_path / "accelerate.yaml"
    text = ACCELERATE.replace("num_machines: 1", "num_machines: 2\nmain_process_ip: 127.0.0.1").replace(
        "port: 0", f"port: {port}"
    )
    config.write_text(text)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/ran\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    running = Running(python=str(python), accelerate=config, save_every_s=1000)
    job = make_job(store, ARGS | {"per_device_train_batch_size": 2}, running, accelerate=text)
    events = []
    with (tmp_path / "said").open("w") as said:
        other = start_cli(store.project.root, "train", "--join", "1", stdout=None, stderr=said)
    try:
        made = train_checkpoint(store, job, on_event=events.append)
        wait_for(lambda: "done" in (tmp_path / "said").read_text(), seconds=30)
        assert other.poll() is None, "it waits for the next training"
    finally:
        kill_group(other)
    ran = (tmp_path / "ran").read_text().splitlines()
    assert [line.split("--machine_rank ")[1][0] for line in sorted(ran)] == ["0", "1"]
    assert all("accelerate.commands.launch" in line and f"--main_process_port {port}" in line for line in ran)
    assert (tmp_path / "said").read_text().splitlines() == [
        f"machine 1 of 2 takes part in {made.checkpoint_id}", "machine 1 of 2: done",
    ]  # fmt: skip
    assert [e["step"] for e in events if e["event"] == "step"] == [1, 2, 3, 4], "one process tells"
    ((metrics,),) = store.query("SELECT metrics FROM checkpoints WHERE checkpoint_id = ?", [made.checkpoint_id])
    assert json.loads(metrics)["steps"] == 4
    assert not [*store.project.work.glob("*.json")], "nothing is announced any more"
    one, _, _ = train_here(tmp_path / "one", "sft", SEED_MODEL, ROWS, ARGS | {"per_device_train_batch_size": 4})
    assert losses_of(store, made) == pytest.approx(losses(one), **CLOSE)
    from transformers import AutoModelForCausalLM

    assert AutoModelForCausalLM.from_pretrained(made.path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_processes_share_a_stream(tmp_path, store):
    """Three epochs, shuffled, the rows no multiple of the batch: each process reads half, both together what one reads alone."""
    config = tmp_path / "accelerate.yaml"
    config.write_text(ACCELERATE)
    args = ARGS | {"num_train_epochs": 3, "gradient_accumulation_steps": 2}
    rows = ROWS[:-1]
    job = make_job(
        store, args | {"per_device_train_batch_size": 2}, Running(accelerate=config), rows, accelerate=ACCELERATE, streaming=True
    )  # fmt: skip
    made = train_checkpoint(store, job)
    one, _, _ = train_here(
        tmp_path / "one", "sft", SEED_MODEL, rows, args | {"per_device_train_batch_size": 4}, streaming=True
    )
    assert losses_of(store, made) == pytest.approx(losses(one), **CLOSE) and len(losses(one)) == 6


def test_the_processes_are_part_of_what_a_checkpoint_is(store):
    alone = make_job(store, ARGS, Running())
    assert make_job(store, ARGS, Running(python="other", oom_retries=3)).checkpoint_id == alone.checkpoint_id
    assert make_job(store, ARGS, Running(), accelerate=ACCELERATE).checkpoint_id != alone.checkpoint_id
    assert make_job(store, ARGS, Running(), peft={"r": 4}).checkpoint_id != alone.checkpoint_id
    moved = [{"entry": "m:f", "spec": [1], "folder": folder, "columns": [], "content": {}} for folder in ("/a", "/b")]
    ids = {make_job(store, ARGS, Running(), rewards=r).checkpoint_id for r in moved}
    assert len(ids) == 1, "a project that moved is the same"


def test_an_interpreter_that_could_not_train_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match=r"train\.python"):
        check_python(str(tmp_path / "python"))
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nPYTHONPATH= exec {os.path.realpath(sys.executable)} -I -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(NotFoundError, match="it lacks torch") as caught:
        check_python(str(bare))
    assert "pip install llm-flywheel" in caught.value.cure
    check_python(None)
