"""The wheel's own steps, drawn through the flow, as a user meets them: the real command, a scripted endpoint."""

import signal
import time

import duckdb
import pytest
from support import MINI, change, make_mini_project, refused, run_cli, sql, start_cli, wait_for

pytestmark = pytest.mark.slow

ENGINE = {"kind": "openai", "concurrency": 4, "patience_s": 0}
SOLVE = {"draws": 2, "problems": 60, "max_tokens": 64}


def make_project(folder, **changes):
    return make_mini_project(folder, **{"engine": ENGINE, "solve": SOLVE, "iterations": 1, **changes})


def wait_for_line(run, words):
    while words not in (line := run.stderr.readline()):
        assert line, f"the run ended without: {words}"


def solved(folder):
    (row,) = sql(folder, "select entered, kept, dropped, reason from funnel where step = 'solve'")
    return row


def test_a_budget_stops_the_step_cleanly_and_a_higher_one_goes_on(tmp_path, endpoint):
    folder = make_project(tmp_path / "p", budget={"requests": 25})
    server = endpoint(folder / "problems.jsonl")
    done = run_cli(folder, "generate", env=server.env, check=1)
    assert "Stopped early: budget.requests = 25 is spent" in done.stdout
    assert len(server.answered()) == 25
    assert solved(folder) == {"entered": 120, "kept": 50, "dropped": 0, "reason": None}
    refused(run_cli(folder, "train"), "35 of 60 inputs of step 'solve'")
    change(folder, engine=ENGINE, solve=SOLVE, iterations=1, budget={"requests": 0})
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == len(set(server.answered())) == 60
    assert solved(folder)["kept"] == 120
    assert sql(folder, "select count(*) as n from verdicts") == [{"n": 120}]


def test_a_step_that_an_older_flywheel_left_unfinished_goes_on(tmp_path, endpoint):
    """Its samples name their problem, and not their input."""
    folder = make_project(tmp_path / "p", budget={"requests": 25})
    server = endpoint(folder / "problems.jsonl")
    run_cli(folder, "generate", env=server.env, check=1)
    with duckdb.connect(str(folder / "flywheel.duckdb")) as connection:
        connection.execute("update samples set input_id = null").fetchall()
    change(folder, engine=ENGINE, solve=SOLVE, iterations=1)
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == 60
    assert sql(folder, "select count(*) as n, count(distinct sample_id) as d from samples") == [{"n": 120, "d": 120}]


def test_money_spent_in_one_iteration_counts_in_the_next_command(tmp_path, endpoint):
    prices = {"prompt": 1.0, "completion": 10.0}
    folder = make_project(tmp_path / "p", budget={"usd": 0.01}, prices=prices)
    server = endpoint(folder / "problems.jsonl")
    done = run_cli(folder, "generate", env=server.env, check=1)
    assert "budget.usd = 0.01 is spent" in done.stdout
    sent = len(server.answered())
    assert abs(sent - 0.01 / ((10 * 1.0 + 40 * 10.0) / 1e6)) <= 2
    run_cli(folder, "generate", env=server.env, check=1)
    assert len(server.answered()) == sent


def test_a_run_that_meets_its_budget_ends_and_says_so(tmp_path, endpoint):
    told = {"metrics_file": "m.prom", "hooks": {"fail": "touch failed"}}
    folder = make_project(tmp_path / "p", budget={"requests": 25}, **told)
    server = endpoint(folder / "problems.jsonl")
    done = run_cli(folder, "run", env=server.env)
    refused(done, "stopped: iteration 1, generate", "budget.requests = 25 is spent", code=1)
    assert "error: " not in done.stderr
    assert len(server.answered()) == 25
    figures = (folder / "m.prom").read_text()
    assert 'flywheel_ok{recipe="mini"} 1.0' in figures
    assert 'flywheel_ended{recipe="mini",why="budget"} 1.0' in figures
    assert not (folder / "failed").exists(), "being stopped by a rule is no failure"


@pytest.mark.parametrize(
    ("command", "number", "code"),
    [("generate", signal.SIGINT, 130), ("run", signal.SIGINT, 130), ("run", signal.SIGTERM, 143)],
)
def test_one_signal_finishes_what_is_in_flight_and_saves_it(tmp_path, endpoint, command, number, code):
    folder = make_project(tmp_path / "p", train={**MINI["train"], "min_rows": 500})
    server = endpoint(folder / "problems.jsonl", latency=0.3)
    run = start_cli(folder, command, env=server.env)
    wait_for(lambda: len(server.answered()) >= 8)
    run.send_signal(number)
    out, err = run.communicate(timeout=20)
    assert run.returncode == code, err
    assert "once more to stop now" in err
    assert "The same command goes on" in out or "the same command goes on" in err
    answered = len(server.answered())
    assert sql(folder, "select count(*) as n from requests where step = 'solve'") == [{"n": answered}]
    assert solved(folder)["kept"] == 2 * answered < 120
    quick = endpoint(folder / "problems.jsonl")
    run_cli(folder, command, env=quick.env, check=0)
    assert len(quick.answered()) == 60 - answered
    assert solved(folder)["kept"] == 120


def test_two_signals_stop_at_once(tmp_path, endpoint):
    folder = make_project(tmp_path / "p")
    run = start_cli(folder, "generate", env=endpoint(folder / "problems.jsonl", latency=20).env)
    wait_for_line(run, "solve: started")
    time.sleep(1.0)
    run.send_signal(signal.SIGINT)
    wait_for_line(run, "once more")
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=10)
    assert run.returncode == 130, err


def test_after_a_step_of_draws_sigterm_still_ends_a_training_as_before(tmp_path, endpoint):
    folder = make_project(tmp_path / "p")
    run = start_cli(folder, "run", env=endpoint(folder / "problems.jsonl").env)
    wait_for_line(run, "train sft: started")
    time.sleep(2.0)
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=20)
    assert run.returncode == 143, err
    assert "terminated: everything answered is kept" in err


def test_with_the_embedded_model_one_signal_ends_after_the_batch_under_way(tmp_path):
    folder = make_mini_project(
        tmp_path / "p", engine={"batch_size": 16}, solve={"draws": 4, "problems": 200, "max_tokens": 120}
    )
    run = start_cli(folder, "generate")
    wait_for_line(run, "solve: started")
    time.sleep(2.0)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 130, err
    assert sql(folder, "select count(*) as n from requests where step = 'solve'")[0]["n"] < 200
    run_cli(folder, "generate", check=0)
    assert solved(folder) == {"entered": 800, "kept": 800, "dropped": 0, "reason": None}


def test_a_signal_while_pairs_are_drawn_trains_on_no_half_of_them(tmp_path, endpoint):
    on_policy = {"draws": 4, "problems": 200, "max_tokens": 120}
    folder = make_project(tmp_path / "p", engine={**ENGINE, "batch_size": 16}, on_policy=on_policy)
    server = endpoint(folder / "problems.jsonl")
    run = start_cli(folder, "run", env=server.env)
    wait_for_line(run, "on-policy: started")
    time.sleep(1.5)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 130, err
    assert "train dpo" not in err
    begun = sql(folder, "select count(*) as n from requests where step = 'on-policy'")[0]["n"]
    assert begun < 200
    assert sql(folder, "select count(*) as n from pairs") == [{"n": 0}]
    run_cli(folder, "run", env=server.env, check=0)
    assert sql(folder, "select entered, kept from funnel where step = 'on-policy'") == [{"entered": 800, "kept": 800}]
    assert len(server.answered()) == 60


def test_faults_end_as_completions_or_as_drops_that_can_be_done_over(tmp_path, endpoint):
    engine = {**ENGINE, "max_attempts": 1}
    folder = make_project(tmp_path / "p", engine=engine)
    server = endpoint(folder / "problems.jsonl", faults="429=0.2,500=0.1,malformed=0.1")
    run_cli(folder, "generate", env=server.env, check=0)
    row = solved(folder)
    assert row["entered"] == row["kept"] + row["dropped"] == 120
    assert "HTTP 500" in row["reason"]
    assert "429" not in row["reason"]
    failed = row["dropped"] // 2
    sound = endpoint(folder / "problems.jsonl")
    run_cli(folder, "generate", "--retry", "failed", env=sound.env, check=0)
    assert len(sound.answered()) == failed
    assert solved(folder)["kept"] == 120
    assert sql(folder, "select count(*) as n from verdicts join samples using (sample_id)") == [{"n": 120}]
    assert sql(folder, "select count(*) as n from retired where tbl = 'drops'") == [{"n": failed}]


def test_answers_that_met_the_limit_of_tokens_are_done_over_and_judged_anew(tmp_path, endpoint):
    folder = make_project(tmp_path / "p")
    run_cli(folder, "generate", env=endpoint(folder / "problems.jsonl", faults="length=0.3").env, check=0)
    cut = "select count(distinct request_id) as n from samples where finish_reason = 'length'"
    before = sql(folder, cut)[0]["n"]
    assert before > 0
    server = endpoint(folder / "problems.jsonl")
    run_cli(folder, "generate", "--retry", "truncated", "--max-tokens", "512", env=server.env, check=0)
    assert sql(folder, cut) == [{"n": 0}]
    assert len(server.answered()) == before
    assert solved(folder)["kept"] == 120
    assert sql(folder, "select count(*) as n from verdicts") == [{"n": 120}], (
        "those of retired completions go with them"
    )
    run_cli(folder, "train", check=0)


def test_completions_that_a_request_falls_short_of_are_one_drop_with_their_number(tmp_path, endpoint):
    folder = make_project(tmp_path / "p", engine={**ENGINE, "max_attempts": 1}, solve={**SOLVE, "draws": 4})
    server = endpoint(folder / "problems.jsonl", max_choices=1, faults="500=0.2")
    run_cli(folder, "generate", env=server.env, check=0)
    row = solved(folder)
    assert row["entered"] == row["kept"] + row["dropped"] == 240
    drops = sql(
        folder, "select reason, n, (select count(*) from samples s where s.input_id = d.input_id) as kept from drops d"
    )
    assert {d["reason"] for d in drops} == {"HTTP 500"}
    assert all(d["n"] + d["kept"] == 4 for d in drops)
    assert {1, 4} <= {d["n"] for d in drops}


def test_a_problem_that_comes_up_again_is_asked_anew(tmp_path, endpoint):
    folder = make_project(
        tmp_path / "p", iterations=2, solve={**SOLVE, "problems": 200}, train={**MINI["train"], "min_rows": 5000}
    )
    server = endpoint(folder / "problems.jsonl")
    run_cli(folder, "run", env=server.env, check=0)
    assert sql(
        folder,
        """
        select count(*) as n, count(distinct request_id) as requests, count(distinct input_id) as problems,
               count(distinct sampling ->> 'seed') as seeds from requests where step = 'solve'
        """,
    ) == [{"n": 400, "requests": 400, "problems": 200, "seeds": 400}]  # fmt: skip


def test_a_dry_run_shows_the_problems_prompts_and_asks_nothing(tmp_path, endpoint):
    folder = make_project(tmp_path / "p", prices={"prompt": 1.0, "completion": 10.0})
    server = endpoint(folder / "problems.jsonl")
    shown = run_cli(folder, "generate", "--dry-run", env=server.env, check=0).stdout
    assert "── solve: prb_" in shown
    assert "7,680" in shown or "7680" in shown, "60 requests of 2 completions of 64 tokens at most"
    assert server.answered() == []


def test_a_step_of_the_recipe_may_not_take_the_name_of_the_wheels_own(tmp_path):
    steps = [{"step": "solve", "generator": "solve", "source": "problems"}]
    folder = make_project(tmp_path / "p", generate=steps)
    refused(run_cli(folder, "generate"), "step 'solve'", "a name that is taken")
