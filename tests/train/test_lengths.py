"""Rows that are longer than the model reads, by kind of model: dropped, or cut off where that is accepted."""

import pytest
from flywheel.errors import RecipeError
from flywheel.train.child._load import load_reader
from flywheel.train.child._rows import check
from flywheel.train.methods import find_method
from support_train import make_model, train_here

pytestmark = pytest.mark.filterwarnings("ignore")

JOB = {"rewards": None, "accept": (), "labels": (), "root": "."}
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
