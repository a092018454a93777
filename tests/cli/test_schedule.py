"""``flywheel schedule`` as a user gives it: refusals, units for other schedulers, and once the real clock with real runs."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from flywheel.loop.schedule import CronTimes, parse_cron
from flywheel.store import Project, Store
from support import MINI, change, make_mini_project, refused, run_cli, sql, start_cli, wait_for

HAS_SYSTEMD = shutil.which("systemd-analyze") is not None
needs_systemd = pytest.mark.skipif(not HAS_SYSTEMD, reason="systemd-analyze is not on this machine")


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        ((), ("cron expression, or --every", "neither")),
        (("0 2 * * *", "--every", "6h"), ("both",)),
        (("0 2 * *",), ("five fields", "4 of them")),
        (("0 26 * * *",), ("flywheel schedule '0 26 * * *': hour", "0 to 23", "'26'")),
        (("0", "2", "*", "*", "*"), ("unexpected extra arguments",)),
        (("--every", "6x"), ("--every '6x'", "6h")),
        (("--every", "0s"), ("from 1s",)),
        (("0 2 * * *", "--timezone", "Europe/Berln"), ("--timezone", "did you mean 'Europe/Berlin'?")),
        (("0 2 * * *", "--more", "0"), ("--more", "1 or more")),
        (("0 2 * * *", "--recipe", "/nowhere.yaml"), ("recipe /nowhere.yaml", "check --recipe")),
        (("0 2 * * *", "--seed", "-1"), ("--seed", "0 or more")),
        (("0 2 * * *", "--emit", "systemdd"), ("one of systemd, cron, k8s", "did you mean 'systemd'?")),
        (("--every", "90m", "--emit", "systemd"), ("divides an hour or a day evenly", "every 90m")),
        (("--every", "10s", "--emit", "cron"), ("every 10s",)),
        (
            ("0 2 * * *", "--emit", "cron", "--timezone", "Pacific/Kiritimati"),
            ("--emit cron: --timezone", "Pacific/Kiritimati"),
        ),
        (("0 2 * * *", "--emit", "k8s", "--recipe", "/elsewhere.yaml"), ("--emit k8s: --recipe", "project folder")),
    ],
)
def test_what_cannot_be_scheduled_is_told_before_any_waiting(mini, args, parts):
    refused(run_cli(mini, "schedule", *args, timeout=60), *parts)
    assert not (mini / "flywheel.duckdb").exists()


def test_a_recipe_that_no_run_would_take_is_refused_at_once(mini, tmp_path):
    (mini / "recipe.yaml").write_text(yaml.safe_dump({"name": "scores", "suites": MINI["suites"]}))
    refused(run_cli(mini, "schedule", "0 2 * * *", timeout=60), "no problems")
    refused(run_cli(tmp_path / "gone", "schedule", "0 2 * * *", timeout=60), "init")


def test_a_machine_that_does_not_know_its_time_zone_is_told_the_cure(mini):
    done = run_cli(mini, "schedule", "0 2 * * *", env={"TZ": "Nowhere/City"}, timeout=60)
    refused(done, "time zone", "--timezone Europe/Berlin")


# --- units for other schedulers --------------------------------------------------------------------------------


def emit(folder, *args):
    return run_cli(folder, "schedule", *args, check=0, timeout=60).stdout


def write_units(text, folder):
    """Save the units under the names that their headings give."""
    parts = re.split(r"^# ---- (\S+)$", text, flags=re.MULTILINE)
    folder.mkdir()
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        (folder / name).write_text(body)
    return [folder / name for name in parts[1::2]]


@pytest.fixture
def awkward(tmp_path):
    return make_mini_project(tmp_path / "a \"b\" 'c' 100% $HOME")


@needs_systemd
def test_systemd_takes_the_units_with_any_path(awkward, tmp_path):
    text = emit(awkward, "0 2 1,15 * 5-7", "--timezone", "Europe/Berlin", "--more", "2", "--emit", "systemd")
    units = write_units(text, tmp_path / "units")
    assert [u.suffix for u in units] == [".service", ".timer"]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True)
    assert (done.returncode, [x for x in done.stderr.splitlines() if "flywheel" in x]) == (0, []), done.stderr
    folder = str(awkward.parent)  # systemd expands % everywhere, $ in commands, and verifies neither
    assert f"WorkingDirectory={folder}/a \"b\" 'c' 100%% $HOME\n" in text
    assert f' -C "{folder}/a \\"b\\" \'c\' 100%% $$HOME" run --more 2\n' in text
    assert "Persistent=true" in text
    assert "Persistent=false" in emit(awkward, "@daily", "--no-catch-up", "--emit", "systemd")


@needs_systemd
@pytest.mark.parametrize(
    "expression",
    [
        "0 2 * * *",
        "0 2 * * 0",
        "*/15 * * * *",
        "5/20 1-3 * * *",
        "0 0 13 * 5",
        "30 6 * jan-mar mon-fri",
        "0 0 29 2 *",
        "0 0 31 * *",
    ],
)
def test_systemd_fires_when_we_would(mini, expression):
    text = emit(mini, expression, "--timezone", "Europe/Berlin", "--emit", "systemd")
    base, zone = datetime(2026, 5, 1, tzinfo=UTC), ZoneInfo("Europe/Berlin")
    known = set()
    for calendar in re.findall("^OnCalendar=(.*)$", text, re.MULTILINE):
        out = subprocess.check_output(
            ["systemd-analyze", "calendar", "--iterations=8", "--base-time=2026-05-01 00:00:00 UTC", calendar],
            text=True, env={**os.environ, "TZ": "UTC"},
        )  # fmt: skip
        found = re.findall(r"(?:Next elapse|Iter\. #\d+|\(in UTC\)): \w+ (\S+ \S+) UTC", out)
        known |= {datetime.fromisoformat(f).replace(tzinfo=UTC) for f in found}
    times, ours = CronTimes(parse_cron(expression), zone, zone.key), [base]
    for _ in range(8):
        ours.append(times.next_after(ours[-1]))
    assert sorted(known)[:8] == ours[1:]


def test_the_crontab_line_runs_in_a_shell_with_any_path(awkward):
    (line,) = emit(awkward, "0 2 * * 7", "--emit", "cron").splitlines()
    assert line.startswith("0 2 * * 0 ")
    command = line.split(" ", 5)[5]
    assert not re.search(r"(?<!\\)%", command), "cron would end the command there"
    (awkward / "recipe.yaml").unlink()
    done = subprocess.run(["/bin/sh", "-c", command.replace("\\%", "%")], cwd="/", timeout=60)
    assert done.returncode == 2
    assert f"error: recipe {awkward}/recipe.yaml" in (awkward / "schedule.log").read_text()


@pytest.mark.parametrize(
    ("every", "line"), [("15m", "*/15 * * * *"), ("6h", "0 */6 * * *"), ("1d", "0 0 * * *"), ("1w", "0 0 * * 0")]
)
def test_an_even_interval_is_a_crontab_line_too(mini, every, line):
    assert emit(mini, "--every", every, "--emit", "cron").startswith(f"{line} {sys.executable} ")


def test_kubernetes_gets_a_cron_job_that_never_overlaps(awkward):
    text = emit(awkward, "0 2 * * fri-sun", "--timezone", "Europe/Berlin", "--seed", "7", "--emit", "k8s")
    claim, job = yaml.safe_load_all(text)
    assert (claim["kind"], job["kind"], job["apiVersion"]) == ("PersistentVolumeClaim", "CronJob", "batch/v1")
    spec = job["spec"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == (
        "0 2 * * 0,5,6",
        "Europe/Berlin",
        "Forbid",
    )
    assert spec["startingDeadlineSeconds"] == 86_400
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"][-6:] == ["/project", "run", "--more", "1", "--seed", "7"]
    assert container["envFrom"] == [{"secretRef": {"name": claim["metadata"]["name"], "optional": True}}]
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{0,50}[a-z0-9]", job["metadata"]["name"])


def test_kubernetes_counts_no_more_missed_starts_than_it_bears(tmp_path):
    text = emit(tmp_path, "*/5 * * * *", "--emit", "k8s")
    assert 300 * 60 <= list(yaml.safe_load_all(text))[1]["spec"]["startingDeadlineSeconds"] <= 300 * 100
    text = emit(tmp_path, "*/5 * * * *", "--no-catch-up", "--emit", "k8s")
    assert list(yaml.safe_load_all(text))[1]["spec"]["startingDeadlineSeconds"] == 60


# --- the real clock and real runs ------------------------------------------------------------------------------


def logged(folder):
    """Return the rows that are there so far."""
    file = folder / ".flywheel" / "schedule.json"
    if not file.exists():
        return []
    rows = sql(folder, "SELECT * FROM schedule_log WHERE outcome <> 'begun' ORDER BY due_at")
    return [r for r in rows if r["outcome"] != "skipped" or r["exit_code"] is not None]


def read_open(folder):
    """Return the fire whose run is on."""
    return json.loads((folder / ".flywheel" / "schedule.json").read_text())["open"]


def let_fire(folder, times):
    """Let a schedule fire so many times, end it by SIGTERM, and return its exit code and what it said."""
    process = start_cli(folder, "schedule", "--every", "2s")
    try:
        wait_for(lambda: len(logged(folder)) >= times, 120)
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    return process.returncode, err


@pytest.mark.slow
def test_failing_runs_are_on_record_and_the_schedule_goes_on(mini):
    change(mini, model="no/such-model-anywhere")
    alone = run_cli(mini, "run", timeout=120)
    code, err = let_fire(mini, 2)
    assert code == 143, err
    assert "Traceback" not in err
    for row in logged(mini)[:2]:
        assert (row["outcome"], row["exit_code"]) == ("failed", alone.returncode)
        assert row["message"] == alone.stderr[alone.stderr.index("error: ") :].rstrip("\n")
    assert "no such" in err or "error: " in err, "the run's output is passed on"
    assert "next fire" in err and "the next fire goes on where it was" in err


@pytest.mark.slow
def test_a_night_that_its_hours_end_is_stopped_and_not_failed(mini):
    change(mini, stop={"hours": 2 / 3600}, metrics_file="m.prom")
    _, err = let_fire(mini, 1)
    row = logged(mini)[0]
    assert (row["outcome"], row["exit_code"]) == ("stopped", 1), row
    assert row["message"].startswith("stopped: flywheel run") and "stop.hours" in row["message"]
    assert "stopped by a rule of its recipe" in err


@pytest.mark.slow
def test_another_process_that_owns_the_project_makes_a_fire_skipped(mini):
    store = Store(Project(mini)).open()
    store.close()
    with store.run_lock("a test"):
        process = start_cli(mini, "schedule", "--every", "2s")
        wait_for(lambda: logged(mini), 60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    first = logged(mini)[0]
    assert (first["outcome"], first["exit_code"]) == ("skipped", 2)
    assert f"process {os.getpid()} (a test)" in first["message"]


def start_answering(mini, endpoint, *, problems):
    """Return a slow endpoint, a schedule whose run has had some answers from it, and the run's process number."""
    change(
        mini,
        engine={"kind": "openai", "concurrency": 2},
        solve={"draws": 1, "problems": problems},
        train={"dpo": None},
        iterations=1,
    )
    server = endpoint(mini / "problems.jsonl", latency=0.1)
    process = start_cli(mini, "schedule", "--every", "3s", env=server.env)
    wait_for(lambda: len(server.answered()) >= 5, 120)
    return server, process, int((mini / ".flywheel" / "run.lock").read_text().split()[0])


@pytest.mark.slow
def test_a_schedule_that_was_killed_knows_its_run_at_the_next_start(mini, endpoint):
    server, process, child = start_answering(mini, endpoint, problems=40)
    process.kill()
    process.communicate()
    wait_for(lambda: not Path(f"/proc/{child}").exists(), 120)  # at its next line of output
    unseen = read_open(mini)
    process = start_cli(mini, "schedule", "--every", "3s", env=server.env)
    wait_for(lambda: read_open(mini) not in (None, unseen), 60)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    first, second = [r for r in logged(mini) if r["started_at"]]
    assert (first["outcome"], first["exit_code"], second["exit_code"]) == ("failed", None, 143)
    assert "killed, or the machine went off" in first["message"]
    assert len(server.answered()) == len(set(server.answered()))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_run_and_schedule_and_the_next_start_goes_on(mini, endpoint, number, code):
    server, process, child = start_answering(mini, endpoint, problems=100)
    assert child != process.pid
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "everything answered is kept; the same command goes on from here" in err
    assert not Path(f"/proc/{child}").exists(), "the run has ended first"
    (row,) = [r for r in logged(mini) if r["started_at"]]
    assert (row["outcome"], row["exit_code"]) == ("failed", code)
    so_far = len(server.answered())
    process = start_cli(mini, "schedule", "--every", "3s", env=server.env)
    started = time.monotonic()
    wait_for(lambda: len(server.answered()) > so_far + 5, 120)
    assert time.monotonic() - started < 60
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert len(server.answered()) == len(set(server.answered())), "what was answered is not asked again"
    assert read_open(mini) is None
