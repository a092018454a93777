"""An evaluation in several processes: the items, requests and figures of one."""

import json
import shutil
import threading

import pytest
import yaml
from flywheel.eval import _shares, _stage
from flywheel.eval._child import evaluate
from support import MINI, make_mini_project, sql, write_jsonl
from support_verify import run_here as run_cli_here

ITEMS = "select suite, metric, score, ordinal, target, filtered, value, detail, request_id from score_items join scores using (score_id) order by all"
ANSWERS = "select request_id, messages, completions, details from requests order by all"
PERPLEXITY = {
    "task": "stories", "output_type": "loglikelihood_rolling", "dataset_path": "json", "test_split": "test", "doc_to_text": "",
    "doc_to_target": "{{text}}",
    "metric_list": [{"metric": "word_perplexity", "aggregation": "weighted_perplexity", "higher_is_better": False}],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    folder = make_mini_project(tmp_path / "alone")
    rows = [json.loads(line) for line in (folder / "gate.jsonl").read_text().splitlines()]
    write_jsonl(folder / "some.jsonl", rows[:11])
    write_jsonl(folder / "stories.jsonl", [{"text": f"Ann has {i} apples." + " She buys more." * i} for i in range(40)])
    (folder / "stories.yaml").write_text(yaml.safe_dump(PERPLEXITY))
    return folder


def set_processes(folder, n):
    suites = [
        {**MINI["suites"][0], "gate": "some.jsonl", "max_gen_toks": 24},
        {"name": "stories", "task": "stories.yaml", "gate": "stories.jsonl", "apply_chat_template": False, "metric": "word_perplexity,none"},
    ]  # fmt: skip
    engine = {"kind": "local", "batch_size": 1, "eval_processes": n}
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**MINI, "suites": suites, "engine": engine}))


def test_two_processes_answer_half_each_and_give_the_rows_of_one(tmp_path, folder, monkeypatch):
    made, one_at_a_time = {}, threading.Lock()

    def run_here(module, job, work, *, on_event, env=None):
        """Run the evaluation process's own function here: loading torch and lm-eval costs a process seconds."""
        work.mkdir(parents=True, exist_ok=True)
        with one_at_a_time:
            result = json.loads(json.dumps(evaluate(job, work, on_event)))
        answers = [json.loads(line)["request_id"] for line in (work / "answers.jsonl").read_text().splitlines()]
        made[work.name if "share" in job else "whole"] = answers, env
        return result

    for module in (_stage, _shares):
        monkeypatch.setattr(module, "run_stage", run_here)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    shared = tmp_path / "shared"
    shutil.copytree(folder, shared)
    set_processes(folder, 1)
    set_processes(shared, 2)
    for project in (folder, shared):
        run_cli_here(project, "eval", "--split", "gate", check=0)
    items = sql(shared, ITEMS)
    assert items == sql(folder, ITEMS) and len(items) >= 51
    assert sql(shared, ANSWERS) == sql(folder, ANSWERS)
    (first, env0), (second, env1) = made["share-0"], made["share-1"]
    assert not set(first) & set(second) and min(len(first), len(second)) >= 5
    assert [env0, env1] == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]
    assert made["whole"][0] == [*first, *second], "nothing was left to ask"


def test_what_a_kill_tore_off_is_left_out(tmp_path):
    (tmp_path / "a").write_bytes(b"1\n2")
    (tmp_path / "b").write_bytes(b"3\n")
    _shares._join([tmp_path / "a", tmp_path / "gone", tmp_path / "b"], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"1\n3\n"


@pytest.mark.parametrize(("given", "devices"), [(None, ["0", "1", "2"]), ("4,6", ["4", "6", "4"]), ("", ["", "", ""])])
def test_each_process_has_a_gpu_of_those_that_flywheel_may_use(monkeypatch, given, devices):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert [_shares._device(i) for i in range(3)] == devices
