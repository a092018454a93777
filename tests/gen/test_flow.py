"""``flywheel generate`` over steps, as a user meets it: the real command, a scripted endpoint on a real socket."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support import FakeEndpoint, make_mini_project, run_cli, sql
from support_flow import STEPS, add_chunks, make_flow_project, write_recipe

ONE = STEPS[:1]


@pytest.fixture
def none(tmp_path):
    (tmp_path / "no-problems.jsonl").write_text("")
    return tmp_path / "no-problems.jsonl"


def funnel(folder):
    return {r["step"]: r for r in sql(folder, "select step, entered, kept, dropped, reason from funnel")}


def add_up(folder):
    rows = funnel(folder)
    assert all(r["entered"] == r["kept"] + r["dropped"] for r in rows.values()), rows
    return rows


def start(folder, env, *args):
    return subprocess.Popen(
        [sys.executable, "-m", "flywheel", "-C", str(folder), "generate", *args],
        env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def test_rows_flow_through_both_steps_and_each_can_be_walked_back_to_its_chunk(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p")
    run_cli(folder, "generate", env=endpoint(none).env, check=0)
    rows = add_up(folder)
    assert rows["notes"]["entered"] == 40
    assert rows["notes/items"]["entered"] == 80 - rows["notes"]["dropped"] * 2 or rows["notes"]["dropped"]
    assert rows["better"]["entered"] == rows["notes/items"]["kept"]
    walked = sql(
        folder,
        """
        select count(*) as n, count(distinct c.chunk_id) as chunks from pairs p
        join samples b on b.sample_id = p.chosen_sample_id and b.step = 'better'
        join samples n on n.sample_id = b.input_id and n.step = 'notes'
        join chunks c on c.chunk_id = n.input_id
        join requests r on r.request_id = n.request_id join templates t on t.template_id = r.template_id
        where t.name = 'note' and contains(r.messages::varchar, c.text) and p.kind = 'polished/note'
        """,
    )
    assert walked[0]["n"] == rows["better/items"]["kept"] > 20
    (dpo,) = sql(folder, "select prompt, chosen, rejected from dpo limit 1")
    assert "Passage" in json.dumps(dpo["prompt"])


def test_the_same_command_again_asks_nothing(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=10)
    server = endpoint(none)
    run_cli(folder, "generate", env=server.env, check=0)
    sent, rows = len(server.answered()), sql(folder, "select sample_id from samples order by all")
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == sent
    assert sql(folder, "select sample_id from samples order by all") == rows


def test_new_chunks_are_the_only_new_work(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=10, steps=ONE)
    server = endpoint(none)
    run_cli(folder, "generate", env=server.env, check=0)
    add_chunks(folder, range(5, 15), version=2)
    sent = len(server.answered())
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == sent + 5
    assert add_up(folder)["notes"]["entered"] == 15


def test_equal_requests_are_answered_from_the_store_across_runs(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=12)
    server = endpoint(none)
    run_cli(folder, "generate", env=server.env, check=0)
    sent = len(server.answered())
    write_recipe(folder, [*STEPS, {"step": "again", "generator": "own.py:note", "source": "better"}])
    done = run_cli(folder, "generate", env=server.env, check=0)
    assert "answers from the store" in done.stderr
    (counts,) = sql(folder, "select count(*) as n, count(distinct run_id) as runs from samples where step <> 'again'")
    assert counts["runs"] == 2
    again = sql(folder, "select count(*) as n from requests where step = 'again'")[0]["n"]
    assert len(server.answered()) == sent + again


def test_faults_end_as_rows_or_as_drops_with_their_reason(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=120, steps=ONE, engine={"max_attempts": 3})
    server = endpoint(none, faults="429=0.05,500=0.1,reset=0.05,malformed=0.1,400=0.03")
    run_cli(folder, "generate", env=server.env, check=0)
    rows = add_up(folder)
    assert rows["notes"]["entered"] == 120
    (made,) = sql(folder, "select count(distinct input_id) as n from samples")
    assert made["n"] >= 100
    reasons = {r["reason"] for r in sql(folder, "select distinct reason from drops where step = 'notes'")}
    assert "HTTP 400" in reasons


def test_the_last_request_may_fail_for_good(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=3, engine={"max_attempts": 1, "patience_s": 600})
    done = run_cli(folder, "generate", env=endpoint(none, faults="500=1").env, check=0, timeout=60)
    assert "3 drops" in done.stderr
    assert add_up(folder)["notes"]["dropped"] == 3


def test_a_generators_bug_costs_the_item_and_says_so(tmp_path, endpoint, none):
    steps = [{**ONE[0], "options": {"fail_on": "Passage 3 "}}]
    folder = make_flow_project(tmp_path / "p", n=8, steps=steps)
    run_cli(folder, "generate", env=endpoint(none).env, check=0)
    (drop,) = sql(folder, "select reason, input_id from drops where step = 'notes' and reason like '%bug%'")
    assert drop["reason"] == "ValueError in generator note: this generator has a bug"
    assert add_up(folder)["notes"]["entered"] == 8


def test_a_budget_stops_cleanly_and_a_higher_one_goes_on(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=40, steps=ONE, budget={"requests": 15})
    server = endpoint(none)
    done = run_cli(folder, "generate", env=server.env, check=0)
    assert "budget.requests = 15 is spent" in done.stdout
    assert len(server.answered()) == 15
    assert sql(folder, "select count(distinct request_id) as n from requests")[0]["n"] == 15
    write_recipe(folder, ONE)
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == 40
    assert add_up(folder)["notes"]["entered"] == 40


def test_money_is_counted_by_the_price_table(tmp_path, endpoint, none):
    folder = make_flow_project(
        tmp_path / "p", n=200, steps=ONE, budget={"usd": 0.01}, prices={"prompt": 1.0, "completion": 10.0}
    )
    server = endpoint(none)
    done = run_cli(folder, "generate", env=server.env, check=0)
    assert "budget.usd = 0.01 is spent" in done.stdout
    each = (10 * 1.0 + 40 * 10.0) / 1e6
    assert 0.01 / each - 2 <= len(server.answered()) <= 0.01 / each + 2


def test_a_dry_run_shows_prompts_and_asks_nothing(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=40, prices={"prompt": 1.0, "completion": 10.0})
    server = endpoint(none)
    shown = run_cli(folder, "generate", "--dry-run", env=server.env, check=0).stdout
    assert "Note: Passage 0 with {{braces}} in it." in shown
    assert "at most" in shown
    assert server.answered() == []
    run_cli(folder, "generate", env=server.env, check=0)
    assert "requests on record" in run_cli(folder, "generate", "--dry-run", env=server.env, check=0).stdout


def test_failed_rows_are_retried_alone(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=60, steps=ONE, engine={"max_attempts": 1})
    run_cli(folder, "generate", env=endpoint(none, faults="500=0.15").env, check=0)
    (failed,) = sql(folder, "select count(*) as n from drops where reason = 'HTTP 500'")
    assert failed["n"] > 0
    server = endpoint(none)
    run_cli(folder, "generate", "--retry", "failed", env=server.env, check=0)
    assert len(server.answered()) == failed["n"]
    assert sql(folder, "select count(*) as n from drops where reason = 'HTTP 500'") == [{"n": 0}]
    assert sql(folder, "select count(*) as n from retired where tbl = 'drops'")[0]["n"] == failed["n"]
    assert add_up(folder)["notes"]["entered"] == 60
    done = run_cli(folder, "generate", "--retry", "failed", env=server.env, check=2)
    assert "received: none" in done.stderr


def test_truncated_rows_are_retried_with_more_tokens(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=40, steps=ONE)
    run_cli(folder, "generate", env=endpoint(none, faults="length=0.3").env, check=0)
    cut = "select count(distinct request_id) as n from samples where finish_reason = 'length'"
    before = sql(folder, cut)[0]["n"]
    assert before > 0
    run_cli(folder, "generate", "--retry", "truncated", env=endpoint(none).env, check=2)
    server = endpoint(none)
    run_cli(folder, "generate", "--retry", "truncated", "--max-tokens", "4096", env=server.env, check=0)
    assert sql(folder, cut) == [{"n": 0}]
    assert before <= len(server.answered()) <= before + 10
    assert add_up(folder)["notes"]["entered"] == 40


def test_an_endpoint_that_goes_away_is_waited_for(tmp_path, none):
    folder = make_flow_project(tmp_path / "p", n=80, steps=ONE, engine={"patience_s": 60})
    first = FakeEndpoint(tmp_path / "first", none, latency=0.1)
    run = start(folder, first.env)
    wait_for(lambda: len(first.answered()) > 15)
    first.stop()
    time.sleep(1.0)
    second = FakeEndpoint(tmp_path / "second", none, port=first.url.split(":")[2].split("/")[0])
    _, err = run.communicate(timeout=60)
    second.stop()
    assert run.returncode == 0, err
    assert "waiting for it" in err
    assert "answers again" in err
    assert add_up(folder)["notes"]["entered"] == 80
    assert not set(first.answered()) & set(second.answered()) or len(second.answered()) < 80


def test_of_two_endpoints_one_may_die(tmp_path, none):
    ones = [FakeEndpoint(tmp_path / name, none, latency=0.05) for name in ("a", "b")]
    engine = {"base_url": [e.url for e in ones], "patience_s": 60}
    folder = make_flow_project(tmp_path / "p", n=120, steps=ONE, engine=engine)
    run = start(folder, {})
    wait_for(lambda: all(len(e.answered()) > 10 for e in ones))
    ones[0].stop()
    _, err = run.communicate(timeout=60)
    ones[1].stop()
    assert run.returncode == 0, err
    rows = add_up(folder)
    assert rows["notes"]["entered"] == 120
    assert len(ones[1].answered()) > 40


def test_a_real_limiter_is_met_without_losing_a_row(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=150, steps=ONE, engine={"concurrency": 64})
    run_cli(folder, "generate", env=endpoint(none, latency=0.05, limit=8).env, check=0)
    assert (
        add_up(folder)["notes"]["dropped"]
        == sql(folder, "select count(*) as n from drops where step = 'notes' and reason = 'ends in 7'")[0]["n"]
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_finishes_what_is_in_flight_and_saves_it(tmp_path, endpoint, none, number):
    folder = make_flow_project(tmp_path / "p", n=300, steps=ONE)
    server = endpoint(none, latency=0.3)
    run = start(folder, server.env)
    wait_for(lambda: len(server.answered()) >= 8)
    run.send_signal(number)
    out, err = run.communicate(timeout=20)
    assert run.returncode == 0, err
    assert "once more to stop now" in err
    assert "The same command goes on" in out
    assert sql(folder, "select count(*) as n from requests")[0]["n"] == len(server.answered()) < 300
    answered = len(server.answered())
    quick = endpoint(none)
    run_cli(folder, "generate", env=quick.env, check=0)
    assert len(quick.answered()) == 300 - answered
    assert add_up(folder)["notes"]["entered"] == 300


def test_two_signals_stop_at_once_and_cost_only_what_was_in_flight(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=50, steps=ONE)
    server = endpoint(none, latency=3)
    run = start(folder, server.env)
    while "started" not in run.stderr.readline():
        pass
    time.sleep(1.0)
    run.send_signal(signal.SIGINT)
    while "once more" not in run.stderr.readline():
        pass
    stopped = time.monotonic()
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=20)
    assert time.monotonic() - stopped < 2.5
    assert run.returncode == 130, err


def wait_for(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_request_that_comes_up_twice_in_a_run_is_asked_once(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=30, steps=ONE)
    (folder / "prompts" / "note.yaml").write_text("name: note\nvariables: []\nuser: 'The same for all'\n")
    (folder / "own.py").write_text(
        (folder / "own.py").read_text().replace('ask("note", text=item.text("text"))', 'ask("note")')
    )
    server = endpoint(none)
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == 1
    (row,) = sql(folder, "select count(*) as n, count(distinct request_id) as requests from samples")
    assert row["requests"] == 1
    assert sql(folder, "select count(*) as n from requests") == [{"n": 1}]
    assert add_up(folder)["notes"]["entered"] == 30


def test_with_the_embedded_model_one_signal_ends_after_the_batch_under_way(tmp_path):
    steps = [{"step": "tries", "generator": "solve", "source": "problems", "draws": 4, "max_tokens": 120,
              "options": {"template": "solve"}}]  # fmt: skip
    folder = make_mini_project(
        tmp_path / "p", generate=steps, engine={"batch_size": 16}, solve={"draws": 1, "problems": 4}
    )
    run = start(folder, {})
    while "generate: started" not in run.stderr.readline():
        pass
    time.sleep(2.0)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 0, err
    done = sql(folder, "select count(*) as n from requests where step = 'tries'")[0]["n"]
    assert done < 200
    run_cli(folder, "generate", check=0)
    assert add_up(folder)["tries"]["entered"] == 200
