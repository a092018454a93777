"""Scores have an error bar wherever they are shown, and none says that nothing is uncertain."""

import pytest
import yaml
from flywheel.loop import show_score
from flywheel.loop._describe import _describe_heldout
from flywheel.schema import find_wilson
from flywheel.ui._plots import plot_scores, show_bar
from support import MINI, make_mini_project, run_cli, sql, write_jsonl

ITEMS = [{"prompt": f"Say {i}.", "expected": str(i)} for i in range(20)]
BAR = "Wilson 95 %: "


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = make_mini_project(tmp_path_factory.mktemp("bars") / "p")
    suite = {"name": "q", "task": "prompts", "gate": "q.yaml"}
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**MINI, "suites": [suite]}))
    (folder / "q.yaml").write_text(yaml.safe_dump(ITEMS))
    return folder


def score(folder, name, right):
    """Score recorded answers of which some are right; return what was shown and their id."""
    write_jsonl(folder / f"{name}.jsonl", [{"completion": str(i) if i < right else "no idea"} for i in range(20)])
    told = run_cli(folder, "eval", "--answers", str(folder / f"{name}.jsonl"), check=0).stdout
    return told, next(w for w in told.split() if w.startswith("ckpt_"))


def test_none_or_all_right_has_wilsons_interval_and_a_comparison_has_bars(folder):
    (none, a), (half, b), (whole, c) = score(folder, "none", 0), score(folder, "half", 10), score(folder, "whole", 20)
    assert f"0.0 % ({BAR}0.0 to 16.1)" in none and f"100.0 % ({BAR}83.9 to 100.0)" in whole
    assert "50.0 ± 11.5 %" in half and BAR not in half
    assert "± 0.0" not in none + whole
    told = run_cli(folder, "eval", "--compare", a, b, check=0).stdout
    assert f"0.0 % ({BAR}0.0 to 16.1)" in told and "50.0 ± 11.5 %" in told
    page = (folder / "before_after.md").read_text()
    assert f"| q | gate | pass,none | 0.0 % ({BAR}0.0 to 16.1) | 50.0 ± 11.5 % | +50.0 |" in page
    assert "± is one standard error" in page
    assert {r["stderr"] for r in sql(folder, f"select stderr from scores where checkpoint_id = '{c}'")} == {0}
    shown = run_cli(folder, "status", check=0).stdout
    assert f"100.0 % ({BAR}83.9 to 100.0)" in shown and "± 0.0" not in shown


@pytest.mark.parametrize(
    ("share", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (1, 10, 0.7225, 1.0), (0.5, 10, 0.2366, 0.7634), (0.9, 200, 0.8506, 0.9343)],
)  # the first three: table of Brown, Cai and DasGupta 2001, rounded; the last by hand
def test_wilsons_interval_is_the_published_one(share, n, low, high):
    assert find_wilson(share, n) == pytest.approx((low, high), abs=5e-4)


@pytest.mark.parametrize(
    ("metric", "value", "stderr", "n", "up", "shown"),
    [
        ("acc,none", 0.0, None, 1, True, "0.0 % (Wilson 95 %: 0.0 to 79.3)"),
        ("acc,none@part", 1.0, 0.0, 4, True, "100.0 % (Wilson 95 %: 51.0 to 100.0)"),
        ("acc,none", 0.0, None, 9, True, "0.0 %"),
        ("mcc,none", 0.0, 0.0, 40, True, "0.0 %"),
        ("f1[NEI],none", 1.0, 0.0, 40, True, "100.0 %"),
        ("score,none", 0.5, 0.0, 40, True, "50.0 %"),
        ("perplexity,none", 13.0, 0.0, 40, False, "13"),
        ("acc,none", 0.5, 0.1, 40, True, "50.0 ± 10.0 %"),
    ],
)
def test_no_bar_says_that_nothing_is_uncertain(metric, value, stderr, n, up, shown):
    assert show_score(metric, value, stderr, higher_is_better=up, n=n) == shown


def test_the_page_draws_the_same_intervals():
    row = {
        "metric": "acc,none", "suite": "q", "split": "gate", "iteration": 1, "stage": "sft", "role": "gate", "promoted": False,
        "checkpoint_id": "ckpt_1",
        "score": 0.0, "stderr": 0.0, "n": 20,
    }  # fmt: skip
    assert show_bar(row) == "(0 to 0.1611)" and show_bar({**row, "score": 0.5, "stderr": 0.1}) == "± 0.196"
    (chart,) = plot_scores([row], [])
    assert "q gate: 0 (0 to 0.1611)" in chart["svg"] and "bar-line" in chart["svg"]


def test_what_a_training_measured_on_held_out_rows_has_bars():
    before, after = {"accuracy": 0.5, "accuracy_stderr": 0.1118}, {"accuracy": 1.0, "accuracy_stderr": 0.0}
    said = _describe_heldout({"heldout_n": 20, "before": {**before, "loss": 2.0}, "after": {**after, "loss": 1.5}})
    assert said == (
        "; held out (n=20): loss 2.0000 → 1.5000, accuracy 50.0 ± 11.2 % → 100.0 % (Wilson 95 %: 83.9 to 100.0)"
    )


@pytest.mark.parametrize("n", range(1, 60))
def test_a_share_is_never_outside_its_own_interval(n):
    """Nor by the last bit: a bar of negative length cannot be drawn."""
    for z in (1.0, 1.96):
        assert find_wilson(1.0, n, z)[1] == 1.0 and find_wilson(0.0, n, z)[0] == 0.0
