"""What a training does with too little memory; test_resume.py runs this file in a process of its own."""

import json
import resource
from pathlib import Path

import pytest
from flywheel.errors import OutOfMemoryError
from flywheel.train import Running, TrainJob, train_checkpoint
from support_train import SEED_MODEL, skip_the_process, train_here, write_rows

ROWS = [
    {"prompt": [{"role": "user", "content": f"How much is {i} plus {i}?"}],
     "completion": [{"role": "assistant", "content": f"It is {2 * i}."}]}
    for i in range(32)
]  # fmt: skip


@pytest.fixture
def little_memory():
    """Let this process have 600 MB more address space than it has now."""

    def limit():
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (600 << 20), old[1]))

    old = resource.getrlimit(resource.RLIMIT_AS)
    yield limit
    resource.setrlimit(resource.RLIMIT_AS, old)


LONG = [{"prompt": row["prompt"], "completion": [{"role": "assistant", "content": "2 + 2 = 4. " * 60}]} for row in ROWS]
LARGE = {"per_device_train_batch_size": 32, "max_length": 1024, "max_steps": 1, "packing": False}


@pytest.mark.filterwarnings("ignore")
def test_memory_that_runs_out_is_told_with_what_to_lower(tmp_path, little_memory):
    train_here(tmp_path / "warm", "sft", SEED_MODEL, ROWS[:4], {"max_steps": 1})  # libraries are loaded
    little_memory()
    with pytest.raises(OutOfMemoryError) as caught:
        train_here(tmp_path / "job", "sft", SEED_MODEL, LONG, LARGE)
    assert caught.value.expected == "memory for a micro-batch of 32 rows"
    assert "per_device_train_batch_size to 16" in caught.value.cure and "oom_retries" in caught.value.cure


@pytest.mark.filterwarnings("ignore")
def test_a_smaller_micro_batch_of_the_same_effective_batch_is_tried_where_that_is_allowed(
    tmp_path, store, little_memory, monkeypatch
):
    """The allocation fails for real; only the process boundary is left out, so that the limit can be set around it."""
    jobs = skip_the_process(monkeypatch)
    train_here(tmp_path / "warm", "sft", SEED_MODEL, ROWS[:4], {"max_steps": 1})
    job = make_job(store, LONG, {**LARGE, "per_device_train_batch_size": 32}, Running(oom_retries=5, save_every_s=0))
    events = []
    little_memory()
    made = train_checkpoint(store, job, on_event=events.append)
    args = [job["args"] for job in jobs]
    seen = [(a["per_device_train_batch_size"], a.get("gradient_accumulation_steps", 1)) for a in args]
    assert len(seen) > 1
    assert all(batch * steps == 32 for batch, steps in seen)
    assert next(e["note"] for e in events if e["event"] == "retry") == "out of memory: again with a micro-batch of 16"
    assert made.checkpoint_id == job.checkpoint_id, "the id is the recipe's, the record has what was used"
    ((config,),) = store.query("SELECT config FROM checkpoints WHERE checkpoint_id = ?", [made.checkpoint_id])
    assert json.loads(config)["per_device_train_batch_size"] == seen[-1][0]


def make_job(store, rows, args, running):
    from flywheel.train import Checkpoint

    store.project.make_folders()
    path = write_rows(store.project.snapshots / "snap_x.jsonl", rows)
    parent = Checkpoint("ckpt_seed", SEED_MODEL, "seed")
    return TrainJob("run_x", 1, "sft", parent, "revision", "snap_x", path, len(rows), args, 1, running=running)
