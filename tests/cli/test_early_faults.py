"""Mistakes in what a recipe names (tasks, metrics, rows, trainer values): told before anything is scored or generated."""

import pytest
import yaml
from support import MINI, change, refused, run_cli, write_jsonl

SUITE = MINI["suites"][0]
TASK = {
    "task": "mine",
    "doc_to_text": "{{question}}",
    "doc_to_target": "{{answer}}",
    "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
}


def told_early(folder, *parts):
    done = run_cli(folder, "run")
    refused(done, *parts)
    assert "started" not in done.stderr, "nothing may be scored before the mistake is told"
    assert "Traceback" not in done.stderr
    assert not (folder / "flywheel.duckdb").exists()


def with_suite(folder, **changes):
    change(folder, suites=[{**SUITE, **changes}])


@pytest.mark.parametrize(
    ("method", "values", "parts"),
    [
        ("sft", {"lr_scheduler_type": "cosin"}, ("train.sft.lr_scheduler_type", "did you mean 'cosine'?")),
        ("sft", {"num_train_epochs": "lots"}, ("train.sft.num_train_epochs", "a number")),
        ("sft", {"learning_rate": -1}, ("train.sft.learning_rate", "0 or more")),
        ("dpo", {"loss_type": ["sigmod", "sft"]}, ("train.dpo.loss_type", "did you mean 'sigmoid'?")),
        ("dpo", {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0]}, ("train.dpo.loss_weights", "2 weights")),
    ],
)
def test_a_value_that_trl_cannot_take(mini, method, values, parts):
    change(mini, train={**MINI["train"], method: values})
    told_early(mini, *parts)


@pytest.mark.parametrize(
    ("metric", "cure"),
    [("exact_match,strictmatch", "did you mean 'exact_match,strict-match'?"), ("bleu", "exact_match,strict-match")],
)
@pytest.mark.parametrize("task", ["word-problems", "gsm8k"])
def test_a_metric_that_the_task_does_not_measure(mini, task, metric, cure):
    with_suite(mini, task=task, metric=metric)
    told_early(mini, "suites, heldout: metric", cure)


def test_rows_that_do_not_fit_a_task_of_lm_evals_are_told(mini):
    with_suite(mini, task="arc_easy", metric="acc,none")
    told_early(mini, "gate.jsonl:1", "'choices' is undefined", "question, answer")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("foo: [1", ("mine.yaml:1", "close the bracket")),
        ("- a list", ("mine.yaml", "a mapping")),
        (yaml.safe_dump({**TASK, "foo": 1}), ("mine.yaml: key foo", "unknown key 'foo'")),
        (yaml.safe_dump({**TASK, "doc_to_txt": "x"}), ("doc_to_txt", "did you mean 'doc_to_text'?")),
        (yaml.safe_dump({**TASK, "doc_to_text": "{{question"}), ("mine.yaml: key doc_to_text", "a Jinja template")),
        (yaml.safe_dump({**TASK, "doc_to_text": "{{q}}"}), ("gate.jsonl:1", "'q' is undefined", "question, answer")),
        (yaml.safe_dump({**TASK, "include": "gone.yaml"}), ("gone.yaml", "no such file")),
    ],
)
def test_a_task_file_that_lm_eval_would_not_load(mini, text, parts):
    (mini / "mine.yaml").write_text(text)
    with_suite(mini, task="mine.yaml", metric="exact_match,none")
    told_early(mini, *parts)


def test_a_template_in_the_recipe_that_is_not_closed(mini):
    with_suite(mini, doc_to_text="{{question")
    told_early(mini, "suites, heldout: doc_to_text", "close what is open")


def test_rows_that_do_not_fill_the_tasks_template(mini):
    rows = [{"question": "1 + 1?", "answer": "#### 2"}] * 3
    write_jsonl(mini / "gate.jsonl", [*rows, {"q": "2 + 2?", "a": "#### 4"}])
    told_early(
        mini, "suite heldout, gate split: gate.jsonl:4", "'question' is undefined", "the row has q, a", "doc_to_text"
    )


def test_a_task_file_of_the_users_own_with_an_include_passes(mini):
    (mini / "base.yaml").write_text(yaml.safe_dump({k: v for k, v in TASK.items() if k != "task"}))
    (mini / "mine.yaml").write_text("task: mine\ninclude: base.yaml\nmetadata: {version: 2.0}\n")
    with_suite(mini, task="mine.yaml", metric="exact_match,none", report=None)
    (mini / "problems.jsonl").write_text("no problems, so that the run stops behind the suites")
    refused(run_cli(mini, "run"), "problems problems.jsonl")


@pytest.mark.slow
def test_what_only_lm_eval_can_see_is_still_the_users_to_mend(mini):
    (mini / "mine.yaml").write_text(
        yaml.safe_dump({**TASK, "filter_list": [{"name": "f", "filter": [{"function": "nope"}]}]})
    )
    with_suite(mini, task="mine.yaml", metric="exact_match,f")
    refused(run_cli(mini, "eval"), "suite heldout: task file", "a task that lm-eval loads")


@pytest.mark.slow
def test_what_only_the_optimizer_can_see_is_still_the_users_to_mend(mini, endpoint):
    change(
        mini,
        engine={"kind": "openai"},
        solve={"draws": 2, "problems": 10},
        train={"sft": {"adam_epsilon": 1e-8, "optim": "adamw_torch", "optim_args": "betas=(2,2)"}, "min_rows": 1},
    )
    server = endpoint(mini / "problems.jsonl", right=1.0)
    run_cli(mini, "generate", env=server.env, check=0)
    refused(run_cli(mini, "train", env=server.env), "train.sft")


def test_a_slice_behind_the_end_of_the_file_is_named(mini):
    change(mini, problems={"source": "problems.jsonl[5000:6000]"})
    told_early(mini, "problems.jsonl[5000:6000]", "200 rows in all", "a slice within")
    change(mini, suites=[{**SUITE, "gate": "gate.jsonl[5000:]"}])
    told_early(mini, "gate.jsonl[5000:]", "40 rows in all")


def test_a_source_or_model_that_is_a_folder(mini):
    change(mini, problems={"source": "."})
    told_early(mini, "received: a folder")
    change(mini, model=".")
    told_early(mini, "without a config.json in it")


def test_a_problem_file_in_another_encoding_loses_only_the_lines_that_it_spoils(mini, endpoint):
    from support import sql

    lines = (mini / "problems.jsonl").read_bytes().splitlines()
    lines[4] = '{"question": "Café?", "answer": "#### 1"}'.encode("latin-1")
    lines[7] = b'{"question": "x", "answer": NaN}'
    lines[9], lines[11] = b"torn {", b"[torn again"
    (mini / "problems.jsonl").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    change(mini, engine={"kind": "openai"}, solve={"draws": 1, "problems": 5})
    done = run_cli(mini, "generate", env=endpoint(mini / "gate.jsonl").env, check=0)
    assert "problems.jsonl:5: not text in UTF-8" in done.stderr
    drops = sql(mini, "select input_id, reason, raw from drops where step = 'problems' order by input_id")
    assert {d["input_id"]: d["reason"] for d in drops} == {
        "problems.jsonl:10": "not JSON: Expecting value", "problems.jsonl:12": "not JSON: Expecting value",
        "problems.jsonl:5": "not text in UTF-8", "problems.jsonl:8": "not JSON: NaN is no JSON number",
    }  # fmt: skip
    assert "Caf\\xe9?" in next(d["raw"] for d in drops if d["input_id"] == "problems.jsonl:5")
    (step,) = sql(mini, "select entered, kept, dropped from funnel where step = 'problems'")
    assert step == {"entered": 200, "kept": 196, "dropped": 4}


def test_an_endpoints_address_that_is_none(mini):
    change(mini, engine={"kind": "openai"})
    done = run_cli(mini, "run", env={"OPENAI_BASE_URL": "127.0.0.1:9/v1", "OPENAI_API_KEY": "x"})
    refused(done, "OPENAI_BASE_URL", "begin with http://")
    assert "started" not in done.stderr
