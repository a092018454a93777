"""``self-improve``: respond, criticise, improve, under a judge that earned its place; improved over original; the watch looks on."""

import json

import pytest
import yaml
from support import HERE, run_cli, sql

pytestmark = [pytest.mark.slow, pytest.mark.recipes]

RECIPE = HERE.parent / "recipes" / "self-improve"


def read_rows(name):
    return [json.loads(line) for line in (RECIPE / "mini" / name).read_text().splitlines()]


@pytest.fixture
def judge(tmp_path, endpoint):
    """A judge that knows how the answers end, and misjudges one in sixteen."""
    known = {r["question"]: r["solution"] for r in read_rows("problems.jsonl")}
    known |= {r["question"]: r["completion"] for r in read_rows("labels.jsonl") if r["label"] == "pass"}
    (tmp_path / "known.jsonl").write_text(
        "".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in known.items())
    )
    return endpoint(tmp_path / "known.jsonl", models="judge")


def test_improved_answers_train_the_next_model(miniature, judge):
    made = miniature("self-improve", page=True, env=judge.env)
    assert made.rows["responded"] == 130 and made.rows["improved"] >= 2 * 6
    assert made.drops["improved: nothing to revise"] > 0
    (calibration,) = sql(made.folder, "select met, n from calibrations")
    assert calibration["met"] and calibration["n"] >= 50
    assert made.pairs["revised/original"] >= 6 and made.pairs["higher/lower"] >= 1
    (right,) = sql(
        made.folder,
        "with ends as (select s.sample_id, split_part(s.completion, '#### ', 2) = split_part(p.solution, '#### ', 2) as ok "
        "from samples s join problems p using (problem_id)) select avg(c.ok::int)::double as chosen, avg(r.ok::int)::double as rejected "
        "from pairs x join ends c on c.sample_id = x.chosen_sample_id join ends r on r.sample_id = x.rejected_sample_id where x.kind = 'revised/original'",
    )
    assert right["chosen"] > right["rejected"] + 0.5
    failed = sql(
        made.folder,
        "select count(*) as n from snapshots n join snapshot_rows using (snapshot_id) join verdicts v using (sample_id) where n.stage = 'sft' and not v.passed",
    )
    assert failed == [{"n": 0}]
    before, after, n = made.score("words")
    assert n == 120 and after > before - 0.05
    first, last = made.losses[0][1:]
    assert last < first
    assert made.decisions[0]["stage"] == "sft"
    assert {m["step"] for m in sql(made.folder, "select step from iteration_measures")} >= {"responded", "improved"}


def test_a_judge_that_disagrees_with_people_judges_nothing(tmp_path, judge):
    folder = tmp_path / "p"
    run_cli(folder, "init", "--recipe", "self-improve", check=0)
    labels = [json.loads(line) for line in (folder / "mini" / "labels.jsonl").read_text().splitlines()]
    turned = [{**r, "label": "fail" if r["label"] == "pass" else "pass"} for r in labels]
    (folder / "mini" / "labels.jsonl").write_text("".join(json.dumps(r) + "\n" for r in turned))
    recipe = yaml.safe_load((folder / "mini.yaml").read_text())
    recipe["generate"][0]["limit"] = 20
    (folder / "mini.yaml").write_text(yaml.safe_dump(recipe))
    done = run_cli(folder, "generate", "--recipe", str(folder / "mini.yaml"), env=judge.env, check=2)
    assert "accuracy" in done.stderr and "quality" in done.stderr
    assert sql(folder, "select count(*) as n from verdicts join samples using (sample_id) where step = 'improved'") == [
        {"n": 0}
    ]
