"""Tiny models of each kind, made from their configs, trained on rows of real data: the loss falls, plain transformers loads."""

import csv
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from flywheel.errors import RecipeError
from flywheel.train.methods._classify import Measure
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
    for figures, items in zip((before, after), result["heldout_items"], strict=True):
        values = [item["value"] for item in items]
        assert figures["rougeL"] == pytest.approx(np.mean(values)) and len(values) == 4
        assert figures["rougeL_stderr"] == pytest.approx(np.std(values, ddof=1) / 2)
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
    assert {"accuracy", "macro_f1", "macro_f1_stderr", "loss"} <= result["metrics"]["after"].keys()
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
    heldout = [
        {**charts[0], "completion": [{"role": "assistant", "content": "a chart"}]},
        {**charts[1], "prompt": [{"role": "user", "content": "What is it?"}]},
    ]
    album = {**charts[2], "images": charts[2]["images"] * 70}
    result, _, out = train_here(
        tmp_path / "job", "sft", model, [*charts, album], ARGS, root=shared_data, heldout=heldout
    )
    assert falls(result)
    ((overlong, why),) = {(f["ordinal"], f["reason"]) for f in result["faults"] if f["kind"] == "overlong"}
    assert overlong == len(charts) and f"({70 * 16} of images)" in why, (
        "sixteen tokens a picture, as the processor writes them"
    )
    assert {f["kind"] for f in result["faults"]} <= {"held_out", "overlong"}
    for figures, items in zip(
        (result["metrics"]["before"], result["metrics"]["after"]), result["heldout_items"], strict=True
    ):
        assert figures["loss"] == pytest.approx(np.mean([item["value"] for item in items])) and len(items) == 2
    assert result["metrics"]["after"]["loss"] < result["metrics"]["before"]["loss"]
    assert AutoModelForImageTextToText.from_pretrained(out).config.model_type == "llava"
    assert AutoProcessor.from_pretrained(out).tokenizer is not None


def test_ingested_images_of_the_store_become_a_trainings_files(tmp_path, shared_data, charts):
    """As a snapshot has them: the row names a file of the project, where a request had its address."""
    from flywheel.judge._training_rows import TrainingRow

    media = tmp_path / ".flywheel" / "media"
    media.mkdir(parents=True)
    rows = []
    for i, row in enumerate(charts):
        shutil.copy(shared_data / row["images"][0], media / f"img_{i}.png")
        parts = [
            {"type": "image_url", "image_url": {"url": f".flywheel/media/img_{i}.png"}},
            {"type": "text", "text": row["prompt"][0]["content"]},
        ]
        prompt, said = json.dumps([{"role": "user", "content": parts}]), json.dumps(row["completion"])
        made = TrainingRow(str(i), str(i), prompt, said, None, "", "", None, None, None, None, False)
        assert ".flywheel" not in made.prompt_text
        rows.append(json.loads(made.as_trl()))
    assert rows[0]["images"] == [".flywheel/media/img_0.png"]
    assert rows[0]["prompt"][0]["content"][0] == {"type": "image"}
    linked = {**rows[0], "images": None, "prompt": [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}, {"type": "text", "text": "What is it?"}]}]}  # fmt: skip
    model = make_model("llava", tmp_path / "model", [r["prompt"][0]["content"] for r in charts])
    result, _, _ = train_here(tmp_path / "job", "sft", model, [*rows, linked], ARGS, root=tmp_path)
    assert falls(result)
    ((kind, reason),) = {(f["kind"], f["reason"]) for f in result["faults"] if f["ordinal"] == len(rows)}
    assert kind == "images" and "image_url" in reason
    assert len(result["faults"]) == 1


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


def test_rows_are_measured_in_their_order_also_where_training_sorts_them_by_length(tmp_path, imdb):
    model = make_model("bert", tmp_path / "model", [r["text"] for r in imdb])
    heldout = [{**r, "text": r["text"][: 20 + 30 * (i % 5)]} for i, r in enumerate(imdb[24:])]
    args = ARGS | {"train_sampling_strategy": "group_by_length", "max_steps": 1, "per_device_eval_batch_size": 2}
    result, _, _ = train_here(tmp_path / "job", "classify", model, imdb[:24], args, heldout=heldout)
    for items in result["heldout_items"]:
        assert [item["target"] for item in items] == [r["label"] for r in heldout]
    assert len({r["label"] for r in heldout}) > 1


def test_the_error_of_macro_f1_is_that_of_resampled_rows():
    """Beside a bootstrap that resamples the rows themselves, and scikit-learn's figure."""
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(1)
    true, said = rng.integers(0, 3, 60), rng.integers(0, 3, 60)
    said[:40] = true[:40]
    found = Measure(["a", "b", "c"])(SimpleNamespace(predictions=np.eye(3)[said], label_ids=true))
    assert found["macro_f1"] == pytest.approx(f1_score(true, said, average="macro"))
    drawn = [rng.integers(0, 60, 60) for _ in range(1000)]
    by_rows = np.std([f1_score(true[i], said[i], average="macro") for i in drawn], ddof=1)
    assert found["macro_f1_stderr"] == pytest.approx(by_rows, rel=0.1)


def test_the_error_of_a_mean_is_lm_evals_and_that_of_one_row_is_not_known():
    from lm_eval.api.metrics import mean_stderr

    true, said = np.array([0, 1, 1, 0, 1]), np.array([0, 1, 0, 0, 1])
    found = Measure(["a", "b"])(SimpleNamespace(predictions=np.eye(2)[said], label_ids=true))
    assert found["accuracy_stderr"] == pytest.approx(mean_stderr((true == said).astype(float)))
    one = Measure(["a", "b"])(SimpleNamespace(predictions=np.eye(2)[said[:1]], label_ids=true[:1]))
    assert one["accuracy"] == 1.0 and "accuracy_stderr" not in one
