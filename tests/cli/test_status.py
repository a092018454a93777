"""What a person reads while a run is on: nothing is claimed before it was tried, and one is not many."""

import re

import pytest
from flywheel.cli._common import describe_rate
from flywheel.loop import count, percent
from support import change, refused, run_cli


def test_before_the_first_score_status_claims_nothing(mini, endpoint):
    change(mini, engine={"kind": "openai"}, solve={"draws": 1, "problems": 5})
    run_cli(mini, "generate", env=endpoint(mini / "problems.jsonl").env, check=0)
    shown = run_cli(mini, "status", check=0).stdout
    assert "No scores yet." in shown
    assert "No challenger has been tried yet" in shown
    assert "promoted" not in shown


def test_status_without_a_run_says_what_to_do(stored):
    refused(run_cli(stored, "status"), "expected: a run", "flywheel run")


def test_words_for_numbers():
    assert [count(n, "row") for n in (0, 1, 2, 1000)] == ["0 rows", "1 row", "2 rows", "1,000 rows"]
    assert percent(0.08333, 0.0571) == "8.3 ± 5.7"
    assert describe_rate(0, 24, 1050, 10.0, "problems") == "0 of 24 problems done, 105 tokens/s"
    assert describe_rate(12, 24, 0, 6.0, "problems") == "12 of 24 problems done, 2.0 problems/s, 6 s left"


@pytest.mark.slow
def test_eval_shows_percent_as_the_other_tables_do(finished_run):
    shown = run_cli(finished_run, "eval", check=0).stdout
    assert "score, % ± standard error" in shown
    assert re.search(r"│ \d+\.\d ± \d+\.\d +│", shown)
