"""curriculum: stories and exercises made at levels by a teacher; stages against shuffled rows, ruled on by the gate."""

import json

import pytest
from support import run_cli, sql
from support_recipes import flywheel, init_recipe

pytestmark = pytest.mark.recipes


def test_stages_are_trained_and_the_gate_rules_on_them_against_shuffled_rows(miniature):
    made = miniature("curriculum", page=True, lacks="flywheel import FILE")
    assert made.rows == {"sft/rows": 240} and made.drops == {}
    logs = sql(
        made.folder,
        "select r.name, c.config ->> '$.curriculum' as stages, count(l.loss) as steps from checkpoints c join runs r using (run_id) join train_log l using (checkpoint_id) where l.loss is not null group by all",
    )  # fmt: skip
    staged, shuffled = sorted(logs, key=lambda row: row["name"])
    assert len(json.loads(staged["stages"])) == 3 and not shuffled["stages"]
    assert (staged["steps"], shuffled["steps"]) == (6 + 10 + 15, 30)  # 41, 80 and 120 rows; 240
    heldout = sql(
        made.folder,
        "select score from scores join checkpoints using (checkpoint_id) where suite = 'heldout' and metric = 'loss' order by stage = 'seed' desc",
    )
    assert len(heldout) == 3 and all(row["score"] < heldout[0]["score"] for row in heldout[1:])
    assert "against" in made.said[-1] and ("would be promoted" in made.said[-1] or "would be kept out" in made.said[-1])
    scored = sql(
        made.folder, "select count(*) as n from scores where suite = 'problems' and metric = 'exact_match,strict-match'"
    )
    assert scored == [{"n": 3}]


def test_a_teacher_makes_stories_sections_and_exercises_and_what_breaks_its_level_is_dropped(tmp_path, endpoint, none):
    folder = init_recipe(tmp_path / "curriculum", "curriculum")
    run_cli(folder, "import", str(folder / "words.jsonl"), "--map", "prompt=task", "--yes", check=0)
    env = endpoint(none).env
    (folder / "made.yaml").write_text("extends: recipe.yaml\nmodel: seed\n")
    assert "stories" in flywheel(folder, "run", "--dry-run", recipe="made.yaml", env=env).stdout
    flywheel(folder, "generate", recipe="made.yaml", env=env)
    rows = {
        row["step"]: row["n"]
        for row in sql(folder, "select step, count(*) as n from samples where step <> 'import' group by 1")
    }
    drops = {
        row["reason"]: row["n"]
        for row in sql(folder, "select reason, sum(n)::int as n from drops where step = 'stories/items' group by 1")
    }
    assert rows["sections"] == 12 and rows["exercises"] == 36
    assert (
        set(drops) == {"a word is left out", "too hard for its level"} and rows["stories"] + sum(drops.values()) == 24
    )
    wrong = "select sum(n)::int as n from drops where reason = 'solution ends at another answer'"
    assert sql(folder, wrong) == [{"n": 12}]
    for row in sql(
        folder, "select completion, fields ->> '$.level' as level, prompt from samples where step = 'stories'"
    ):
        words = json.loads(row["prompt"])[-1]["content"].partition("words ")[2].rstrip(".").split(", ")
        assert all(word in row["completion"] for word in words) and row["level"] in "123"


def test_real_problems_are_trained_on_in_stages_by_their_length(miniature, shared_data):
    source = shared_data / "gsm8k/train.jsonl"

    def prepare(folder):
        (folder / "gsm8k.jsonl").write_bytes(source.read_bytes())
        (folder / "real.yaml").write_text(
            "extends: mini.yaml\ntrain:\n  rows: gsm8k.jsonl[0:24]\n  heldout: gsm8k.jsonl[100:108]\n"
            "  columns: {prompt: question, completion: answer}\n  curriculum_by: length\n  sft: {max_length: 320}\n"
        )

    made = miniature(
        "curriculum", prepare=prepare, variant="real.yaml", commands=["train"], lacks="flywheel import FILE"
    )
    dropped = sum(n for reason, n in made.drops.items() if reason.startswith("sft/preflight: overlong"))
    assert made.rows == {"sft/rows": 24} and 0 < dropped < 20
    (trained,) = sql(made.folder, "select metrics, config from checkpoints where stage = 'sft'")
    assert json.loads(trained["metrics"])["n_rows"] == 24 - dropped
    assert len(json.loads(trained["config"])["curriculum"]) == 3
    (heldout,) = [s for s in made.scores if (s["suite"], s["metric"]) == ("heldout", "loss")]
    assert heldout["after"] < heldout["before"]
