"""``distill``: a teacher at an endpoint that errs now and then, its score, a student that comes near it, and what a point cost."""

import pytest
from support import HERE, run_cli, sql

pytestmark = [pytest.mark.slow, pytest.mark.recipes]

RECIPE = HERE.parent / "recipes" / "distill"
COST_PER_POINT = (
    (HERE.parent / "docs" / "cookbook" / "distill.md").read_text().partition("```sql\n")[2].partition("```")[0]
)


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

    mini = ("--recipe", str(tmp_path / "distill" / "mini.yaml"))
    shown = run_cli(made.folder, "eval", *mini, "--engine", "openai", env=env, check=0).stdout
    assert "words" in shown
    compared = run_cli(made.folder, "eval", *mini, "--compare", "champion", "endpoint", env=env, check=0).stdout
    assert "words" in compared
    (cost,) = sql(made.folder, COST_PER_POINT.replace("gsm8k", "words").replace("flexible-extract", "strict-match"))
    assert (
        cost["usd"] > 0
        and cost["points"] > 20
        and cost["usd_per_point"] == pytest.approx(cost["usd"] / cost["points"], rel=1e-3)
    )
