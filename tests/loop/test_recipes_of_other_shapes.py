"""Runs that the demo does not cover: several suites and a guard, contaminated problems, too few rows, odd characters."""

import json

import pytest
from support import MINI, make_mini_project, run_cli, sql, write_jsonl

pytestmark = pytest.mark.slow

SOLVE = {"draws": 2, "problems": 30, "max_tokens": 64}


def test_two_suites_on_the_same_rows_a_guard_and_a_graded_metric_are_kept_apart(tmp_path, endpoint):
    suite = MINI["suites"][0]
    guard = {**suite, "name": "flexible", "metric": "exact_match,flexible-extract", "report": None}
    folder = make_mini_project(
        tmp_path / "guarded", engine="openai", iterations=1, solve=SOLVE, suites=[suite, guard],
        gate={"suite": "heldout", "guards": [{"suite": "flexible"}]}, train={**MINI["train"], "dpo": None},
    )  # fmt: skip
    run_cli(folder, "run", env=endpoint(folder / "problems.jsonl").env, check=0)
    roles = sql(
        folder,
        "select suite, split, metric, role from leaderboard where stage = 'sft' and role <> 'report' order by role",
    )
    assert [(r["suite"], r["metric"], r["role"]) for r in roles] == [
        ("heldout", "exact_match,strict-match", "gate"),
        ("flexible", "exact_match,flexible-extract", "guard"),
    ]
    tests = sql(folder, "select distinct role, test from decisions where test is not null order by role")
    assert {t["role"]: t["test"] for t in tests}["guard"] == "exact McNemar, one-sided (fall)"


def test_a_metric_that_is_not_measured_is_refused_before_anything_is_generated(tmp_path):
    suite = {**MINI["suites"][0], "metric": "exact_match,strict_match"}
    folder = make_mini_project(tmp_path / "misspelt", suites=[suite])
    done = run_cli(folder, "run", check=2)
    assert "did you mean 'exact_match,strict-match'?" in done.stderr
    assert "started" not in done.stderr
    assert not (folder / "flywheel.duckdb").exists()


def test_evaluation_items_among_the_problems_never_reach_sft(tmp_path, endpoint):
    folder = make_mini_project(
        tmp_path / "leaky", engine="openai", iterations=1, solve={**SOLVE, "draws": 8, "problems": 200}
    )
    leaked = [json.loads(line) for line in (folder / "gate.jsonl").read_text().splitlines()][:30]
    shouted = [{**row, "question": row["question"].upper().replace(" ", "  ")} for row in leaked]
    rows = [json.loads(line) for line in (folder / "problems.jsonl").read_text().splitlines()][:50]
    write_jsonl(folder / "problems.jsonl", rows + shouted)
    server = endpoint(folder / "problems.jsonl")
    run_cli(folder, "generate", env=server.env, check=0)
    run_cli(folder, "train", check=0)
    (row,) = sql(folder, "select * from funnel where step = 'sft/snapshot'")
    assert row["entered"] == row["kept"] + row["dropped"]
    dropped = sql(folder, "select sum(n) as n from drops where reason = 'contaminated: heldout/gate'")
    assert dropped[0]["n"] >= 30, "about half of 240 draws are right, two a problem may be kept"
    questions = {row["question"] for row in shouted}
    for file in (folder / ".flywheel" / "snapshots").glob("*.jsonl"):
        for line in file.read_text().splitlines():
            assert json.loads(line)["prompt"][-1]["content"] not in questions


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_too_few_rows_leave_the_stage_out_with_the_reason_on_record(tmp_path, endpoint, right):
    folder = make_mini_project(
        tmp_path / "few",
        engine="openai",
        iterations=1,
        solve={"draws": 1, "problems": 5},
        train={**MINI["train"], "min_rows": 50},
    )
    done = run_cli(folder, "run", env=endpoint(folder / "problems.jsonl", right=right).env, check=0)
    assert "left out" in done.stdout
    assert "train.min_rows = 50" in (folder / "report.md").read_text()
    steps = sql(folder, "select * from funnel")
    assert all(s["entered"] == s["kept"] + s["dropped"] for s in steps)
    (left,) = [s for s in steps if s["step"] == "sft/train"]
    assert left["kept"] == 0
    assert not [s for s in steps if s["step"] == "on-policy"]
    shown = run_cli(folder, "status", check=0).stdout
    assert "exact_match,strict-match" in shown


def test_line_separators_and_half_surrogates_in_texts_are_only_text(tmp_path):
    folder = make_mini_project(tmp_path / "odd", iterations=1)
    odd = [{"question": f"What\u2028is\u0085 {i} plus\u2029 {i}?", "answer": f"#### {2 * i}"} for i in range(4)]
    write_jsonl(folder / "gate.jsonl", odd)
    with (folder / "gate.jsonl").open("a") as stream:
        stream.write('{"question": "half \\ud83d a pair", "answer": "#### 1"}\n')
    run_cli(folder, "eval", check=0)
    assert sql(folder, "select n from scores where split = 'gate' limit 1") == [{"n": 5}]


def test_training_on_an_interrupted_generation_is_refused(tmp_path, endpoint):
    folder = make_mini_project(
        tmp_path / "half", engine={"kind": "openai", "max_attempts": 1}, solve={**SOLVE, "problems": 60}
    )
    server = endpoint(folder / "problems.jsonl", latency=0.05)
    run_cli(folder, "generate", env=server.env, check=0)
    import duckdb

    with duckdb.connect(str(folder / "flywheel.duckdb")) as connection:
        connection.execute(
            "delete from requests where request_id in (select request_id from requests limit 7)"
        ).fetchall()
    done = run_cli(folder, "train", check=2)
    assert "7 of 60 inputs of step 'solve'" in done.stderr
