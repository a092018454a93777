"""The command line's own edge: wrong words, signals, and a system that refuses, each with its message and exit code."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from flywheel.errors import explain_os_error
from support import change, refused, run_cli


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (("statsu",), ("flywheel statsu", "did you mean 'status'?")),
        (("run", "--iteration", "3"), ("flywheel run: --iteration", "did you mean '--iterations'?")),
        (("run", "--iterations", "0"), ("flywheel run: --iterations", "1 or more")),
        (("run", "--more", "1", "--iterations", "2"), ("one of --iterations and --more", "received: both")),
        (("stop", "--wait", "-1"), ("--wait", "a number, 0 or more")),
        (("pairs", "--near", "2"), ("--near", "a number from 0 to 1")),
        (("run", "--seed", "x"), ("flywheel run: --seed", "a whole number")),
        (("ui", "--port", "99999"), ("flywheel ui: --port", "a whole number from 0 to 65535")),
        (("run", "--seed", "9" * 23), ("--seed", "9223372036854775807 or less")),
        (("run", "--seed", "-1"), ("--seed", "0 or more")),
        (("train", "--method", "dop"), ("one of sft, dpo", "did you mean 'dpo'?")),
        (("train", "--imported"), ("--method dpo",)),
        (("import",), ("FILE", "nothing")),
        (("import", "/nonexistent.jsonl"), ("no such file", "on the command line")),
        (("sql", "select 1", "select 2"), ("unexpected extra argument",)),
        (("run", "--recipe", "/nowhere.yaml"), ("recipe /nowhere.yaml", "cure: check --recipe")),
        (("run", "--recipe", "/"), ("received: a folder",)),
    ],
)
def test_a_wrong_command_line_is_explained_like_any_mistake(mini, args, parts):
    done = run_cli(mini, *args)
    refused(done, *parts)
    assert "started" not in done.stderr


def test_a_project_folder_that_is_a_file_or_missing(mini, tmp_path):
    refused(run_cli(mini / "recipe.yaml", "status"), "received: a file")
    gone = tmp_path / "gone"
    refused(run_cli(gone, "status"), "no such folder", f"flywheel -C {gone} init")
    refused(run_cli(tmp_path, "run"), f"flywheel -C {tmp_path} init")


def test_no_command_shows_the_help(tmp_path):
    done = subprocess.run([sys.executable, "-m", "flywheel"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "Commands:" in done.stderr
    refused(run_cli(tmp_path), "one of init, recipes, run", "no command")


def test_what_the_system_refuses_has_all_four_parts(mini):
    (mini / ".flywheel").write_text("a file where a folder has to be")
    refused(run_cli(mini, "run"), f"{mini}/.flywheel", "a folder", "move away the file", code=1)
    refused(run_cli("/proc", "init"), "/proc/", "check the path", code=1)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, errno.EIO])
def test_every_refusal_of_the_system_has_words(number):
    refusal = explain_os_error(OSError(number, os.strerror(number)))
    assert all(refusal)
    assert refusal.received == os.strerror(number)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_recipe_that_may_not_be_read_is_the_users_to_mend(mini):
    (mini / "recipe.yaml").chmod(0)
    refused(run_cli(mini, "run"), "recipe.yaml", "Permission denied")


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_with_a_word_its_exit_code_and_nothing_lost(mini, endpoint, number, code, word):
    change(mini, engine={"kind": "openai", "concurrency": 2}, solve={"draws": 1, "problems": 100}, train={"dpo": None})
    server = endpoint(mini / "problems.jsonl", latency=0.1)
    run = subprocess.Popen(
        [sys.executable, "-m", "flywheel", "-C", str(mini), "run"],
        env={**os.environ, **server.env}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while len(server.answered()) < 5:
        assert run.poll() is None
        time.sleep(0.02)
    run.send_signal(number)
    _, told = run.communicate(timeout=30)
    assert run.returncode == code, told
    assert f"{word}: everything answered is kept; the same command goes on from here" in told
    assert "Traceback" not in told
    run_cli(mini, "generate", env=server.env, check=0)
    assert len(server.answered()) == len(set(server.answered())), "what was in flight is saved, not asked again"


def test_a_signal_while_the_process_leaves_changes_nothing():
    leave = """
import atexit, os, signal, sys
from flywheel.cli import main
atexit.register(os.kill, os.getpid(), signal.SIGTERM)
atexit.register(os.kill, os.getpid(), signal.SIGINT)
sys.argv = ["flywheel", "no-such-command"]
main()
"""
    done = subprocess.run([sys.executable, "-c", leave], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert "no such command" in done.stderr
    assert "Traceback" not in done.stderr
