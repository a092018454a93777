"""Rows streamed from shards: each once an epoch over any number of processes, the same losses, from where a kill left off."""

import itertools
import json
import tracemalloc

import pytest
from flywheel.config import Recipe
from flywheel.errors import InputError, RecipeError
from flywheel.train import check_train
from support_train import SEED_MODEL, losses, train_here

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = [
    {"prompt": [{"role": "user", "content": f"How much is {i} plus {i}?"}],
     "completion": [{"role": "assistant", "content": f"It is {2 * i}."}]}
    for i in range(60)
]  # fmt: skip
ARGS = {
    "learning_rate": 1e-3,
    "per_device_train_batch_size": 4,
    "logging_steps": 1,
    "max_length": 128,
    "num_train_epochs": 1,
}


def shard(folder, n, processes=1, words=0):
    from flywheel.train.child._shards import Lanes

    lanes = Lanes(folder, ("text", "tools"), processes)
    for i in range(n):
        lanes.add(
            {"text": f"row {i}" + " more" * words, "tools": [{"name": "f", "args": {"n": i}}] if i % 3 == 0 else None}
        )
    return lanes.close()


def read(rows, n, *, processes=1, shuffled=True, first=0, seed=7):
    """Return the first ``n`` rows over all processes, in the order of the steps; each process takes its share as accelerate has it."""
    stream = rows.stream(seed=seed, shuffled=shuffled, first=first, processes=processes)
    shares = [iter(stream.shard(processes, i)) if processes > 1 else iter(stream) for i in range(processes)]
    return [int(next(share)["text"].split()[1]) for share, _ in zip(itertools.cycle(shares), range(n), strict=False)]


@pytest.mark.parametrize("n", [1, 5, 16, 100, 333])
def test_each_row_is_read_once_an_epoch_in_one_order_whatever_the_number_of_processes(tmp_path, monkeypatch, n):
    from flywheel.train.child import _shards

    monkeypatch.setattr(_shards, "GROUP", 4)
    rows = shard(tmp_path / "rows", n)
    alone = read(rows, 3 * n)
    epochs = [alone[i * n : (i + 1) * n] for i in range(3)]
    assert all(sorted(epoch) == list(range(n)) for epoch in epochs)
    assert read(rows, 3 * n, processes=2) == read(rows, 3 * n, processes=8) == alone
    assert read(rows, 2 * n, first=8, processes=4) == alone[8 : 8 + 2 * n] if n > 8 else True
    assert read(rows, n, shuffled=False) == list(range(n))
    if n > 16:
        assert epochs[0] != epochs[1] != list(range(n)) and read(rows, n, seed=8) != epochs[0]


def test_three_processes_have_lanes_of_their_own_and_rows_come_back_as_they_were(tmp_path):
    rows = shard(tmp_path / "rows", 50, processes=3)
    assert rows.n_lanes == 48
    assert sorted(read(rows, 50, processes=3)) == list(range(50))
    first = next(iter(rows.stream(seed=1, shuffled=False, first=0, processes=3)))
    assert first == {"text": "row 0", "tools": [{"name": "f", "args": {"n": 0}}]}
    assert "tools" not in next(iter(rows.stream(seed=1, shuffled=False, first=3, processes=3).shard(3, 1)))


def test_memory_does_not_grow_with_the_rows(tmp_path):
    peaks = []
    for n in (5_000, 15_000):
        rows = shard(tmp_path / str(n), n, words=200)
        tracemalloc.start()
        assert len(read(rows, n)) == n
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000, f"{peaks}: 10,000 rows of 1 kB more, whose numbers alone are returned"


def test_streamed_rows_in_their_order_give_the_losses_of_rows_in_memory(tmp_path):
    bad = {**ROWS[0], "completion": [{"role": "assistant", "content": " "}]}
    args = ARGS | {"train_sampling_strategy": "sequential", "num_train_epochs": 2}
    memory, _, _ = train_here(tmp_path / "memory", "sft", SEED_MODEL, [*ROWS, bad], args)
    streamed, events, out = train_here(tmp_path / "stream", "sft", SEED_MODEL, [*ROWS, bad], args, streaming=True)
    assert losses(streamed) == pytest.approx(losses(memory), rel=1e-6)
    assert streamed["faults"] == memory["faults"] and streamed["n_given"] == memory["n_given"] == 61
    assert streamed["metrics"]["n_rows"] == 60 and streamed["metrics"]["steps"] == 30
    assert [e["epoch"] for e in streamed["log"]] == pytest.approx([e["epoch"] for e in memory["log"]])
    assert (out / "model.safetensors").is_file() and events[-1]["event"] == "log"


def test_a_killed_training_goes_on_in_the_stream_with_the_losses_of_an_undisturbed_one(tmp_path):
    """Shuffled, with dropout, over the end of an epoch: what was read and what was drawn both go on."""

    class Kill(BaseException):
        pass

    args = ARGS | {"num_train_epochs": 2, "save_strategy": "steps", "save_steps": 6}
    shape = {"streaming": True, "peft": {"r": 4, "lora_dropout": 0.2}}
    whole, _, _ = train_here(tmp_path / "whole", "sft", SEED_MODEL, ROWS, args, **shape)

    import support_train

    def kill(event):
        if event["event"] == "step" and event["step"] == 20:
            raise Kill

    with pytest.raises(Kill):
        support_train.train_here(tmp_path / "killed", "sft", SEED_MODEL, ROWS, args, on_event=kill, **shape)
    assert (tmp_path / "killed" / "trainer" / "checkpoint-18").is_dir()
    (tmp_path / "killed" / "rows.jsonl").write_text("")  # the shards are there: no row is looked at again
    resumed, events, _ = train_here(tmp_path / "killed", "sft", SEED_MODEL, None, args, **shape)
    assert [e["step"] for e in events if e["event"] == "step"] == list(range(19, 31))
    assert losses(resumed) == losses(whole)


@pytest.mark.parametrize("method", ["dpo", "reward"])
def test_pairs_are_streamed_too(tmp_path, method):
    rows = [
        {"prompt": f"How much is {i} plus {i}?", "chosen": f" It is {2 * i}.", "rejected": f" It is {2 * i + 1}."}
        for i in range(16)
    ]
    args = ARGS | {"train_sampling_strategy": "sequential", "num_train_epochs": 1}
    memory, _, _ = train_here(tmp_path / "memory", method, SEED_MODEL, rows, args)
    streamed, _, _ = train_here(tmp_path / "stream", method, SEED_MODEL, rows, args, streaming=True)
    assert losses(streamed) == pytest.approx(losses(memory), rel=1e-6) and len(losses(memory)) == 4


def test_rows_that_are_wrong_as_a_whole_are_refused_in_a_stream_too(tmp_path):
    with pytest.raises(InputError, match="2 rows, none of them: 2 × completion is empty"):
        train_here(tmp_path / "a", "sft", SEED_MODEL, [{"prompt": "a", "completion": " "}] * 2, ARGS, streaming=True)
    with pytest.raises(InputError, match="prompt \\+ completion"):
        train_here(tmp_path / "b", "sft", SEED_MODEL, [{"question": "a"}] * 2, ARGS, streaming=True)


@pytest.mark.parametrize(
    ("train", "key"),
    [
        ({"sft": {"packing": True}}, "train.sft.packing"),
        ({"dpo": {"precompute_ref_log_probs": True}}, "train.dpo.precompute_ref_log_probs"),
        ({"sft": {"train_sampling_strategy": "group_by_length"}}, "train.sft.train_sampling_strategy"),
        ({"curriculum_by": "length"}, "train.curriculum_by"),
        ({"accept": ["overlong"]}, "train.accept"),
    ],
)
def test_what_needs_all_rows_at_once_is_refused_beside_streaming(tmp_path, train, key):
    recipe = Recipe.model_validate(
        {"name": "x", "model": "seed", "train": {"rows": "r.jsonl", "streaming": True, **train}}
    )
    with pytest.raises(RecipeError, match=key) as caught:
        check_train(recipe.train, tmp_path)
    assert "train.streaming" in caught.value.cure
    assert json.loads(recipe.train.model_dump_json())["streaming"] is True
