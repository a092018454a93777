"""How often the rows of a split have decided is counted over all runs, and a worn gate split is told in the report."""

import json
from datetime import datetime

from flywheel.config import Recipe
from flywheel.loop import render_report, summarize
from support import MINI

NOW = datetime(2026, 1, 1)


def record(store, n_items, iterations, runs=("run_a",), promoted=()):
    """Put on record what gates of some runs decided on one suite."""
    recipe = Recipe.model_validate(MINI).model_dump_json()
    store.insert_all("runs", [
        {"run_id": r, "name": "mini", "seed": 0, "model": "seed", "base_checkpoint_id": "ckpt_0", "recipe": recipe, "versions": "{}", "started_at": NOW}
        for r in runs
    ])  # fmt: skip
    scores, decisions = [], []
    for run in runs:
        for i in range(1, iterations + 1):
            for split, role in (("gate", "gate"), ("report", "report")):
                score_id = f"{run}-{i}-{split}"
                scores.append({
                    "score_id": score_id, "checkpoint_id": f"ckpt_{run}_{i}", "suite": "heldout", "split": split, "task": "t",
                    "task_version": "1", "suite_hash": f"suite_{split}", "metric": "exact_match,strict-match", "score": 0.5, "stderr": 0.1,
                    "n": n_items, "settings": json.dumps({}), "created_at": NOW,
                })  # fmt: skip
                decisions.append({
                    "decision_id": f"d-{score_id}", "run_id": run, "iteration": i, "stage": "sft", "checkpoint_id": f"ckpt_{run}_{i}",
                    "score_id": score_id, "role": role, "n": n_items, "won": 1, "lost": 0, "delta": 0.1, "p_value": 0.04,
                    "promoted": i in promoted, "reason": "r", "created_at": NOW,
                })  # fmt: skip
    store.insert_all("scores", scores)
    store.insert_all("decisions", decisions)


def test_decisions_are_counted_over_all_runs_and_reports_decide_nothing(store):
    record(store, 50, 2, runs=("run_a", "run_b"), promoted=[1])
    rows = store.query(
        "SELECT split, n, decided, promoted, looked, round(worst_optimism, 4), worn FROM split_uses ORDER BY split"
    )
    assert rows == [("gate", 50, 4, 2, 4, 0.1414, True), ("report", 50, 0, 0, 4, 0.0, False)]


def test_a_worn_gate_split_is_told_in_the_report_and_a_fresh_one_is_not(store, project):
    record(store, 50, 3)
    page = render_report(summarize(project))
    assert "**The gate split of heldout is worn**: its 50 items have decided 3 times" in page
    assert "| heldout | report | 50 | 0 | 0 | 3 | 0.0 |" in page


def test_a_large_split_is_not_worn(store, project):
    record(store, 75, 3)
    assert "is worn" not in render_report(summarize(project))
