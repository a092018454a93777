"""More chunks than are planned before the first question: the plan grows while answers come."""

from flywheel.gen._planning import FIRST_WINDOW
from support import refused, run_cli, sql
from support_flow import STEPS, add_up, make_flow_project, write_recipe

N = FIRST_WINDOW + 60
LATE = f"chunk_id >= 'chk_{FIRST_WINDOW:024d}'"


def test_every_input_behind_the_first_window_is_planned_and_asked_once(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=N, engine={"concurrency": 64}, budget={"requests": 300})
    server = endpoint(none)
    run_cli(folder, "generate", env=server.env, check=1)
    assert sql(folder, "select count(*) as n from requests") == [{"n": 300}]
    write_recipe(folder, STEPS, {"concurrency": 64})
    run_cli(folder, "generate", env=server.env, check=0)
    rows = add_up(folder)
    assert rows["notes"]["entered"] == N
    (plan,) = sql(folder, "select count(*) as n, count(distinct input_id) as ids from plans where step = 'notes'")
    assert plan == {"n": N, "ids": N}
    (asked,) = sql(folder, "select count(*) as n, count(distinct input_id) as ids from requests where step = 'notes'")
    assert asked == {"n": N, "ids": N}


def test_where_and_limit_count_over_all_windows(tmp_path, endpoint, none):
    steps = [{"step": "few", "generator": "own.py:note", "where": LATE, "limit": 25}]
    folder = make_flow_project(tmp_path / "p", n=N, steps=steps)
    run_cli(folder, "generate", env=endpoint(none).env, check=0)
    (plan,) = sql(
        folder, "select count(*) as n, min(input_id) as first, max(input_id) as last from plans where step = 'few'"
    )
    assert plan == {"n": 25, "first": f"chk_{FIRST_WINDOW:024d}", "last": f"chk_{FIRST_WINDOW + 24:024d}"}


def test_dry_run_counts_all_windows(tmp_path):
    folder = make_flow_project(tmp_path / "p", n=N, steps=STEPS[:1])
    assert f" {N} " in run_cli(folder, "generate", "--dry-run", check=0).stdout.replace(",", "")


def test_a_condition_that_fails_on_a_later_row_stops_the_run_and_keeps_what_was_answered(tmp_path, endpoint, none):
    where = f"CASE WHEN {LATE} THEN error('not this row') ELSE chunk_id < 'chk_{20:024d}' END"
    folder = make_flow_project(tmp_path / "p", n=N, steps=[{"step": "few", "generator": "own.py:note", "where": where}])
    server = endpoint(none, latency=0.2)
    refused(run_cli(folder, "generate", env=server.env), "step 'few'", "not this row")
    kept = sql(folder, "select count(*) as n from requests")[0]["n"]
    assert kept == len(server.answered()), "what was in flight when the fault came up is waited for, and can be read"
    write_recipe(folder, [{"step": "few", "generator": "own.py:note", "where": f"chunk_id < 'chk_{20:024d}'"}])
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == len(set(server.answered())) == 20
