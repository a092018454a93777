"""Answers that ended at the limit of tokens are told with the score; the limit is the suite's, else the task's own."""

import json
from pathlib import Path

import pytest
import yaml
from flywheel.config import Recipe, SuiteConfig
from flywheel.eval._suites import limit_answers
from flywheel.eval._task_files import find_tasks
from support import MINI, make_mini_project, refused, run_cli, sql, write_jsonl

TASKS = Path(__file__).parent.parent.parent / "eval" / "tasks"


def project_with(folder, *suites):
    make_mini_project(folder)
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**MINI, "suites": list(suites)}))
    return folder


def suite(name, **keys):
    return {"name": name, "task": "word-problems", "gate": "gate.jsonl", **keys}


def test_cut_answers_are_told_wherever_the_score_is(tmp_path):
    folder = project_with(tmp_path / "p", suite("short", max_gen_toks=5), suite("long", max_gen_toks=200))
    done = run_cli(folder, "eval", check=0)
    lines = [line for line in done.stdout.splitlines() if " cut " in line]
    assert lines == [
        "40 of 40 answers of short/gate were cut at 5 tokens: raise that by max_gen_toks of the suite in the recipe, and score again"
    ]
    assert "(n=40, 40 cut at 5 tokens)" in done.stderr
    rows = sql(folder, "select suite, metric, n, cut from leaderboard where metric like '%strict%' order by suite")
    assert [(r["suite"], r["n"], r["cut"]) for r in rows] == [("long", 40, 0), ("short", 40, 40)]
    ends = sql(
        folder,
        "select sampling ->> 'max_tokens' as most, details ->> '$.finish_reasons[0]' as ended, count(*) as n, "
        "max(completion_tokens) as tokens from requests where step = 'eval' group by all order by 1",
    )
    assert [(e["most"], e["ended"], e["n"]) for e in ends] == [("200", None, 40), ("5", "length", 40)]
    assert ends[1]["tokens"] == 5 and ends[0]["tokens"] < 200
    assert "40 (40 cut)" in run_cli(folder, "status", check=0).stdout
    run_cli(folder, "report", check=0)
    assert "| 40 (40 cut) |" in (folder / "report.md").read_text()


def test_both_sides_of_a_comparison_tell_what_was_cut(endpoint, tmp_path):
    folder = project_with(tmp_path / "p", suite("short", max_gen_toks=5))
    served = endpoint(folder / "gate.jsonl", right=0.9)
    told = run_cli(folder, "eval", "--compare", "first", "endpoint", check=0, env=served.env).stdout
    assert "seed: 40 of 40 answers of short/gate were cut at 5 tokens" in told and "fake-teacher: " not in told
    assert "seed: 40 of 40 answers of short/gate were cut at 5 tokens" in (folder / "before_after.md").read_text()


def test_how_recorded_answers_ended_is_not_known(tmp_path):
    folder = project_with(tmp_path / "p", suite("short", max_gen_toks=5))
    write_jsonl(folder / "mine.jsonl", [{"completion": "Ann has 3 apples and buys"}] * 40)
    told = run_cli(folder, "eval", "--answers", str(folder / "mine.jsonl"), check=0).stdout
    assert " cut " not in told
    assert sql(folder, "select distinct cut from leaderboard") == [{"cut": None}]


def test_a_tasks_own_limit_is_used_and_the_suites_wins(tmp_path):
    words = yaml.safe_load((TASKS / "word-problems.yaml").read_text())
    words["generation_kwargs"]["max_new_tokens"] = 7
    folder = project_with(
        tmp_path / "p", suite("own", task="own.yaml"), suite("mine", task="own.yaml", max_gen_toks=9), suite("none")
    )
    (folder / "own.yaml").write_text(yaml.safe_dump({**words, "task": "own"}))
    run_cli(folder, "eval", check=0)
    found = sql(
        folder,
        "select distinct s.suite, r.sampling ->> 'max_tokens' as most, s.settings ->> 'max_gen_toks' as kept from scores s "
        "join score_items i using (score_id) join requests r using (request_id) order by 1",
    )
    assert [(f["suite"], f["most"], f["kept"]) for f in found] == [
        ("mine", "9", "9"), ("none", "256", "256"), ("own", "7", "7"),
    ]  # fmt: skip


@pytest.mark.parametrize(("task", "limit"), [("ifeval", 1280), ("gsm8k", 256)])
def test_the_limits_of_lm_evals_tasks(tmp_path, task, limit):
    (found,) = find_tasks(task, tmp_path, tmp_path)
    assert limit_answers(SuiteConfig(name="s", task=task, gate="x.jsonl"), found.read()) == limit


def test_a_limit_that_leaves_no_room_for_the_prompt_is_refused(tmp_path):
    folder = project_with(tmp_path / "p", suite("endless", max_gen_toks=2048))
    refused(run_cli(folder, "eval"), "suite endless: max_gen_toks", "fewer than the 2048 tokens", "received: 2048")


def test_runs_of_recipes_that_set_no_limit_stay_the_same_runs():
    recipes = [
        Recipe.model_validate({**MINI, "suites": [suite("s", **keys)]}) for keys in ({}, {"max_gen_toks": 256}, {"max_gen_toks": 9})
    ]  # fmt: skip
    none, default, other = (json.dumps(r.identity(), default=str) for r in recipes)
    assert none == default != other
