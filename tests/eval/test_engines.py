"""Who answers: an endpoint's model, a checkpoint by a vLLM server, a model's folder; and what is not asked again."""

import shutil

import pytest
import yaml
from flywheel.llm import seed_model_path
from support import MINI, make_mini_project, refused, run_cli, sql
from support_vllm import FakeVllm


@pytest.fixture
def folder(tmp_path):
    return make_mini_project(tmp_path / "p")


def with_engine(folder, **engine):
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**MINI, "engine": {"concurrency": 8, **engine}}))


def test_an_endpoints_model_is_scored_and_an_outage_is_no_wrong_answer(folder, endpoint):
    served = endpoint(folder / "gate.jsonl", right=1.0, faults="400=0.1")
    with_engine(folder)
    command = ("eval", "--engine", "openai", "--split", "gate")
    told = run_cli(folder, *command, check=0, env=served.env).stdout
    assert "heldout" in told
    refused_ones = sql(folder, "select count(*) as n from requests where error is not null")[0]["n"]
    (score,) = sql(
        folder, "select score, n, settings::json ->> 'engine' as engine from scores where metric like '%strict%'"
    )
    assert 0 < refused_ones < 20 and score == {"score": 1 - refused_ones / 40, "n": 40, "engine": "openai"}
    (made,) = sql(folder, "select stage, path from checkpoints where stage = 'endpoint'")
    assert made["path"] == "endpoint:fake-teacher"
    (chat,) = sql(folder, "select messages from requests where step = 'eval' limit 1")
    assert yaml.safe_load(chat["messages"])[0]["role"] == "user"
    n = len(served.answered())
    run_cli(folder, *command, check=0, env=served.env)
    assert len(served.answered()) == n, "answered from the store"


def test_an_evaluation_that_breaks_off_asks_only_for_what_is_missing(folder, endpoint):
    served = endpoint(folder / "gate.jsonl", right=1.0, refuse_after=15)
    with_engine(folder, patience_s=0, max_attempts=2)
    done = run_cli(folder, "eval", "--engine", "openai", "--split", "gate", env=served.env)
    assert done.returncode == 1 and "cure:" in done.stderr
    assert sql(folder, "select count(*) as n from scores") == [{"n": 0}], "a score comes whole or not at all"
    others = [endpoint(folder / "gate.jsonl", right=1.0, latency=0.05) for _ in range(2)]
    with_engine(folder, concurrency=4, base_url=[other.url for other in others])
    run_cli(folder, "eval", "--engine", "openai", "--split", "gate", env=others[0].env, check=0)
    shares = [len(other.answered()) for other in others]
    assert len(served.answered()) + sum(shares) == 40 and min(shares) > 5, "split over the endpoints that there are"
    items = sql(
        folder,
        "select ordinal, value from score_items join scores using (score_id) where metric like '%strict%' order by 1",
    )
    assert items == [{"ordinal": i, "value": 1.0} for i in range(40)]


def test_a_checkpoint_is_served_by_vllm_which_is_gone_afterwards(folder, tmp_path):
    fake = FakeVllm(tmp_path / "fake")
    with_engine(folder, **{**fake.engine(), "kind": "local"})
    run_cli(folder, "eval", "--engine", "vllm", "--split", "report", check=0)
    assert not fake.living() and len(fake.notes("argv")) == 1
    (row,) = sql(folder, "select distinct engine, model, n from requests r, scores s where s.split = 'report'")
    assert row == {"engine": "vllm", "model": "seed", "n": 20}
    run_cli(folder, "eval", "--engine", "vllm", "--split", "report", check=0)
    assert len(fake.notes("argv")) == 1, "answered from the store"


def test_what_an_endpoint_cannot_do_is_told(folder, endpoint, none):
    served = endpoint(none)
    suite = {"name": "arc", "task": "arc_easy", "gate": "arc.jsonl", "num_fewshot": 0, "metric": "acc,none"}
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**MINI, "suites": [suite]}))
    (folder / "arc.jsonl").write_text(
        '{"question": "q", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "B"}\n'
    )
    refused(
        run_cli(folder, "eval", "--engine", "openai", env=served.env), "gives no log-likelihoods", "generative variant"
    )
    refused(run_cli(folder, "eval", "--engine", "openai", "--checkpoint", "first"), "--checkpoint")
    gone = {"FLYWHEEL_VLLM_PYTHON": "/nowhere/python"}
    refused(run_cli(folder, "eval", "--engine", "vllm", env=gone), "no program /nowhere/python", "FLYWHEEL_VLLM_PYTHON")


def test_a_models_folder_and_a_suite_of_ones_own_need_no_recipe_entry(folder):
    model = folder / "copy"
    shutil.copytree(seed_model_path(), model)
    (model / "note.txt").write_text("another model than the seed")
    (folder / "quick.yaml").write_text("- prompt: What is 2 + 2?\n  expected: 4\n  match: numeric")
    done = run_cli(folder, "eval", "--checkpoint", str(model), "--suite", "quick.yaml", check=0)
    assert "quick" in done.stdout and "report" in done.stdout
    (row,) = sql(
        folder,
        "select s.suite, s.split, k.stage from scores s join checkpoints k using (checkpoint_id) where metric = 'pass,none'",
    )
    assert row == {"suite": "quick", "split": "report", "stage": "folder"}
    refused(run_cli(folder, "eval", "--suite", "heldou"), "'heldou'", "did you mean 'heldout'?")
