"""What machines that train together know of each other: what is trained, that it is over, that one of them failed."""

import json
import sys
import threading
import time

import pytest
from flywheel.errors import RecipeError, StageError
from flywheel.stage import leave_failure, run_stage, write_json
from flywheel.train import _machines
from flywheel.train._machines import ANNOUNCED, Launch, _Heard, announced, read_launch


def make_launch(folder, text="num_machines: 2\nnum_processes: 4\n", env=None):
    config = folder / "accelerate.yaml"
    config.write_text(text)
    return read_launch(config, env or {})


def test_how_many_machines_and_where_they_meet_comes_from_the_config_else_the_environment(tmp_path):
    found = make_launch(tmp_path, env={"MASTER_ADDR": "node-0", "MASTER_PORT": "1234"})
    assert (found.machines, found.processes, found.address, found.port) == (2, 4, "node-0", 1234)
    assert found.command(1)[-6:] == [
        "--machine_rank",
        "1",
        "--main_process_ip",
        "node-0",
        "--main_process_port",
        "1234",
    ]
    own = make_launch(
        tmp_path,
        "{num_machines: 2, num_processes: 2, main_process_ip: 10.0.0.1, main_process_port: 7}",
        {"MASTER_ADDR": "x"},
    )
    assert (own.address, own.port) == ("10.0.0.1", 7)
    assert "--machine_rank" not in make_launch(tmp_path, "num_processes: 2").command(0)
    with pytest.raises(RecipeError, match="num_processes: 3, num_machines: 2"):
        make_launch(tmp_path, "{num_machines: 2, num_processes: 3}")
    with pytest.raises(RecipeError, match="what accelerate config writes"):
        make_launch(tmp_path, "- 1")


def test_what_a_kill_left_announced_is_not_joined_and_what_is_not_heard_of_any_more_is_over(tmp_path, monkeypatch):
    heard, told = _Heard(tmp_path), {"attempt": "a", "beat": 4}
    assert heard.listen() is None
    write_json(tmp_path / ANNOUNCED, told)
    assert heard.listen() is None and heard.listen() is None, "nobody writes it"
    write_json(tmp_path / ANNOUNCED, told | {"beat": 5})
    assert heard.listen() == told | {"beat": 5}
    write_json(tmp_path / ANNOUNCED, {"attempt": "b", "beat": 0})
    assert heard.listen() is None, "another one, of which it is not known yet whether it lives"
    write_json(tmp_path / ANNOUNCED, {"attempt": "b", "beat": 1})
    assert heard.listen() is not None
    monkeypatch.setattr(_machines, "LOST_S", 0.0)
    time.sleep(0.01)
    assert heard.listen() is None


def test_a_training_is_announced_while_it_lasts(tmp_path, monkeypatch):
    monkeypatch.setattr(_machines, "BEAT_S", 0.01)
    launch, heard = make_launch(tmp_path), _Heard(tmp_path)
    with announced(tmp_path, launch, "a.child", tmp_path / "job", None):
        until = time.monotonic() + 10
        while (told := heard.listen()) is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert told["folder"] == str(tmp_path / "job") and told["module"] == "a.child"
        assert Launch(**told["launch"]).machines == 2
    assert heard.listen() is None and not (tmp_path / ANNOUNCED).exists()


def test_a_failure_on_another_machine_ends_the_training_here_and_is_told(tmp_path, monkeypatch):
    """The processes here wait for the other's, as in a collective operation: for ever."""
    from flywheel.stage import _parent

    monkeypatch.setattr(_parent, "GRACE_S", 0.3)
    (tmp_path / "waiting").mkdir()
    (tmp_path / "waiting" / "child.py").write_text("import time; print('waiting', flush=True); time.sleep(600)")
    work, log = tmp_path / "work", tmp_path / "machine-1.log"
    log.write_text("one\nRuntimeError: no such device\n")
    timer = threading.Timer(1.0, leave_failure, (work, 1, "machine 1 of 2", log, 1))
    timer.start()
    began = time.monotonic()
    with pytest.raises(StageError, match="machine 1 of 2: exit code 1") as caught:
        run_stage("waiting.child", {}, work, env={"PYTHONPATH": str(tmp_path)}, python=sys.executable)
    assert "no such device" in str(caught.value) and "waiting" in str(caught.value)
    assert time.monotonic() - began < 60
    assert json.loads((work / "failed-1.json").read_text())["died"] == "exit code 1"
