"""A training process that starts before its job is known: it is used, it ends where it is not, and its faults are told."""

import os
import subprocess
import sys

import pytest
from flywheel.errors import StageError
from flywheel.stage import run_stage, started_ahead
from support import wait_for

CHILD = """
import os, sys
from flywheel.stage import child_main

print("imported", flush=True)
known = []

def get_ready(hint):
    known.append(hint)
    open(os.environ["READY"], "w").write(str(os.getpid()))
    if hint == "broken":
        raise OSError("this library does not load")

def work(job, folder, emit):
    emit({"event": "at work"})
    print("works", flush=True)
    return {"pid": os.getpid(), "known": known, "job": job, "rest": sys.stdin.read()}

if __name__ == "__main__":
    if os.environ.get("BROKEN"):
        raise ImportError("no such library")
    child_main(work, get_ready)
"""


@pytest.fixture(autouse=True)
def child_module(tmp_path, monkeypatch):
    (tmp_path / "path" / "little").mkdir(parents=True)
    (tmp_path / "path" / "little" / "child.py").write_text(CHILD)
    paths = [str(tmp_path / "path"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("READY", str(tmp_path / "ready"))


def waiting(folder):
    """Return the process that is ready, once it is."""
    wait_for((folder / "ready").is_file)
    wait_for(lambda: (folder / "ready").read_text())
    return int((folder / "ready").read_text())


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_waiting_process_does_the_work_and_all_it_printed_is_in_the_log(tmp_path):
    events = []
    with started_ahead("little.child", "sft"):
        pid = waiting(tmp_path)
        result = run_stage("little.child", {"n": 1}, tmp_path / "work ü", on_event=events.append)
    assert result == {"pid": pid, "known": ["sft"], "job": {"n": 1}, "rest": ""}
    assert events == [{"event": "at work"}]
    assert (tmp_path / "work ü" / "stage.log").read_text() == "imported\nworks\n"


def test_it_does_one_job_and_the_next_starts_its_own(tmp_path):
    with started_ahead("little.child", "sft"):
        first, second = (run_stage("little.child", {}, tmp_path / name) for name in "ab")
    assert first["known"] == ["sft"] and second["known"] == [] and first["pid"] != second["pid"]


def test_another_interpreter_or_environment_starts_its_own(tmp_path):
    with started_ahead("little.child", "sft"):
        result = run_stage("little.child", {}, tmp_path / "a", env={"MORE": "1"})
    assert result["known"] == []


def test_one_that_is_not_needed_ends_with_the_block(tmp_path):
    with pytest.raises(RuntimeError, match="bad recipe"), started_ahead("little.child"):
        pid = waiting(tmp_path)
        raise RuntimeError("bad recipe")
    assert not is_there(pid)


def test_what_fails_while_it_gets_ready_is_left_to_the_work(tmp_path):
    with started_ahead("little.child", "broken"):
        assert run_stage("little.child", {}, tmp_path / "a")["known"] == ["broken"]


def test_one_that_does_not_come_up_is_told_with_its_own_words(tmp_path, monkeypatch):
    monkeypatch.setenv("BROKEN", "1")
    with started_ahead("little.child"), pytest.raises(StageError, match="no such library"):
        run_stage("little.child", {}, tmp_path / "a")


def test_it_ends_when_its_parent_is_killed(tmp_path):
    code = "import time; from flywheel.stage import started_ahead\nwith started_ahead('little.child'): time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code])
    pid = waiting(tmp_path)
    parent.kill()
    parent.wait()
    wait_for(lambda: not is_there(pid))
