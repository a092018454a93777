"""Tiny models of each kind, made from their configs, trained on rows of real data: the loss falls, plain transformers loads."""

import csv
import json

import pytest
from flywheel.errors import RecipeError
from support_train import SEED_MODEL, losses, make_model, train_here

pytestmark = pytest.mark.filterwarnings("ignore")

ARGS = {"learning_rate": 3e-3, "per_device_train_batch_size": 4, "num_train_epochs": 3, "logging_steps": 1}


def falls(result):
    found = losses(result)
    third = len(found) // 3
    return sum(found[-third:]) < sum(found[:third])


@pytest.fixture
def gsm8k(shared_data):
    lines = (shared_data / "gsm8k" / "train.jsonl").read_text().split("\n")[:12]
    return [{"prompt": r["question"], "completion": " " + r["answer"]} for r in map(json.loads, lines)]


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_causal_models(tmp_path, gsm8k, kind):
    from transformers import AutoModelForCausalLM

    model = make_model(kind, tmp_path / "model", [r["prompt"] for r in gsm8k])
    result, _, out = train_here(tmp_path / "job", "sft", model, gsm8k, ARGS)
    assert falls(result)
    assert AutoModelForCausalLM.from_pretrained(out).config.model_type == kind


def test_t5_learns_to_summarise(tmp_path, shared_data):
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    lines = (shared_data / "summarization" / "cnndm_100_alpaca_prompt.jsonl").read_text().split("\n")[1:17]
    rows = [json.loads(line) for line in lines]
    answer = next(k for k in rows[0] if k != "query")
    pairs = [{"prompt": r["query"][-400:], "completion": str(r[answer])[:120]} for r in rows]
    model = make_model("t5", tmp_path / "model", [p["prompt"] for p in pairs])
    args = ARGS | {"max_length": 128, "max_completion_length": 32}
    result, _, out = train_here(
        tmp_path / "job", "seq2seq", model, pairs[:12], args, heldout=pairs[12:], accept=("overlong",)
    )
    assert falls(result)
    before, after = result["metrics"]["before"], result["metrics"]["after"]
    assert after["loss"] < before["loss"]
    assert 0 <= after["rougeL"] <= 1
    trained, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    ids = tokenizer("a text", return_tensors="pt").input_ids
    assert trained.generate(input_ids=ids, max_new_tokens=3).shape[0] == 1


@pytest.fixture
def imdb(shared_data):
    with (shared_data / "imdb" / "imdb_sample.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    return [{"text": r["text"][:300], "label": r["label"]} for r in rows[:40]]


def test_bert_learns_sentiment(tmp_path, imdb):
    from transformers import AutoModelForSequenceClassification

    model = make_model("bert", tmp_path / "model", [r["text"] for r in imdb])
    result, _, out = train_here(tmp_path / "job", "classify", model, imdb[:24], ARGS, heldout=imdb[24:])
    assert falls(result)
    assert {"accuracy", "macro_f1", "loss"} <= result["metrics"]["after"].keys()
    names = sorted({r["label"] for r in imdb})
    assert list(AutoModelForSequenceClassification.from_pretrained(out).config.id2label.values()) == names
    assert "| accuracy |" in (out / "README.md").read_text()


@pytest.fixture
def charts(shared_data):
    rows = [json.loads(line) for line in (shared_data / "chartqa" / "qa_with_images.jsonl").read_text().splitlines()]
    name = next(k for k in rows[0] if str(rows[0][k]).endswith(".png"))
    return [
        {
            "prompt": [{"role": "user", "content": str(r.get("query", r.get("question")))}],
            "completion": [{"role": "assistant", "content": str(r.get("label", r.get("answer")))}],
            "images": [f"chartqa/png/{str(r[name]).rsplit('/', 1)[-1]}"],
        }
        for r in rows[:8]
    ]  # fmt: skip


def test_a_vision_model_learns_from_charts(tmp_path, shared_data, charts):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = make_model("llava", tmp_path / "model", [r["prompt"][0]["content"] for r in charts])
    result, _, out = train_here(tmp_path / "job", "sft", model, charts, ARGS, root=shared_data)
    assert falls(result)
    assert result["faults"] == []
    assert AutoModelForImageTextToText.from_pretrained(out).config.model_type == "llava"
    assert AutoProcessor.from_pretrained(out).tokenizer is not None


def test_images_for_a_model_that_only_reads_are_refused(tmp_path, shared_data, charts):
    from flywheel.errors import InputError

    with pytest.raises(InputError, match="the model reads only text"):
        train_here(tmp_path, "sft", SEED_MODEL, charts, ARGS, root=shared_data)


@pytest.mark.parametrize(
    ("kind", "method", "cure"),
    [("t5", "sft", "--method seq2seq"), ("bert", "sft", "--method classify"), ("gpt2", "seq2seq", "--method sft")],
)
def test_a_model_of_another_kind_is_refused_before_it_is_loaded(tmp_path, kind, method, cure):
    model = make_model(kind, tmp_path / "model")
    with pytest.raises(RecipeError) as caught:
        train_here(tmp_path / "job", method, model, [{"prompt": "a", "completion": "b"}], ARGS)
    assert cure in caught.value.cure


def test_tool_calls_of_unlike_arguments_are_trained_on_as_they_are(tmp_path, shared_data):
    path = shared_data / "ms_foundry_ft" / "Supervised_Fine_Tuning" / "Tool-Calling" / "stock_toolcall_training.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()[:12]]
    for row in rows:
        for call in (c for m in row["messages"] for c in m.get("tool_calls", [])):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    model = make_model("llama", tmp_path / "model", [json.dumps(r["messages"]) for r in rows])
    result, _, _ = train_here(tmp_path / "job", "sft", model, rows, ARGS | {"num_train_epochs": 2})
    assert falls(result)
