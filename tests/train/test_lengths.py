"""Rows that are longer than the model reads, by kind of model: dropped, or cut off where that is accepted."""

import pytest
from flywheel.errors import InputError, RecipeError
from flywheel.train.child._load import load_reader
from flywheel.train.child._rows import check
from flywheel.train.methods import find_method
from support_train import make_model, train_here

pytestmark = pytest.mark.filterwarnings("ignore")

JOB = {"rewards": None, "accept": (), "labels": (), "root": ".", "curriculum": (), "unseen": None}
LONG = "word " * 700


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {kind: make_model(kind, folder / kind, ["a word of a small text"]) for kind in ("bert", "t5", "gpt2")}


@pytest.mark.parametrize(
    ("kind", "method", "row", "args", "reason"),
    [
        ("bert", "classify", {"text": LONG, "label": "a"}, {}, "more than max_length = 512"),
        ("bert", "classify", {"text": LONG, "label": "a"}, {"max_length": None}, "more than the 512 tokens that the model reads"),
        ("bert", "classify", {"text": "word " * 60, "label": "a"}, {"max_length": 32}, "more than max_length = 32"),
        ("t5", "seq2seq", {"prompt": LONG * 2, "completion": "a"}, {}, "more than max_length = 1024"),
        ("t5", "seq2seq", {"prompt": "a", "completion": LONG}, {}, "more than max_completion_length = 256"),
        ("gpt2", "grpo", {"prompt": LONG}, {"max_completion_length": 64}, "less max_completion_length = 64"),
        ("gpt2", "sft", {"text": LONG}, {"max_length": None}, "more than the 512 tokens that the model reads"),
        ("gpt2", "dpo", {"prompt": "a", "chosen": LONG, "rejected": "b"}, {}, "more than max_length = 512"),
    ],
)  # fmt: skip
def test_a_row_that_is_too_long_is_a_drop(models, kind, method, row, args, reason):
    method = find_method(method)
    short = {key: value if key == "label" else f"{key} a" for key, value in row.items()}
    rows, faults, _ = check([short, row], JOB, method, load_reader(models[kind], method), args)
    assert rows == [short]
    assert [(f["ordinal"], f["kind"]) for f in faults] == [(1, "overlong")]
    assert faults[0]["reason"].endswith(reason)


def test_a_text_that_fits_only_without_what_the_trainer_adds_is_too_long(models):
    method = find_method("sft")
    reader = load_reader(models["gpt2"], method)
    row = {"text": "x" * 64}
    n = len(reader.tokenizer(row["text"])["input_ids"])
    kept = [len(check([row, {"text": "x"}], JOB, method, reader, {"max_length": m})[0]) for m in (n, n + 1)]
    assert kept == [1, 2], "the end of text is one more"


def test_completions_that_leave_no_place_for_a_prompt_are_refused(models):
    method = find_method("grpo")
    with pytest.raises(RecipeError, match="no place for a prompt") as caught:
        check([{"prompt": "a"}], JOB, method, load_reader(models["gpt2"], method), {})
    assert caught.value.place == "recipe key train.grpo.max_completion_length"


def test_where_it_is_accepted_a_text_is_cut_off_where_the_model_ends(tmp_path, models):
    rows = [{"text": LONG, "label": "a"}, {"text": "b", "label": "b"}]
    args = {"max_steps": 1, "max_length": 4096}
    result, _, _ = train_here(tmp_path, "classify", models["bert"], rows, args, accept=("overlong",))
    assert result["faults"] == []
    assert result["metrics"]["n_rows"] == 2


@pytest.mark.parametrize(
    ("args", "job", "key", "received"),
    [
        ({"max_length": 600}, {"accept": ("overlong",)}, "sft", "600"),
        ({"max_length": None}, {"accept": ("overlong",)}, "sft", "none"),
        ({"max_length": 600, "packing": True, "packing_strategy": "wrapped"}, {}, "sft", "600"),
        ({"max_length": 64}, {"accept": ("overlong",), "curriculum": [{"rows": [0, 1], "args": {}}, {"rows": [0, 1], "args": {"max_length": 600}}]},
         "curriculum.1.args", "600"),
    ],
)  # fmt: skip
def test_more_tokens_than_a_table_of_positions_has_are_refused_beforehand(tmp_path, models, args, job, key, received):
    with pytest.raises(RecipeError) as caught:
        train_here(tmp_path, "sft", models["gpt2"], [{"text": LONG}, {"text": "b"}], args, **job)
    assert caught.value.place == f"recipe key train.{key}.max_length"
    assert caught.value.received == received
    assert caught.value.cure == "set it to 512, or less"


def test_computed_positions_and_rows_that_are_dropped_anyway_refuse_nothing(models, tmp_path):
    llama = load_reader(make_model("llama", tmp_path / "llama"), find_method("sft"))
    rows = [{"text": LONG}, {"text": "b"}]
    wide = {"max_length": 4096}
    kept, _, _ = check(rows, JOB | {"accept": ("overlong",)}, find_method("sft"), llama, wide)
    assert kept == rows
    kept, faults, _ = check(rows, JOB, find_method("sft"), load_reader(models["gpt2"], find_method("sft")), wide)
    assert kept == rows[1:] and faults[0]["kind"] == "overlong"


def test_rows_are_as_long_as_their_stage_of_the_curriculum_reads(tmp_path, models):
    rows = [{"text": "word " * n} for n in (300, 2, 40, 4, 60, 3)]
    stages = [{"rows": [0.0, 0.5], "args": {"max_length": 16}}, {"rows": [0.5, 1.0], "args": {"max_length": 128}}]
    args = {"max_length": 32, "num_train_epochs": 1, "per_device_train_batch_size": 1, "logging_steps": 1}
    result, _, _ = train_here(tmp_path, "sft", models["gpt2"], rows, args, curriculum=stages, curriculum_by="length")
    assert [(f["ordinal"], f["reason"].split(", ")[1]) for f in result["faults"]] == [(0, "more than max_length = 128")]
    assert (result["metrics"]["n_rows"], result["metrics"]["steps"]) == (5, 5)


def test_a_row_that_is_too_long_for_its_stage_alone_is_a_drop(tmp_path, models):
    rows = [{"text": "word " * n} for n in (60, 2, 3, 4)]
    stages = [{"rows": [0.0, 0.5], "args": {"max_length": 16}}, {"rows": [0.5, 1.0], "args": {}}]
    args = {"max_length": 128, "num_train_epochs": 1, "per_device_train_batch_size": 1}
    result, _, _ = train_here(tmp_path / "a", "sft", models["gpt2"], rows, args, curriculum=stages)
    assert [(f["ordinal"], f["kind"]) for f in result["faults"]] == [(0, "overlong")]
    assert result["faults"][0]["reason"].endswith("more than max_length = 16")
    assert (result["metrics"]["n_rows"], result["metrics"]["steps"]) == (3, 3)
    whole = [stages[0], {"rows": [0.0, 1.0], "args": {}}]
    result, _, _ = train_here(tmp_path / "b", "sft", models["gpt2"], rows, args, curriculum=whole)
    assert result["faults"] == [], "the second stage has trained on it"
    assert (result["metrics"]["n_rows"], result["metrics"]["steps"]) == (4, 5)


def test_a_stage_that_no_row_is_short_enough_for_is_refused_by_its_name(tmp_path, models):
    stages = [{"rows": [0.0, 0.5], "args": {"max_length": 2}}, {"rows": [0.5, 1.0], "args": {}}]
    with pytest.raises(InputError) as caught:
        train_here(tmp_path, "sft", models["gpt2"], [{"text": "word " * 9}] * 4, {}, curriculum=stages)
    assert caught.value.place == "rows of train.curriculum.0 for sft"
