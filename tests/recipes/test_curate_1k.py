"""curate-1k: the best and most diverse rows against as many at random, ruled on by the gate; real rows rated by a judge."""

import json

import pytest
from support import sql
from support_recipes import flywheel, init_recipe, table_rows, write_rows

pytestmark = pytest.mark.recipes


def test_the_best_forty_beat_forty_at_random(miniature):
    made = miniature("curate-1k", page=True)
    assert made.rows == {"sft/rows": 400}  # 200 in each run
    chosen = "select r.name, avg((fields ->> '$.rating')::int) as mean, count(*) as n from snapshot_rows w join snapshots s using (snapshot_id) join runs r using (run_id) join samples m using (sample_id) group by all"
    by_name = {row["name"]: row for row in sql(made.folder, chosen)}
    best, rest = by_name["curate-1k"], by_name["curate-1k-random"]
    assert best["n"] == rest["n"] == 40 and best["mean"] >= 4 > 3 > rest["mean"]
    scores = "select r.name, score from scores join checkpoints c using (checkpoint_id) join runs r using (run_id) where metric = 'exact_match,strict-match'"
    right = {row["name"]: row["score"] for row in sql(made.folder, scores)}
    assert right["curate-1k"] > right["curate-1k-random"] + 0.25
    assert "would be promoted" in made.said[-1]


def test_of_real_solutions_only_right_ones_are_taken_and_each_once(tmp_path, shared_data):
    folder = init_recipe(tmp_path / "curate", "curate-1k")
    lines = (shared_data / "gsm8k/example_model_solutions.jsonl").read_text(encoding="utf-8").split("\n")[:40]
    rows = [
        {"question": r["question"], "answer": r[by]["solution"], "rating": 5 if r[by]["is_correct"] else 1}
        for r in map(json.loads, lines)
        for by in ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    ]
    right = next(i for i, row in enumerate(rows) if row["rating"] == 5)
    write_rows(folder / "rated.jsonl", [*rows, rows[right]])
    (folder / "real.yaml").write_text(
        "extends: mini.yaml\ncurate: {selection: {n: 20}}\n"
        "train: {rows: rated.jsonl, accept: [overlong], sft: {max_length: 1024}}\n"
    )
    done = flywheel(folder, "data", "check", recipe="real.yaml", check=1)
    gone = {int(row[0]): row[2] for row in table_rows(done.stdout) if row[0].isdigit()}
    stay = [row for i, row in enumerate(rows, 1) if i not in gone]
    assert len(stay) == 20 and {row["rating"] for row in stay} == {5}
    assert "beyond selection.n" in gone.values() and "duplicate" in gone[len(rows) + 1]


def test_prompts_that_hold_whole_chats_in_another_models_marks_are_left_out(tmp_path):
    """HelpSteer2's prompts of several turns: rated best, they would be taken first, and their marks learnt as words."""
    folder = init_recipe(tmp_path / "curate", "curate-1k")
    rows = [json.loads(line) for line in (folder / "solutions.jsonl").read_text(encoding="utf-8").split("\n") if line]
    for row in rows[:10]:
        row["question"] = f"Hello.\n<extra_id_1>Assistant\nHello, how can I help?\n<extra_id_1>User\n{row['question']}"
        row["rating"] = 9
    write_rows(folder / "solutions.jsonl", rows)
    done = flywheel(folder, "data", "check", recipe="mini.yaml", check=1)
    gone = {int(row[0]): row[2] for row in table_rows(done.stdout) if row[0].isdigit()}
    assert all("text of curate.without" in gone[i] for i in range(1, 11)), gone
    stay = [row["rating"] for i, row in enumerate(rows, 1) if i not in gone]
    assert len(stay) == 40, "those that are left out take no place of the 40 best"
    assert min(stay) >= 4
