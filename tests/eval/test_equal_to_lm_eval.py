"""Our figures are those of plain lm-eval, called by hand on the same rows and the same model, item by item."""

import json
from pathlib import Path

import datasets
import lm_eval
import pytest
import yaml
from flywheel.llm import seed_model_path
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from support import MINI, make_mini_project, run_cli, sql, write_jsonl

QUIZ = {
    "output_type": "multiple_choice", "dataset_path": "json", "validation_split": "validation",
    "doc_to_text": "Question: {{question}}\nAnswer:", "doc_to_choice": ["1", "12", "40"], "doc_to_target": "{{gold}}",
    "metadata": {"version": 2.0},
}  # fmt: skip
GSM8K_ROWS = 60
PERPLEXITY = {
    "task": "stories", "output_type": "loglikelihood_rolling", "dataset_path": "json", "test_split": "test",
    "doc_to_text": "", "doc_to_target": "{{text}}",
    "metric_list": [{"metric": m, "aggregation": m.replace("byte_p", "weighted_p").replace("word_p", "weighted_p"), "higher_is_better": False} for m in ("word_perplexity", "byte_perplexity")],
}  # fmt: skip


@pytest.fixture(scope="module")
def gsm8k_rows(shared_data):
    return shared_data / "gsm8k"


def arc_row(i):
    return {
        "id": str(i),
        "question": f"What is {i} + 1?",
        "choices": {"text": [str(i), str(i + 1)], "label": ["A", "B"]},
        "answerKey": "B",
    }


@pytest.fixture(scope="module")
def scored(tmp_path_factory, gsm8k_rows):
    """A project that was evaluated once on suites of each kind."""
    folder = make_mini_project(tmp_path_factory.mktemp("equal") / "p")
    write_jsonl(folder / "arc.jsonl", [arc_row(i) for i in range(12)])
    for name, n in (("quiz-a", 6), ("quiz-b", 9)):
        rows = [{"question": f"{name}: what is {i} times 4?", "gold": i % 3} for i in range(n)]
        write_jsonl(folder / f"{name}.jsonl", rows)
        task = {**QUIZ, "task": name, "dataset_kwargs": {"data_files": {"validation": str(folder / f"{name}.jsonl")}}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(task))
    (folder / "quiz.yaml").write_text(yaml.safe_dump({"group": "quiz", "task": ["quiz-a", "quiz-b"]}))
    write_jsonl(folder / "stories.jsonl", [{"text": f"Ann has {i} apples. She buys {i * 3} more."} for i in range(5)])
    (folder / "stories.yaml").write_text(yaml.safe_dump(PERPLEXITY))
    gsm8k = {"task": "gsm8k", "max_gen_toks": 32, "gate": f"{gsm8k_rows}/test.jsonl[0:{GSM8K_ROWS}]"}
    suites = [
        {**gsm8k, "name": "chat", "num_fewshot": 0},
        {**gsm8k, "name": "shots", "num_fewshot": 2, "fewshot": f"{gsm8k_rows}/train.jsonl[0:20]", "apply_chat_template": False},
        {"name": "arc", "task": "arc_easy", "gate": "arc.jsonl", "num_fewshot": 0, "metric": "acc,none"},
        {"name": "quiz", "task": "quiz.yaml", "gate": "task:validation", "apply_chat_template": False, "metric": "acc,none"},
        {"name": "stories", "task": "stories.yaml", "gate": "stories.jsonl", "apply_chat_template": False, "metric": "word_perplexity,none"},
    ]  # fmt: skip
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**MINI, "suites": suites}))
    run_cli(folder, "eval", check=0)
    return folder


@pytest.fixture(scope="module")
def model():
    return HFLM(pretrained=str(seed_model_path()), batch_size=4, device="cpu")


def by_hand(model, task, splits, *, chat, **changes):
    """Return plain lm-eval's result on rows."""
    if isinstance(task, str):
        task = yaml.safe_load((Path(lm_eval.__file__).parent / "tasks" / task).read_text())
    task = {
        k: v
        for k, v in task.items()
        if k not in ("dataset_path", "dataset_name", "dataset_kwargs", "tag", "validation_split")
    }
    task |= {
        "custom_dataset": lambda **kw: {k: datasets.Dataset.from_list(v) for k, v in splits.items()},
        "test_split": "test",
        **changes,
    }
    out = lm_eval.simple_evaluate(
        model,
        tasks=[task],
        apply_chat_template=chat,
        bootstrap_iters=0,
        task_manager=TaskManager(include_defaults=False),
    )
    return out["results"][task["task"]], out["samples"][task["task"]]


def items(folder, suite):
    return sql(
        folder,
        "select i.ordinal, s.metric, i.filtered, i.value, r.messages ->> '$[0].content' as prompt from score_items i "
        f"join scores s using (score_id) join requests r using (request_id) where s.suite = '{suite}' order by 2, 1",
    )


def rows_of(path, start, stop):
    return [json.loads(line) for line in path.read_text().splitlines()][start:stop]


@pytest.mark.parametrize(("suite", "shots", "chat"), [("chat", 0, True), ("shots", 2, False)])
def test_gsm8k_with_and_without_examples_and_chat_template(scored, model, gsm8k_rows, suite, shots, chat):
    splits = {
        "test": rows_of(gsm8k_rows / "test.jsonl", 0, GSM8K_ROWS),
        "train": rows_of(gsm8k_rows / "train.jsonl", 0, 20),
    }
    until = ["Question:", "</s>", "<|im_end|>"]
    options = {"do_sample": False, "temperature": 0.0, "until": until, "max_gen_toks": 32}
    changes = {"num_fewshot": shots, "generation_kwargs": options, "training_split": "train", "fewshot_split": "train"}
    result, samples = by_hand(model, "gsm8k/gsm8k.yaml", splits, chat=chat, **changes)
    mine = items(scored, suite)
    theirs = sorted(
        (f"exact_match,{s['filter']}", s["doc_id"], s["exact_match"], s["filtered_resps"][0]) for s in samples
    )
    assert [(m["metric"], m["ordinal"], m["value"], m["filtered"] or "[invalid]") for m in mine] == theirs
    prompts = {s["doc_id"]: s["arguments"][0][0] for s in samples}
    assert all(m["prompt"] == prompts[m["ordinal"]] for m in mine)
    kept = sql(
        scored,
        f"select metric, score, task_version, settings::json ->> 'num_fewshot' as shots from scores where suite = '{suite}'",
    )
    assert {k["metric"]: k["score"] for k in kept} == {k: v for k, v in result.items() if k.startswith("exact_match,")}
    assert {(k["task_version"], k["shots"]) for k in kept} == {("3.0", str(shots))}


def test_a_task_that_ranks_given_answers(scored, model):
    _, samples = by_hand(
        model,
        "arc/arc_easy.yaml",
        {"test": [arc_row(i) for i in range(12)]},
        chat=True,
        num_fewshot=0,
        training_split=None,
    )
    mine = items(scored, "arc")
    theirs = sorted((f"{m},none", s["doc_id"], s[m]) for s in samples for m in ("acc", "acc_norm"))
    assert [(m["metric"], m["ordinal"], m["value"]) for m in mine] == theirs
    details = sql(
        scored,
        "select details::json -> 'rated' as rated, completions ->> 0 as completion from requests where details like '%rated%' and messages like '%3 + 1%'",
    )
    (rated,) = [d for d in details if "arc" not in d]
    (sample,) = [s for s in samples if s["doc_id"] == 3]
    assert [r["logprob"] for r in json.loads(rated["rated"])] == pytest.approx(
        [r[0][0] for r in sample["resps"]], abs=1e-4
    )
    assert rated["completion"] in (" 3", " 4", "3", "4")


def test_a_group_on_its_own_data(scored, model):
    values = {}
    for name in ("quiz-a", "quiz-b"):
        _, samples = by_hand(
            model, {**QUIZ, "task": name}, {"test": rows_of(scored / f"{name}.jsonl", 0, 99)}, chat=False
        )
        values[name] = [s["acc"] for s in sorted(samples, key=lambda s: s["doc_id"])]
    found = {
        r["metric"]: r for r in sql(scored, "select metric, score, n, task_version from scores where suite = 'quiz'")
    }
    joined = values["quiz-a"] + values["quiz-b"]
    assert (found["acc,none"]["score"], found["acc,none"]["n"]) == (pytest.approx(sum(joined) / 15), 15)
    assert found["acc,none@quiz-b"]["score"] == pytest.approx(sum(values["quiz-b"]) / 9)
    mine = [m for m in items(scored, "quiz") if m["metric"] == "acc,none"]
    assert [(m["ordinal"], m["value"]) for m in mine] == list(enumerate(joined))
    assert found["acc,none"]["task_version"] == "2.0"


def test_perplexity_of_whole_texts(scored, model):
    result, samples = by_hand(model, PERPLEXITY, {"test": rows_of(scored / "stories.jsonl", 0, 99)}, chat=False)
    found = {r["metric"]: r["score"] for r in sql(scored, "select metric, score from scores where suite = 'stories'")}
    assert found == {k: pytest.approx(v, rel=1e-4) for k, v in result.items() if k.endswith("perplexity,none")}
    (detail,) = sql(
        scored,
        "select detail from score_items join scores using (score_id) where suite = 'stories' and metric = 'word_perplexity,none' and ordinal = 0",
    )
    assert json.loads(detail["detail"])["of"][0] == pytest.approx(samples[0]["word_perplexity"][0], rel=1e-4)


def test_what_is_scored_is_answered_from_the_store(scored):
    again = run_cli(scored, "eval", check=0)
    assert "started" not in again.stderr


def test_weights_in_half_precision_are_scored_in_it(scored, model, tmp_path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    half = tmp_path / "half"
    AutoModelForCausalLM.from_pretrained(seed_model_path(), dtype=torch.bfloat16).save_pretrained(half)
    AutoTokenizer.from_pretrained(seed_model_path()).save_pretrained(half)
    made = run_cli(scored, "eval", "--checkpoint", str(half), "--suite", "arc", check=0)
    assert "arc" in made.stdout
    rows = {"test": [arc_row(i) for i in range(12)]}
    theirs_model = HFLM(pretrained=str(half), batch_size=4, device="cpu")
    _, samples = by_hand(
        theirs_model, "arc/arc_easy.yaml", rows, chat=True, num_fewshot=0, training_split=None
    )  # fmt: skip
    rated = sql(
        scored,
        "select r.details::json -> 'rated' as rated from score_items i join scores s using (score_id) join requests r using (request_id) "
        "join checkpoints c on c.checkpoint_id = s.checkpoint_id where s.suite = 'arc' and c.stage = 'folder' and s.metric = 'acc,none' order by i.ordinal",
    )
    for mine, sample in zip(rated, sorted(samples, key=lambda s: s["doc_id"]), strict=True):
        assert [r["logprob"] for r in json.loads(mine["rated"])] == pytest.approx(
            [r[0][0] for r in sample["resps"]], abs=1e-4
        )
