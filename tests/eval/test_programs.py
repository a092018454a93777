"""Programs as a suite: HumanEval's and MBPP's rows, and rows of our own, run against their tests in the sandbox."""

import gzip
import json

import pytest
import yaml
from flywheel.errors import InputError
from flywheel.eval._programs import read_program
from flywheel.store import SourceRow
from support import MINI, make_mini_project, run_cli, sql, write_jsonl

OWN = [
    {"id": "twice", "question": "Write twice(n): n times 2.", "test_list": ["assert twice(3) == 6", "assert twice(0) == 0"]},
    {"text": "Write first(xs).", "task_id": 7, "test_list": ["assert first([4, 5]) == 4"], "test_setup_code": ""},
    {"question": "Read a number, print the next.", "cases": [{"input": "4\n", "output": "5"}]},
    {"prompt": "def half(n):\n    \"\"\"Half of n.\"\"\"\n", "entry_point": "half", "test": "def check(f):\n    assert f(8) == 4\n"},
]  # fmt: skip
RIGHT = [
    "Here it is:\n```python\ndef twice(n):\n    return n * 2\n```",
    "def first(xs):\n    return xs[0]",
    "print(int(input()) + 1)",
    "```python\ndef half(n):\n    return n // 2\n```",
]


def score_answers(folder, rows, answers):
    """Return (score, n) and what was said of each item, in order."""
    make_mini_project(folder)
    write_jsonl(folder / "rows.jsonl", rows)
    write_jsonl(folder / "answers.jsonl", [{"completion": a} for a in answers])
    (folder / "recipe.yaml").write_text(
        yaml.safe_dump({**MINI, "suites": [{"name": "code", "task": "code", "gate": "rows.jsonl"}]})
    )
    run_cli(folder, "eval", "--answers", str(folder / "answers.jsonl"), "--suite", "code", check=0)
    (scored,) = sql(folder, "select score, n from scores where metric = 'pass,none'")
    return scored, sql(folder, "select value, detail from score_items order by ordinal")


def test_programs_are_run_against_the_tests_of_their_rows(tmp_path):
    scored, _ = score_answers(tmp_path / "right", OWN, RIGHT)
    assert scored == {"score": 1.0, "n": 4}
    wrong = ["def twice(n):\n    return n", *RIGHT[1:3], "I do not know."]
    scored, said = score_answers(tmp_path / "wrong", OWN, wrong)
    assert scored == {"score": 0.5, "n": 4} and [s["value"] for s in said] == [0.0, 1.0, 1.0, 0.0]
    assert "wrong answer" in said[0]["detail"]


def test_real_rows_of_humaneval_and_mbpp_pass_with_their_own_solutions_only(tmp_path, shared_data):
    with gzip.open(shared_data / "humaneval" / "HumanEval.jsonl.gz", "rt") as stream:
        human = [json.loads(line) for line in stream][:6]
    mbpp = [json.loads(line) for line in (shared_data / "mbpp" / "mbpp.jsonl").read_text().splitlines()][10:16]
    told = [r["prompt"] + r["canonical_solution"] for r in human[:4]] + ["    return None\n"] * 2
    told += [f"```python\n{r['code']}\n```" for r in mbpp[:4]] + ["def nothing():\n    pass"] * 2
    scored, said = score_answers(tmp_path / "p", human + mbpp, told)
    assert scored == {"score": pytest.approx(8 / 12), "n": 12}
    assert [s["value"] for s in said] == [1.0] * 4 + [0.0] * 2 + [1.0] * 4 + [0.0] * 2


def test_what_a_model_is_shown():
    shown = [read_program(SourceRow(i, row), "rows") for i, row in enumerate(OWN)]
    assert [s.get("id") for s in shown] == ["twice", "7", None, None]
    assert shown[0]["asserts"] == OWN[0]["test_list"] and not shown[0]["code"]
    assert shown[3]["code"] == OWN[3]["prompt"] and not shown[3]["asserts"], "HumanEval's tests are not shown"
    assert "assert f(8)" not in json.dumps({k: v for k, v in shown[3].items() if k != "checks"})


def test_a_row_without_tests_is_refused():
    row = SourceRow(0, {"question": "Write it.", "answer": "x"})
    with pytest.raises(InputError) as told:
        read_program(row, "suite code: x.jsonl:1")
    assert "tests" in told.value.expected and told.value.received == "question, answer"
