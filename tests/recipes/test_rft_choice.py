"""rft-choice: a grader of OpenAI's format is verifier and reward; what lacks its reference is refused by name."""

import json

import pytest
import yaml
from flywheel.prompts import load_template
from support import refused, run_cli, sql, write_jsonl
from support_recipes import flywheel, init_recipe, read_rows

pytestmark = [pytest.mark.recipes, pytest.mark.timeout(600)]


def teach(folder, rows, file):
    """Write what the fake endpoint knows: the prompt of each row, its answer, and the wrong ones."""
    template = load_template("choice", folder)
    known = []
    for row in rows:
        ((message),) = template.render({name: row[name] for name in template.variables})
        right = str(row["cop"])
        known.append(
            {
                "question": message["content"],
                "answer": right,
                "wrong": [c for c in "0123" if c != right] + ["The second, I think."],
            }
        )
    write_jsonl(file, known)
    return file


def test_right_choices_are_trained_on_then_rewarded(miniature, endpoint, tmp_path):
    folder = init_recipe(tmp_path / "look", "rft-choice")
    known = teach(folder, read_rows(folder / "mini" / "problems.jsonl"), tmp_path / "known.jsonl")
    made = miniature("rft-choice", env=endpoint(known, right=0.6).env, page=True)
    assert made.rows["solve"] == 320
    verdicts = sql(
        made.folder, "select passed, count(*) as n from verdicts where judge like 'grader%' group by all order by all"
    )
    assert [v["passed"] for v in verdicts] == [False, True] and sum(v["n"] for v in verdicts) == 320
    assert {name.split()[0] for name, _, _ in made.losses} == {"sft", "grpo"}
    before, after, n = made.score("choice")
    assert before == 0.0 and after > 0.15 and n == 100
    assert [d["stage"] for d in made.decisions][:1] == ["sft"] and made.decisions[0]["promoted"]
    rewards = [
        json.loads(r["entry"])["reward"] for r in sql(made.folder, "select entry from train_log join checkpoints using (checkpoint_id) where stage = 'grpo' order by step")
        if "reward" in json.loads(r["entry"])
    ]  # fmt: skip
    assert max(rewards) > 0, "the grader pays"


def test_real_rows_without_the_reference_are_refused_before_training(tmp_path, shared_data):
    """MedMCQ's fine-tuning rows hold ``messages`` alone; with the reference beside them they are trained on."""
    folder = init_recipe(tmp_path / "p", "rft-choice")
    data = shared_data / "ms_foundry_ft" / "Reinforcement_Fine_Tuning" / "MedMCQ"
    rows = read_rows(data / "medmcq_validation.jsonl")[:16]
    spec = json.loads((data / "stringcheck_grader.json").read_text())
    write_jsonl(folder / "rows.jsonl", rows)
    keys = {"num_generations": 2, "max_completion_length": 4, "per_device_train_batch_size": 4, "max_steps": 1}
    own = {
        "name": "real", "model": "seed",
        "train": {"rows": "rows.jsonl", "min_rows": 2, "grpo": keys, "rewards": [{"verifier": "grader", "options": {"spec": spec}}]},
    }  # fmt: skip
    (folder / "real.yaml").write_text(yaml.safe_dump(own))
    done = run_cli(folder, "train", "--method", "grpo", "--recipe", str(folder / "real.yaml"))
    refused(done, "prompt + reference_answer", "add reference_answer")
    assert sql(folder, "select count(*) as n from checkpoints where stage = 'grpo'") == [{"n": 0}]
    write_jsonl(folder / "rows.jsonl", [{**r, "reference_answer": "ABCD"[i % 4]} for i, r in enumerate(rows)])
    flywheel(folder, "train", "--method", "grpo", recipe="real.yaml")
    assert sql(folder, "select count(*) as n from checkpoints where stage = 'grpo'") == [{"n": 1}]


def test_the_recipe_as_it_is_refuses_real_rows_without_its_columns(tmp_path, shared_data):
    folder = init_recipe(tmp_path / "p", "rft-choice")
    data = shared_data / "ms_foundry_ft" / "Reinforcement_Fine_Tuning" / "MedMCQ" / "medmcq_validation.jsonl"
    write_jsonl(folder / "rows.jsonl", read_rows(data)[:16])
    (folder / "real.yaml").write_text("extends: mini.yaml\nproblems: {source: rows.jsonl}\n")
    for command in (("run", "--dry-run"), ("generate",)):
        refused(flywheel(folder, *command, recipe="real.yaml", check=2), "cop")
    assert not (folder / "flywheel.duckdb").exists() or not sql(folder, "select 1 as n from requests")
