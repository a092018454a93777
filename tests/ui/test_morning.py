"""What a person sees in the morning: the champion in use, the night's fires, the watch's findings, the stage that is on."""

import json
import os
import re
import shutil
import time

import pytest
from flywheel.loop import find_now, find_undone
from flywheel.store import Project, Store
from support import make_mini_project, run_cli, start_cli
from support_ui import RUN, Page

NIGHT = [
    ("02:00", "02:00:01", "02:41", "ran", 0, "Report: report.md"),
    ("03:00", None, None, "skipped", None, "the previous run was still on"),
    ("04:00", "04:00:01", "04:05", "failed", 1, "disk full"),
    ("05:00", None, None, "missed", None, "nothing was running at that time"),
]


def day(clock):
    return clock and f"2026-11-28 {clock}"


@pytest.fixture(scope="module")
def root(made_project, tmp_path_factory):
    """The project after a night: its promoted champion was put aside by a person, fires came and went."""
    root = tmp_path_factory.mktemp("morning") / "small"
    shutil.copytree(made_project, root)
    store = Store(Project(root)).open()
    store.insert_all("rollbacks", [{
        "rollback_id": "rbk_1", "run_id": RUN, "number": 1, "after_decisions": 1, "iteration": 3, "from_checkpoint_id": "ckpt_1",
        "checkpoint_id": "ckpt_0", "reason": "answers got rude", "author": "grace", "created_at": "2026-11-28 07:30:00",
    }])  # fmt: skip
    store.insert_all("schedule_log", [
        {"fire_id": f"fire_{i}", "expression": "0 * * * *", "time_zone": "UTC", "due_at": day(due), "started_at": day(began),
         "finished_at": day(ended), "outcome": outcome, "exit_code": code, "message": said}
        for i, (due, began, ended, outcome, code, said) in enumerate(NIGHT)
    ])  # fmt: skip
    store.insert_all("watch_findings", [{
        "run_id": RUN, "iteration": 2, "step": "solve", "measure": "length", "level": "warn", "value": 60, "against": 1, "reference": 40,
        "change": 0.5, "threshold": 0.4, "message": "solve: mean length went from 40 to 60", "created_at": "2026-11-28 02:40:00",
    }])  # fmt: skip
    store.close()
    return root


@pytest.fixture(scope="module")
def morning(root):
    served = Page(root)
    yield served
    served.stop()


def section(text, name):
    return re.sub(r"<[^>]+>", "", re.search(rf'<section id="{name}".*?</section>', text, re.DOTALL)[0])


def test_the_champion_in_use_is_told_with_how_since_when_and_why(morning):
    said = section(morning.get("/").text, "champion")
    assert re.search(r"ckpt_0 \(seed.*put back by a person since 2026-11-28 07:30 UTC by grace", said, re.DOTALL), said
    assert "in place of ckpt_1: answers got rude" in said
    assert "rolled back later" in said


def test_the_ring_of_what_was_rolled_back_is_broken_and_the_square_is_on_the_champion(morning):
    text = morning.get("/").text
    assert 'class="ring s0 undone"' in text and 'class="ring s0"' not in text
    assert "heldout gate: 0.6 ± 0.0588, promoted, rolled back</title>" in text
    assert text.count('class="square s0"') == 1
    assert "heldout gate: 0.4 ± 0.0588, in use</title>" in text


def test_the_square_moves_with_the_champion(page):
    """Before the rollback the promoted one is in use."""
    text = page.get("/").text
    assert text.count('class="square s0"') == 1
    assert "promoted, in use</title>" in text
    assert "promoted since" in section(text, "champion")


def test_every_fire_of_the_night_is_told(morning):
    said = " ".join(section(morning.get("/").text, "schedule").split())
    assert "Off: no flywheel schedule runs here now." in said
    for _, _, _, outcome, _, message in NIGHT:
        assert outcome in said and message in said
    assert said.index("missed") < said.index("ran"), "the latest first"


def test_what_the_watch_found_is_told(morning):
    said = section(morning.get("/").text, "watch")
    assert "warning" in said
    assert "iteration 2, solve: mean length went from 40 to 60" in said


def test_a_project_without_fires_and_findings_shows_no_empty_tables(page):
    text = page.get("/").text
    assert 'id="schedule"' not in text and 'id="watch"' not in text


def test_status_and_report_say_of_the_rollback(root):
    run_cli(root, "report", check=0)
    text = (root / "report.md").read_text(encoding="utf-8")
    assert re.search(
        r"\| 3 \| 3 \| ckpt_0 \| rolled back \| 2026-11-28 07:30 \| in use \| answers got rude \|", text
    ), text


@pytest.mark.parametrize(
    ("ways", "undone"),
    [
        (["first a", "promoted b"], set()),
        (["first a", "promoted b", "rolled back a"], {"b"}),
        (["first a", "promoted b", "promoted c", "rolled back a"], {"b", "c"}),
        (["first a", "promoted b", "promoted c", "rolled back b", "promoted d"], {"c"}),
        (["first a", "promoted b", "rolled back a", "rolled back b"], set()),
    ],
)
def test_what_is_undone_is_what_came_after_the_one_that_was_put_back(ways, undone):
    rows = [{"how": way.rpartition(" ")[0], "checkpoint_id": way.rpartition(" ")[2]} for way in ways]
    assert find_undone(rows) == undone


def test_a_folder_that_a_killed_run_left_is_no_stage_that_is_on(root):
    project = Project(root)
    left = project.work / "ckpt_left"
    left.mkdir(parents=True)
    (left / "job.json").write_text(json.dumps({"method": "sft"}))
    store = Store(project)
    assert find_now(project) is None, "nobody owns the project"
    os.utime(left / "job.json", (time.time() - 60,) * 2)
    with store.run_lock("a test"):
        assert find_now(project) is None, "of before this run"
        os.utime(left / "job.json")
        assert find_now(project).what == "train sft"
        (left / "error.json").write_text("{}")
        assert find_now(project) is None, "it has ended"
    shutil.rmtree(left)


@pytest.mark.slow
def test_the_stage_that_is_on_is_shown_with_its_progress(tmp_path):
    folder = make_mini_project(tmp_path / "p", iterations=1)
    run_cli(folder, "sql", "SELECT 1")
    run = start_cli(folder, "run")
    seen, page = set(), None
    deadline = time.monotonic() + 240
    try:
        while run.poll() is None and time.monotonic() < deadline:
            if page is None and (folder / "flywheel.duckdb").exists():
                page = Page(folder)
            if page is not None:
                seen.update(re.findall(r"<b>(train \w+|eval)</b>.*?(loading|steps|items)", page.get("/live").text))
                assert page.get("/").status == 200
        run.communicate(timeout=60)
        assert run.returncode == 0
        assert "Now:" not in run_cli(folder, "status", check=0).stdout
        assert '<p class="now">' not in page.get("/live").text
    finally:
        run.kill() if run.poll() is None else None
        if page is not None:
            page.stop()
    assert {what for what, _ in seen} >= {"eval", "train sft"}
    assert ("train sft", "steps") in seen or ("eval", "items") in seen, seen
