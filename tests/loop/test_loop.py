"""A loop that nobody watches: when it ends by itself, who is told, what Prometheus reads, and how a champion is put back."""

import http.server
import json
import signal
import stat
import sys
import threading
import time

import pytest
from flywheel.config import HookConfig, load_recipe
from flywheel.errors import RecipeError
from flywheel.loop._hooks import call_hook
from flywheel.store import Project, Store
from prometheus_client.parser import text_string_to_metric_families
from support import make_mini_project, refused, run_cli, sql, start_cli, wait_for

NEVER = {"min_effect": 0.9}
"""A gate that no gain of the mini project opens."""
TELL = """#!{python}
import json, os, pathlib, sys
event = json.load(sys.stdin)
with pathlib.Path("told.jsonl").open("a") as stream:
    stream.write(json.dumps(dict(event, told_as=os.environ["FLYWHEEL_EVENT"])) + "\\n")
print("noted")
"""


def write_script(folder):
    script = folder / "tell.py"
    script.write_text(TELL.format(python=sys.executable))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return "./tell.py"


def told(folder):
    path = folder / "told.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def figures(path):
    """Return {(name, labels): value} of a metrics file."""
    families = text_string_to_metric_families(path.read_text())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def ended(path):
    """Return whether a metrics file says that all is well, and how the command ended."""
    found = figures(path)
    whys = [dict(labels)["why"] for (name, labels), value in found.items() if name == "flywheel_ended" and value]
    return found["flywheel_ok", (("recipe", "mini"),)], whys


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A run whose champion stays, with hooks, a metrics file and a plateau of one iteration."""
    folder = tmp_path_factory.mktemp("kept") / "project"
    folder.mkdir(parents=True)
    hooks = {"keep": [write_script(folder), "no-such-command --at all", "${FLYWHEEL_TEST_HOOK}"], "promote": "false"}
    make_mini_project(
        folder, gate=NEVER, hooks=hooks, metrics_file="metrics/flywheel.prom", stop={"plateau": 1}, iterations=3
    )
    (folder / "stderr.txt").write_text(run_cli(folder, "run", check=0, timeout=600).stderr)
    return folder


@pytest.mark.slow
@pytest.mark.xdist_group("kept")
class TestKept:
    def test_a_plateau_ends_the_run_and_says_so(self, kept):
        assert "[2] not begun: 1 iterations without a promotion, stop.plateau = 1" in (kept / "stderr.txt").read_text()
        assert sql(kept, "select count(*) as n from iterations where finished_at is not null") == [{"n": 1}]

    def test_hooks_are_told_each_decision_once_with_its_figures(self, kept):
        events = told(kept)
        assert [(e["event"], e["told_as"], e["iteration"], e["stage"]) for e in events] == [
            ("keep", "keep", 1, "sft"), ("keep", "keep", 1, "dpo"),
        ]  # fmt: skip
        (decided,) = sql(
            kept,
            "select n, delta, p_value, level, reason, checkpoint_id from decisions where role = 'gate' and stage = 'dpo'",
        )
        assert {k: events[1][k] for k in decided} == decided
        assert (kept / ".flywheel").exists()
        assert events[1]["path"].startswith(str(kept))

    def test_a_hook_that_fails_is_told_and_on_record_and_touches_nothing(self, kept):
        calls = sql(kept, "select target, ok, message from hook_calls order by target, created_at")
        assert [(c["target"], c["ok"], c["message"]) for c in calls] == [
            *[("${FLYWHEEL_TEST_HOOK}", False, "the environment has no FLYWHEEL_TEST_HOOK")] * 2,
            *[("./tell.py", True, "noted")] * 2,
            *[("no-such-command --at all", False, "No such file or directory")] * 2,
        ]
        assert "[1] hooks.keep: no-such-command --at all: No such file" in (kept / "stderr.txt").read_text()

    def test_the_metrics_file_has_what_the_store_says(self, kept):
        found = figures(kept / "metrics" / "flywheel.prom")
        recipe = ("recipe", "mini")
        for name, value in (
            ("running", 0), ("ok", 1), ("iterations_finished", 1), ("decisions", 2), ("promotions", 0),
        ):  # fmt: skip
            assert found[f"flywheel_{name}", (recipe,)] == value
        (score,) = sql(kept, "select score from leaderboard where role = 'baseline' and split = 'gate' and metric = 'exact_match,strict-match'")  # fmt: skip
        assert ended(kept / "metrics" / "flywheel.prom") == (1, ["plateau"])
        labels = (("metric", "exact_match,strict-match"), recipe, ("split", "gate"), ("suite", "heldout"))
        assert found["flywheel_champion_score", labels] == pytest.approx(score["score"])
        (solve,) = sql(kept, "select sum(requests)::int as n from cost where step = 'solve'")
        assert found["flywheel_requests", (recipe, ("step", "solve"))] == solve["n"]

    def test_one_iteration_more_ignores_no_rule(self, kept):
        done = run_cli(kept, "run", "--more", "1", check=0)
        assert "[2] not begun: " in done.stderr
        assert len(told(kept)) == 2

    def test_there_is_nothing_to_roll_back_to(self, kept):
        refused(run_cli(kept, "rollback"), "flywheel rollback", "the first model is in use")


@pytest.mark.slow
def test_a_target_that_is_reached_ends_the_run(tmp_path):
    folder = make_mini_project(tmp_path / "p", stop={"target": 0.01})
    done = run_cli(folder, "run", check=0)
    assert "[1] not begun: the champion scores 0." in done.stderr
    assert "stop.target = 0.01" in done.stderr
    assert sql(folder, "select * from iterations") == []


@pytest.mark.slow
def test_a_champion_is_put_back_and_is_the_one_to_beat(tmp_path):
    folder = make_mini_project(
        tmp_path / "p", gate={"level": 0.9999, "per": "decision"}, iterations=1, metrics_file="m.prom"
    )
    run_cli(folder, "run", check=0)
    before = sql(folder, "select checkpoint_id, how, is_current from champions order by number")
    assert [c["how"] for c in before[:2]] == ["first", "promoted"], "the gate was open"
    first = before[0]["checkpoint_id"]
    done = run_cli(folder, "rollback", first[:12], "--reason", "answers got rude", check=0)
    assert f"{before[-1]['checkpoint_id']} → {first}" in done.stdout
    status = run_cli(folder, "status", check=0).stdout
    assert f"Champion: {first}" in status
    assert "Put back by flywheel rollback at" in status
    assert "answers got rude" in status
    scored = sql(folder, f"select score from scores where checkpoint_id = '{first}' and split = 'gate'")
    shown = [
        value
        for (name, labels), value in figures(folder / "m.prom").items()
        if name == "flywheel_champion_score" and ("split", "gate") in labels
    ]
    assert shown and set(shown) <= {row["score"] for row in scored}
    assert ended(folder / "m.prom") == (1, ["complete"])
    refused(run_cli(folder, "rollback"), "none: the first model is in use", "to go forward again, name one of: ckpt_")
    refused(run_cli(folder, "rollback", first), "the one in use")
    refused(run_cli(folder, "rollback", "ckpt_nowhere"), "0 match")
    run_cli(folder, "run", "--more", "1", check=0)
    (second,) = sql(folder, "select champion_before from iterations where iteration = 2")
    assert second["champion_before"] == first
    (decided,) = sql(
        folder, "select champion_id from decisions where iteration = 2 and stage = 'sft' and role = 'gate'"
    )
    assert decided["champion_id"] == first
    assert sql(folder, "select count(*) as n from champions where is_current") == [{"n": 1}]


@pytest.mark.slow
def test_stop_lets_a_run_finish_what_is_in_flight_and_the_same_command_goes_on(tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    make_mini_project(folder, iterations=1, metrics_file="m.prom", hooks={"fail": write_script(folder)})
    assert run_cli(folder, "stop", check=0).stdout == "Nothing is running here.\n"
    run = start_cli(folder, "run")
    wait_for(lambda: any((folder / ".flywheel" / "journal").glob("*.jsonl")), 120)
    wait_for(lambda: (folder / "m.prom").exists(), 120)
    assert figures(folder / "m.prom")["flywheel_running", (("recipe", "mini"),)] == 1
    refused(run_cli(folder, "run"), "no other run in this project")
    assert told(folder) == [], "another run is on: nothing has failed"
    done = run_cli(folder, "stop", check=0)
    assert done.stdout == f"Stopped process {run.pid} (flywheel run); the same command goes on.\n"
    _, said = run.communicate(timeout=60)
    assert run.returncode == 128 + signal.SIGTERM, said
    run_cli(folder, "run", check=0)
    assert sql(folder, "select count(*) as n from iterations where finished_at is not null") == [{"n": 1}]
    doubled = "select count(*) as n from (select request_id from requests where run_id is not null group by 1 having count(*) > 1)"
    assert sql(folder, doubled) == [{"n": 0}]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_that_meets_a_query_ends_the_command_as_any_other(tmp_path, number, code):
    """DuckDB makes a ``RuntimeError`` of it, which is no failure."""
    folder = make_mini_project(tmp_path / "p")
    Store(Project(folder)).open().close()
    asked = start_cli(folder, "sql", "select count(*) from range(100000000000) where random() < 0")
    time.sleep(4)
    asked.send_signal(number)
    _, said = asked.communicate(timeout=60)
    assert asked.returncode == code and "Traceback" not in said, said


@pytest.mark.slow
def test_hours_end_a_run_in_the_middle_as_stop_does(tmp_path):
    folder = make_mini_project(tmp_path / "p", iterations=1, stop={"hours": 4 / 3600}, metrics_file="m.prom")
    refused(run_cli(folder, "run"), "stop.hours", code=1)
    assert ended(folder / "m.prom") == (1, ["hours"])


@pytest.mark.slow
def test_a_failure_is_told_with_its_four_parts_also_one_before_the_run(tmp_path):
    folder = tmp_path / "p"
    folder.mkdir()
    make_mini_project(folder, hooks={"fail": write_script(folder)})
    (folder / "gate.jsonl").unlink()
    refused(run_cli(folder, "run"), "gate.jsonl")
    (event,) = told(folder)
    assert (event["event"], event["recipe"]) == ("fail", "mini")
    assert "gate.jsonl" in event["error"]["place"] + event["error"]["expected"] + event["error"]["received"]
    assert event["error"]["cure"]


class Listener(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.seen.append(
            (self.headers["Content-Type"], json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        )
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def listener():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.seen, server.status = [], 204
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_an_address_gets_the_event_as_json_and_its_secret_stays_in_the_environment(listener, tmp_path, monkeypatch):
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{listener.server_port}/secret-path")
    assert call_hook("${HOOK}", {"event": "keep", "n": 3}, tmp_path, 5) == (True, "HTTP 204")
    assert listener.seen == [("application/json", {"event": "keep", "n": 3})]
    listener.status = 500
    assert call_hook("${HOOK}", {"event": "keep"}, tmp_path, 5) == (False, "HTTP 500")
    monkeypatch.setenv("HOOK", "http://127.0.0.1:9/secret-path")
    ok, message = call_hook("${HOOK}", {"event": "keep"}, tmp_path, 5)
    assert not ok
    assert "secret" not in message


def test_a_command_that_hangs_is_given_up(tmp_path):
    slow = f"{sys.executable} -c 'import time; time.sleep(60)'"
    assert call_hook(slow, {"event": "keep"}, tmp_path, 0.3) == (False, "no end within 0.3 s")
    assert call_hook("'", {"event": "keep"}, tmp_path, 1)[1].startswith("not a command line")


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ({"stop": {"plateu": 2}}, ("stop.plateu", "plateau")),
        ({"stop": {"target": 2}}, ("stop.target",)),
        ({"hooks": {"promote": "https://"}}, ("hooks.promote",)),
        ({"hooks": {"promoted": "x"}}, ("hooks.promoted", "promote")),
    ],
)
def test_wrong_keys_are_refused_by_name(tmp_path, keys, parts):
    import yaml
    from support import MINI

    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({**MINI, **keys}))
    with pytest.raises(RecipeError) as caught:
        load_recipe(tmp_path / "recipe.yaml", {}, cure="")
    for part in parts:
        assert part in caught.value.render()


def test_one_hook_is_a_list_of_one():
    assert HookConfig(fail="mail me").fail == ("mail me",)


def test_champions_come_in_the_order_of_the_stages_and_rollbacks_stand_where_they_were_made(tmp_path):
    store = Store(Project(tmp_path / "p")).open()
    now = "2026-01-01 00:00:00"

    def decide(iteration, stage, checkpoint):
        store.insert_all("decisions", [{
            "decision_id": checkpoint, "run_id": "r", "iteration": iteration, "stage": stage, "checkpoint_id": checkpoint,
            "score_id": "s", "role": "gate", "n": 1, "promoted": True, "reason": "", "created_at": now,
        }])  # fmt: skip

    def put_back(number, after, checkpoint):
        store.insert_all("rollbacks", [{
            "rollback_id": str(number), "run_id": "r", "number": number, "after_decisions": after, "iteration": 2,
            "from_checkpoint_id": "?", "checkpoint_id": checkpoint, "created_at": now,
        }])  # fmt: skip

    store.insert_all("runs", [{
        "run_id": "r", "name": "r", "seed": 0, "model": "seed", "base_checkpoint_id": "base", "recipe": "{}",
        "versions": "{}", "started_at": now,
    }])  # fmt: skip
    decide(1, "dpo", "b")
    decide(1, "sft", "a")
    put_back(1, 2, "a")
    put_back(2, 2, "base")
    decide(2, "sft", "c")
    found = store.query("SELECT checkpoint_id, how, is_current FROM champions ORDER BY number")
    assert found == [
        ("base", "first", False), ("a", "promoted", False), ("b", "promoted", False), ("a", "rolled back", False),
        ("base", "rolled back", False), ("c", "promoted", True),
    ]  # fmt: skip
    store.close()
