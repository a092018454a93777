"""Where a training runs: an interpreter of one's own, several processes by accelerate launch."""

import json
import os
import sys

import pytest
from flywheel.errors import NotFoundError
from flywheel.train import Checkpoint, Running, Shape, TrainJob, check_python, train_checkpoint
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


def make_job(store, args, running, **shape):
    store.project.make_folders()
    path = write_rows(store.project.snapshots / "snap_x.jsonl", ROWS)
    parent = Checkpoint("ckpt_seed", SEED_MODEL, "seed")
    return TrainJob(
        "run_x", 1, "sft", parent, "revision", "snap_x", path, len(ROWS), args, 1, Shape(**shape), running
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_two_processes_by_accelerate_launch_under_an_interpreter_of_ones_own(tmp_path, store):
    """Two CPU processes with two rows each learn what one with four does; the interpreter is a script that says it ran."""
    config = tmp_path / "accelerate.yaml"
    config.write_text(ACCELERATE)
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/ran\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    running = Running(python=str(python), accelerate=config, save_every_s=1000)
    job = make_job(store, ARGS | {"per_device_train_batch_size": 2}, running, accelerate=ACCELERATE)
    events = []
    made = train_checkpoint(store, job, on_event=events.append)
    assert "accelerate.commands.launch" in (tmp_path / "ran").read_text()
    assert [e["step"] for e in events if e["event"] == "step"] == [1, 2, 3, 4], "one process tells"
    ((metrics,),) = store.query("SELECT metrics FROM checkpoints WHERE checkpoint_id = ?", [made.checkpoint_id])
    assert json.loads(metrics)["steps"] == 4
    two = [loss for (loss,) in store.query("SELECT loss FROM train_log WHERE loss IS NOT NULL ORDER BY step")]
    one, _, _ = train_here(tmp_path / "one", "sft", SEED_MODEL, ROWS, ARGS | {"per_device_train_batch_size": 4})
    assert two == pytest.approx(losses(one), rel=0.2)
    from transformers import AutoModelForCausalLM

    assert AutoModelForCausalLM.from_pretrained(made.path)


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
