"""What a process that was killed left in the journal is folded by the next that reads, and nobody at work is disturbed."""

import signal
import subprocess
import sys
import threading

import pytest
from flywheel.schema import ProblemRow
from flywheel.store import JournalWriter, Store, list_segments
from flywheel.store._own import tidying
from support import kill_group, run_cli, sql, start_cli, wait_for
from support_flow import ONE, make_flow_project


@pytest.fixture
def left(store):
    """A store, and in its journal a row of a process that is gone."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    writer = JournalWriter(store.project.journal)
    writer.append([ProblemRow("prb_1", "test", 1, "question", "1", None)])
    written = writer.path
    writer.close()
    written.rename(written.with_name(f"{written.stem.partition('-')[0]}-{gone.pid}.jsonl"))
    return store


def n_rows(store):
    return store.query("SELECT count(*) FROM problems")[0][0]


@pytest.mark.parametrize("command", ["sql", "status"])
def test_after_a_kill_what_was_answered_last_is_there_to_be_read(tmp_path, endpoint, none, command):
    folder = make_flow_project(tmp_path / "p", n=60, steps=ONE)
    server = endpoint(none, latency=0.1)
    run = start_cli(folder, "generate", env=server.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: len(server.answered()) >= 12)
    kill_group(run)
    counted = "select count(*) as n from requests"
    before = sql(folder, counted)[0]["n"]
    done = run_cli(folder, command, *([counted] if command == "sql" else []), check=0)
    after = sql(folder, counted)[0]["n"]
    assert before < after
    assert len(server.answered()) - 8 <= after, "all but what was in flight"
    if command == "sql":
        assert done.stdout.split() == ["n", str(after)]
    assert not list((folder / ".flywheel" / "journal").glob("*"))
    quick = endpoint(none)
    run_cli(folder, "generate", env=quick.env, check=0)
    assert len(quick.answered()) == 60 - after


def test_while_a_process_owns_the_project_its_journal_is_left_alone(left):
    with left.run_lock("a run"):
        Store(left.project).fold_left_behind()
        assert (n_rows(left), len(list_segments(left.project.journal))) == (0, 1)
    Store(left.project).fold_left_behind()
    assert (n_rows(left), list_segments(left.project.journal)) == (1, [])


def test_the_journal_of_a_live_process_that_owns_nothing_is_left_alone(left):
    left.append([ProblemRow("prb_2", "test", 2, "question", "2", None)])
    Store(left.project).fold_left_behind()
    assert (n_rows(left), len(list_segments(left.project.journal))) == (0, 2)


def test_a_run_that_starts_meanwhile_waits_and_is_not_refused(left):
    owned = threading.Event()

    def own():
        with Store(left.project).run_lock("a run"):
            owned.set()

    with tidying(left.project) as may_fold:
        assert may_fold
        run = threading.Thread(target=own)
        run.start()
        assert not owned.wait(0.3)
        with tidying(left.project) as may_too:
            assert not may_too, "one at a time"
    run.join(10)
    assert owned.is_set()


def test_a_store_that_another_program_holds_is_not_waited_for(left):
    code = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(left.project.store_path)], stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        assert holder.stdout.readline() == "held\n"
        Store(left.project).fold_left_behind()
        assert len(list_segments(left.project.journal)) == 1
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    Store(left.project).fold_left_behind()
    assert n_rows(left) == 1
