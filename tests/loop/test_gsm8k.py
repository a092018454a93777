"""The real GSM8K files: the same commands, lm-eval's own task, the recorded solutions of four models."""

import json

import pytest
import yaml
from support import run_cli, sql

pytestmark = pytest.mark.slow


@pytest.fixture
def gsm8k(shared_data, tmp_path):
    """A project on the real files: 40 held-out training rows as suite, so that the solutions to the test rows stay usable."""
    data = shared_data / "gsm8k"
    folder = tmp_path / "gsm8k"
    folder.mkdir()
    recipe = {
        "name": "gsm8k",
        "iterations": 1,
        "problems": {"source": f"{data}/train.jsonl[0:3000]"},
        "engine": {"batch_size": 64},
        "pairs": {"per_problem": 1},
        "solve": {"draws": 2, "problems": 24, "max_tokens": 48},
        "train": {
            "sft": {"per_device_train_batch_size": 8, "max_length": 512},
            "dpo": {"learning_rate": 1e-6, "num_train_epochs": 1, "per_device_train_batch_size": 16, "max_length": 128},
        },
        "suites": [
            {
                "name": "gsm8k", "task": "gsm8k", "gate": f"{data}/train.jsonl[3900:3930]",
                "report": f"{data}/train.jsonl[3930:3940]", "num_fewshot": 0, "max_gen_toks": 48,
            }
        ],
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return folder, data


def test_the_wheel_turns_on_real_problems_and_promotes_nothing(gsm8k):
    folder, _ = gsm8k
    done = run_cli(folder, "run", check=0)
    assert "No challenger was promoted" in done.stdout
    board = sql(folder, "select * from leaderboard where stage = 'seed' and split = 'gate' order by metric")
    assert [b["metric"] for b in board] == ["exact_match,flexible-extract", "exact_match,strict-match"]
    assert all(b["n"] == 30 and b["score"] < 0.2 for b in board)
    assert sql(folder, "select distinct task, task_version from scores") == [{"task": "gsm8k", "task_version": "3.0"}]


def test_recorded_solutions_are_verified_paired_and_trained_on(gsm8k, shared_data):
    folder, data = gsm8k
    expected = json.loads((shared_data / "EXPECTED.json").read_text())
    run_cli(folder, "import", str(data / "example_model_solutions.jsonl"), check=0)
    disagree = sql(
        folder,
        """
        select count(*) as n, count(*) filter (a.passed <> b.passed) as disagree
        from verdicts a join verdicts b using (sample_id) where a.judge = 'math@4' and b.judge = 'recorded@file'
        """,
    )
    assert disagree == [{"n": 660 * 4, "disagree": 0}]
    by_model = sql(
        folder,
        "select r.model, count(*) filter (v.passed) as n from verdicts v join samples using (sample_id) join requests r using (request_id) where v.judge = 'math@4' group by 1",
    )
    recorded = expected["gsm8k/example_model_solutions.jsonl"]
    assert {r["model"]: r["n"] for r in by_model} == {m: e["is_correct_recorded"] for m, e in recorded.items()}
    both = expected["gsm8k/problems_with_both_a_correct_and_an_incorrect_solution"]
    assert sql(folder, "select count(distinct problem_id) as n from pairs") == [{"n": both}]
    funnel = {f["step"]: f for f in sql(folder, "select * from funnel")}
    assert (funnel["import"]["entered"], funnel["import"]["kept"]) == (2640, 2640)
    assert funnel["pair"]["kept"] == both

    run_cli(folder, "import", str(data / "example_model_solutions.jsonl"), check=0)
    assert sql(folder, "select count(*) as n from samples") == [{"n": 2640}], "importing again doubles nothing"

    trained = run_cli(folder, "train", "--method", "dpo", "--imported", check=0).stdout.split("\t")[0]
    (row,) = sql(
        folder, f"select n_rows from snapshots join checkpoints using (snapshot_id) where checkpoint_id = '{trained}'"
    )
    assert row["n_rows"] >= both


def test_solutions_to_suite_items_never_reach_training(gsm8k):
    """With the test rows as suite, all imported pairs are contaminated: every one is dropped, on record."""
    folder, data = gsm8k
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
    recipe["suites"][0] |= {"gate": f"{data}/test.jsonl[0:660]", "report": None}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    run_cli(folder, "import", str(data / "example_model_solutions.jsonl"), check=0)
    done = run_cli(folder, "train", "--method", "dpo", "--imported")
    assert done.returncode == 2
    (row,) = sql(folder, "select * from funnel where step = 'dpo/curate'")
    assert (row["kept"], row["dropped"]) == (0, row["entered"])
    gone = sql(folder, "select reason, evidence from drops where step = 'dpo/curate'")
    assert {d["reason"] for d in gone} <= {"contaminated: gsm8k/gate", "near duplicate", "exact duplicate"}
    assert sum(d["reason"].startswith("contaminated") for d in gone) > 0.9 * row["entered"]


def test_bad_lines_of_an_import_are_drops(gsm8k, tmp_path):
    folder, data = gsm8k
    lines = (data / "example_model_solutions.jsonl").read_text().splitlines()[:3]
    (tmp_path / "some.jsonl").write_text("\n".join(["torn {", *lines, '{"question": "x"}']))
    done = run_cli(folder, "import", str(tmp_path / "some.jsonl"), check=0)
    assert "2 bad lines" in done.stderr
    (row,) = sql(folder, "select * from funnel where step = 'import'")
    assert (row["entered"], row["kept"], row["dropped"]) == (14, 12, 2)
