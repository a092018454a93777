"""``distill``: a teacher at an endpoint that errs now and then, its score, a student that comes near it, and what a point cost."""

import pytest
from support import HERE, refused, run_cli, sql
from support_recipes import flywheel, init_recipe

pytestmark = [pytest.mark.slow, pytest.mark.recipes]

RECIPE = HERE.parent / "recipes" / "distill"
COST_PER_POINT = (
    (HERE.parent / "docs" / "cookbook" / "distill.md").read_text().partition("```sql\n")[2].partition("```")[0]
)

TEACHER = """
    SELECT split, score, n FROM scores JOIN checkpoints USING (checkpoint_id)
    WHERE stage = 'endpoint' AND metric = 'exact_match,strict-match'
"""


def test_the_student_learns_what_the_teacher_has_right(miniature, tmp_path, endpoint):
    lines = [
        line for name in ("problems", "suite") for line in (RECIPE / "mini" / f"{name}.jsonl").read_text().splitlines()
    ]
    (tmp_path / "known.jsonl").write_text("\n".join(lines))
    env = endpoint(tmp_path / "known.jsonl", right=0.85, models="gpt-4.1-mini").env
    made = miniature("distill", page=True, env=env)
    assert made.rows["solve"] == 160
    (said,) = sql(
        made.folder, "select count(*) filter (passed) as right, count(*) filter (not passed) as wrong from verdicts"
    )
    assert said["right"] > 110 and said["wrong"] > 10
    trained = sql(
        made.folder, "select bool_and(v.passed) as passed from snapshot_rows join verdicts v using (sample_id)"
    )
    assert trained == [{"passed": True}]
    before, after, n = made.score("words")
    assert n == 80 and after > before + 0.2 and made.decisions[0]["promoted"]

    teacher = {(r["split"], r["n"]): r["score"] for r in sql(made.folder, TEACHER)}
    assert set(teacher) == {("gate", 80), ("report", 30)} and 0.7 < teacher["gate", 80] < 0.98
    assert after >= teacher["gate", 80], "the student reached its teacher: see the scripted share of right answers"
    (stopped,) = [line for said in made.said for line in said.splitlines() if "not begun" in line]
    assert stopped.startswith("[2] not begun: the champion scores ") and "gpt-4.1-mini at the endpoint" in stopped
    assert "on the same 80 items" in stopped and stopped.endswith("stop.target = endpoint")
    assert sql(made.folder, "select count(*) as n from iterations where finished_at is not null") == [{"n": 1}]

    (compared,) = sql(
        made.folder,
        "select n, won, lost, before, after from comparisons where split = 'gate' and metric = 'exact_match,strict-match'",
    )
    assert (compared["n"], compared["before"], compared["after"]) == (80, after, teacher["gate", 80])
    assert compared["won"] - compared["lost"] == round(80 * (teacher["gate", 80] - after))
    assert f"({compared['lost']} won, {compared['won']} lost)" in stopped
    (cost,) = sql(made.folder, COST_PER_POINT.replace("gsm8k", "words").replace("flexible-extract", "strict-match"))
    scored = sql(made.folder, "select count(*) as n from requests where step = 'eval' and engine = 'openai'")
    assert scored[0]["n"] == 110, "the teacher's own scoring is paid for"
    asked = sql(
        made.folder,
        "select sum(prompt_tokens) as p, sum(completion_tokens) as c from requests where step in ('solve', 'eval') and engine = 'openai'",
    )
    assert cost["usd"] == pytest.approx((asked[0]["p"] * 0.40 + asked[0]["c"] * 1.60) / 1e6)
    assert cost["split"] == "report" and cost["points"] > 20
    assert cost["usd_per_point"] == pytest.approx(cost["usd"] / cost["points"], rel=1e-3)


def test_without_the_teachers_score_a_run_does_not_begin(tmp_path, endpoint):
    """The target is read, not guessed: neither a run without it, nor one of another suite, begins."""
    folder = init_recipe(tmp_path / "p", "distill")
    env = endpoint(RECIPE / "mini" / "suite.jsonl", models="gpt-4.1-mini").env
    told = flywheel(folder, "run", "--dry-run", env=env).stdout
    assert "the endpoint's score here is the target: flywheel eval --engine openai before the run" in " ".join(
        told.split()
    )
    refused(
        run_cli(folder, "run", "--recipe", str(folder / "mini.yaml"), env=env),
        "stop.target: endpoint",
        "flywheel eval --engine openai",
    )
    assert sql(folder, "select 1 from scores") == []
    (folder / "few.yaml").write_text(
        "extends: mini.yaml\nsuites:\n  - {name: words, task: word-problems, gate: 'mini/suite.jsonl[0:5]', max_gen_toks: 80}\n"
    )
    flywheel(folder, "eval", "--engine", "openai", recipe="few.yaml", env=env)
    refused(run_cli(folder, "run", "--recipe", str(folder / "mini.yaml"), env=env), "words/gate, as the suite is now")


@pytest.mark.parametrize("target", ["'1.5'", "teacher", "-1"])
def test_a_target_is_a_score_or_the_endpoint(tmp_path, target):
    folder = init_recipe(tmp_path / "p", "distill")
    (folder / "odd.yaml").write_text(f"extends: mini.yaml\nstop: {{target: {target}}}\n")
    refused(run_cli(folder, "run", "--dry-run", "--recipe", str(folder / "odd.yaml")), "stop.target")
