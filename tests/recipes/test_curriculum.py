"""curriculum: stories and exercises made at levels by a teacher; stages against shuffled rows, ruled on by the gate."""

import json

import pytest
from support import run_cli, sql
from support_recipes import commands_of, read_rows, run_command

pytestmark = pytest.mark.recipes
PAGE = [line.removeprefix("flywheel ") for line in commands_of("curriculum")[1:]]
COUNTS = "select step, count(*) as n from samples where step in ('stories', 'sections', 'exercises') group by 1"
DROPPED = "select reason, sum(n)::int as n from drops where step = 'stories/items' group by 1"
TRAINED = """
    select r.name, c.config ->> '$.curriculum' as stages, (c.metrics ->> '$.n_rows')::int as n_rows,
           list(l.loss order by l.step) as losses, count(*) as steps
    from checkpoints c join runs r using (run_id) join train_log l using (checkpoint_id) where l.loss is not null group by all
"""


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


MADE = """
extends: recipe.yaml
model: seed
train:
  sft: {learning_rate: 1.0e-3, max_length: 512, logging_steps: 1, num_train_epochs: 3}
  curriculum: [{rows: [0.0, 0.34]}, {rows: [0.0, 0.67]}, {rows: [0.0, 1.0], args: {learning_rate: 5.0e-4}}]
suites:
  - {name: problems, task: word-problems, gate: "gate.jsonl[0:12]", max_gen_toks: 48}
"""
"""The recipe itself, but for the student and its size."""


def test_what_a_teacher_makes_at_three_levels_is_what_the_stages_train_on(tmp_path, endpoint, none):
    """The commands that ``flywheel init`` names, as far as the staged training; the others are those of the page's miniature."""
    said = run_cli(tmp_path / "curriculum", "init", "--recipe", "curriculum", check=0).stderr
    folder, env = tmp_path / "curriculum", endpoint(none, models="Qwen/Qwen3-30B-A3B-Instruct-2507").env
    commands = said.partition(f"Now: in {folder}: flywheel ")[2].strip().split(", then flywheel ")
    assert [c.split()[0] for c in commands] == [
        "import",
        "generate",
        "export",
        "train",
        "train",
        "eval",
        "eval",
        "gate",
    ]
    assert commands[4:] == [c.replace("mini-", "").replace(" --recipe mini.yaml", "") for c in PAGE[1:]]
    (folder / "made.yaml").write_text(MADE)
    for command in (*commands[:3], "train --recipe made.yaml"):
        run_command(folder, f"flywheel {command}", env)

    rows = {row["step"]: row["n"] for row in sql(folder, COUNTS)}
    assert rows["sections"] == 12 and rows["exercises"] == 36
    drops = {row["reason"]: row["n"] for row in sql(folder, DROPPED)}
    assert set(drops) == {"a word is left out", "too long for its level", "words beyond its level"}
    assert rows["stories"] + sum(drops.values()) == 24
    wrong = "select sum(n)::int as n from drops where reason = 'solution ends at another answer'"
    assert sql(folder, wrong) == [{"n": 12}]

    written = read_rows(folder / "made.jsonl")
    assert len(written) == sum(rows.values()) and {row["level"] for row in written} == {1, 2, 3}
    levels = {row["words"]: row["level"] for row in read_rows(folder / "words.jsonl")}
    stories = [row for row in written if row["prompt"][-1]["content"].startswith("Tell a story")]
    for row in stories:
        words = row["prompt"][-1]["content"].partition("words ")[2].rstrip(".")
        assert row["level"] == levels[words]
        assert all(word in row["completion"][0]["content"] for word in words.split(", "))
        assert row["level"] == 3 or "ineffable" not in row["completion"][0]["content"]
    assert len(stories) == rows["stories"]

    (trained,) = sql(folder, TRAINED)
    gone = sql(folder, "select sum(n)::int as n from drops where starts_with(step, 'sft/')")[0]["n"]
    assert len(json.loads(trained["stages"])) == 3 and trained["n_rows"] == len(written) - gone > 40
    n = trained["n_rows"]
    assert abs(trained["steps"] - 3 * sum(-(-round(share * n) // 8) for share in (0.34, 0.67, 1.0))) <= 3, (
        "three epochs a stage of eight a step"
    )
    losses = trained["losses"]
    assert sum(losses[-6:]) / 6 < 0.5 * losses[0], "the last epoch: the loss of one step hangs on its rows"


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
