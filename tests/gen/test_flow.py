"""``flywheel generate`` over steps, as a user meets it: the real command, a scripted endpoint on a real socket."""

import json
import re
import signal
import time

import pytest
from support import FakeEndpoint, make_mini_project, refused, run_cli, sql, start_cli, wait_for
from support_flow import ONE, STEPS, add_chunks, add_up, funnel, make_flow_project, write_recipe


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


def test_what_a_step_keeps_of_its_input_goes_with_its_samples_over_any_number_of_steps(tmp_path, endpoint, none):
    steps = [{**STEPS[0], "keep": ["source", "headings"]}, {**STEPS[1], "keep": ["source"]}]
    folder = make_flow_project(tmp_path / "p", n=5, steps=steps)
    run_cli(folder, "generate", env=endpoint(none).env, check=0)
    kept = sql(
        folder,
        "select s.step, count(*) as n, bool_and(s.fields ->> 'source' = c.source) as same from samples s "
        "join samples n on n.sample_id = s.input_id or n.sample_id = s.sample_id and s.step = 'notes' "
        "join chunks c on c.chunk_id = n.input_id group by 1 order by 1",
    )
    assert [(k["step"], k["same"]) for k in kept] == [("better", True), ("notes", True)] and all(
        k["n"] >= 5 for k in kept
    )
    write_recipe(folder, [{**STEPS[0], "keep": ["levle"]}])
    run_cli(folder, "generate", env=endpoint(none).env, check=0)
    assert sql(folder, "select reason, sum(n)::int as n from drops where contains(reason, 'levle') group by 1") == [
        {"reason": "the input has no levle", "n": 5}
    ]


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
    folder = make_flow_project(tmp_path / "p", n=120, steps=ONE, engine={"max_attempts": 3, "timeout_s": 2})
    server = endpoint(none, faults="429=0.05,500=0.1,reset=0.05,malformed=0.1,400=0.03,stall=0.03,length=0.1")
    run_cli(folder, "generate", env=server.env, check=0)
    rows = add_up(folder)
    assert rows["notes"]["entered"] == 120
    (made,) = sql(folder, "select count(distinct input_id) as n from samples")
    assert made["n"] >= 100
    reasons = {r["reason"] for r in sql(folder, "select distinct reason from drops where step = 'notes'")}
    assert "HTTP 400" in reasons
    (cut,) = sql(folder, "select count(*) as n from samples where finish_reason = 'length'")
    assert cut["n"] > 0


@pytest.mark.parametrize(
    ("status", "received", "cure"),
    [
        (402, "HTTP 402: I cannot do this", "add credit"),
        (400, "HTTP 400 for each of the first 20 requests: I cannot do this", "engine.extra_body"),
    ],
)
def test_what_every_request_is_rejected_for_stops_the_run_and_is_asked_again(
    tmp_path, endpoint, none, status, received, cure
):
    folder = make_flow_project(tmp_path / "p", n=30, steps=ONE)
    done = run_cli(folder, "generate", env=endpoint(none, faults=f"{status}=1").env)
    refused(done, received, cure, code=1)
    assert sql(folder, "select (select count(*) from drops) + (select count(*) from requests) as n") == [{"n": 0}]
    server = endpoint(none)
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == 30
    assert add_up(folder)["notes"]["entered"] == 30


def test_resumed_without_one_of_its_endpoints_a_run_asks_nothing_again(tmp_path, none):
    ones = [FakeEndpoint(tmp_path / name, none) for name in ("a", "b")]
    both = {"base_url": [ones[0].url, ones[1].url.replace("127.0.0.1", "0.0.0.0")]}
    folder = make_flow_project(tmp_path / "p", n=40, engine=both, budget={"requests": 30})
    run_cli(folder, "generate", check=1)
    ones[1].stop()
    write_recipe(folder, STEPS, {"base_url": ones[0].url})
    run_cli(folder, "generate", check=0)
    ones[0].stop()
    answered = [line for e in ones for line in e.answered()]
    assert len(answered) == len(set(answered)) == sql(folder, "select count(*) as n from requests")[0]["n"]
    assert sql(folder, "select count(distinct run_id) as n from requests") == [{"n": 1}]


def test_an_endpoint_that_is_down_at_the_start_is_waited_for(tmp_path, none):
    gone = FakeEndpoint(tmp_path / "gone", none)
    gone.stop()
    folder = make_flow_project(tmp_path / "p", n=20, steps=ONE, engine={"patience_s": 60, "base_url": gone.url})
    run = start_cli(folder, "generate")
    assert any("waiting for it, at most 60 s" in line for line in run.stderr)
    server = FakeEndpoint(tmp_path / "back", none, port=gone.url.split(":")[2].split("/")[0])
    _, err = run.communicate(timeout=60)
    server.stop()
    assert run.returncode == 0, err
    assert add_up(folder)["notes"]["entered"] == 20


@pytest.mark.parametrize("url", ["127.0.0.1:8431/v1", "htp://127.0.0.1:8431/v1"])
def test_an_address_that_is_none_is_told_before_anything_is_asked(tmp_path, url):
    folder = make_flow_project(tmp_path / "p", n=3, steps=ONE, engine={"base_url": url})
    refused(run_cli(folder, "generate"), "engine.base_url", "begin with http://")
    write_recipe(folder, ONE)
    refused(run_cli(folder, "generate", env={"OPENAI_BASE_URL": url}), "OPENAI_BASE_URL", "begin with http://")


def test_completions_that_a_request_falls_short_of_are_dropped_items(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=60, steps=ONE, engine={"max_attempts": 1})
    run_cli(folder, "generate", env=endpoint(none, max_choices=1, faults="500=0.2").env, check=0)
    add_up(folder)
    short = sql(
        folder,
        """
        select count(*) as n from drops d where step = 'notes/items' and reason = 'HTTP 500'
        and exists (select 1 from samples s where s.input_id = d.input_id)
        """,
    )
    assert short[0]["n"] > 0


def test_the_last_request_may_fail_for_good(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=3, engine={"max_attempts": 1, "patience_s": 600})
    done = run_cli(folder, "generate", env=endpoint(none, faults="500=1").env, check=0, timeout=60)
    assert "3 drops" in done.stderr
    assert add_up(folder)["notes"]["dropped"] == 3


def test_a_dry_run_shows_prompts_and_asks_nothing(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=40, prices={"prompt": 1.0, "completion": 10.0})
    server = endpoint(none)
    shown = run_cli(folder, "generate", "--dry-run", env=server.env, check=0).stdout
    assert "Note: Passage 0 with {{braces}} in it." in shown
    assert "1 request and row an input" in shown, "the generators of this recipe do not say what they ask"
    assert server.answered() == []
    run_cli(folder, "generate", env=server.env, check=0)
    again = run_cli(folder, "generate", "--dry-run", env=server.env, check=0).stdout
    assert "requests on record" in again
    assert re.search(r"total\W+0\W+0\W+0\W", again), "nothing is left to ask"


def test_a_sample_is_asked_for_and_measured_by_the_dry_run(tmp_path, endpoint, none):
    steps = [*ONE, {"step": "better", "generator": "own.py:polish", "source": "notes"}]
    folder = make_flow_project(tmp_path / "p", n=400, steps=steps)
    server = endpoint(none, latency=0.05)
    shown = run_cli(folder, "generate", "--dry-run", "--sample", "20", env=server.env, check=0).stdout
    begun = "select count(distinct input_id) as n from (select input_id, step from samples union all select input_id, step from drops)"
    assert sql(folder, f"{begun} where step like 'notes%'") == [{"n": 20}]
    rows = funnel(folder)
    assert (
        rows["better"]["entered"]
        == rows["better"]["kept"] + rows["better"]["dropped"]
        == rows["notes/items"]["kept"]
        > 20
    )
    rows = {s: next(line for line in shown.splitlines() if f" {s} " in line) for s in ("notes", "better", "total")}
    assert re.search(r"notes\W+380\W+380\W", rows["notes"])
    assert all("requests on record" in rows[s] for s in ("notes", "better"))
    assert "unknown" not in rows["total"] and "is not known" not in shown
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == len(set(server.answered())), "what the sample was told is not asked again"
    rows = add_up(folder)
    assert (rows["notes"]["entered"], rows["better"]["entered"]) == (400, rows["notes/items"]["kept"])


def test_a_dry_run_counts_all_that_the_generators_may_ask(tmp_path):
    steps = [
        {
            "step": "questions",
            "generator": "backtranslate",
            "max_tokens": 100,
            "options": {"pairs": 3, "check": "model"},
        },
        {"step": "reasoned", "generator": "cot", "source": "questions", "max_tokens": 50},
    ]
    folder = make_flow_project(tmp_path / "p", n=10, steps=steps)
    shown = run_cli(folder, "generate", "--dry-run", check=0).stdout
    first, second = (next(line for line in shown.splitlines() if f" {s} " in line) for s in ("questions", "reasoned"))
    assert re.search(r"10\W+40\W+\d+\W+4000\W", first)
    assert re.search(r"30\W+60\W+[1-9]\d+\W+3000\W", second), "thirty rows, a question each and one more with the hint"
    assert "all rows: at most" in second


def test_an_endpoint_that_goes_away_is_waited_for(tmp_path, none):
    folder = make_flow_project(tmp_path / "p", n=80, steps=ONE, engine={"patience_s": 60})
    first = FakeEndpoint(tmp_path / "first", none, latency=0.1)
    run = start_cli(folder, "generate", env=first.env)
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
    run = start_cli(folder, "generate")
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
    run = start_cli(folder, "generate", env=server.env)
    wait_for(lambda: len(server.answered()) >= 8)
    run.send_signal(number)
    out, err = run.communicate(timeout=20)
    assert run.returncode == 128 + number, err
    assert "once more to stop now" in err
    assert "The same command goes on" in out
    assert sql(folder, "select count(*) as n from requests")[0]["n"] == len(server.answered()) < 300
    answered = len(server.answered())
    quick = endpoint(none)
    run_cli(folder, "generate", env=quick.env, check=0)
    assert len(quick.answered()) == 300 - answered
    assert add_up(folder)["notes"]["entered"] == 300


def test_one_signal_does_not_wait_for_what_is_refused(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=300, steps=ONE, engine={"patience_s": 600})
    server = endpoint(none, refuse_after=20)
    run = start_cli(folder, "generate", env=server.env)
    wait_for(lambda: len(server.answered()) >= 20)
    time.sleep(1.0)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=20)
    assert run.returncode == 130, err
    assert "The same command goes on" in out
    answered = len(server.answered())
    assert sql(folder, "select count(*) as n, count(answered_at) as kept from requests") == [
        {"n": answered, "kept": answered}
    ]
    quick = endpoint(none)
    run_cli(folder, "generate", env=quick.env, check=0)
    assert len(quick.answered()) == 300 - answered
    assert add_up(folder)["notes"]["entered"] == 300


def test_one_signal_ends_the_wait_for_an_endpoint_that_is_away(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=300, steps=ONE, engine={"patience_s": 600})
    server = endpoint(none, latency=0.1)
    run = start_cli(folder, "generate", env=server.env)
    wait_for(lambda: len(server.answered()) >= 8)
    server.stop()
    assert any("waiting for it" in line for line in run.stderr)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=20)
    assert run.returncode == 130, err
    assert "The same command goes on" in out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_wait_at_the_start(tmp_path, number, code):
    engine = {"patience_s": 600, "base_url": "http://127.0.0.1:9/v1"}
    run = start_cli(make_flow_project(tmp_path / "p", n=3, steps=ONE, engine=engine), "generate")
    assert any("waiting for it" in line for line in run.stderr)
    run.send_signal(number)
    _, err = run.communicate(timeout=20)
    assert run.returncode == code, err
    assert "Traceback" not in err


def test_two_signals_stop_at_once_and_cost_only_what_was_in_flight(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=50, steps=ONE)
    server = endpoint(none, latency=3)
    run = start_cli(folder, "generate", env=server.env)
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
    run = start_cli(folder, "generate")
    while "generate: started" not in run.stderr.readline():
        pass
    time.sleep(2.0)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 130, err
    done = sql(folder, "select count(*) as n from requests where step = 'tries'")[0]["n"]
    assert done < 200
    run_cli(folder, "generate", check=0)
    assert add_up(folder)["tries"]["entered"] == 200
