"""What a disk, a clock and other programs do to ``flywheel generate``."""

import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from flywheel.schema import ProblemRow
from flywheel.store import JournalWriter, list_segments
from support import HOLD, JUMPS, refused, run_cli, sql
from support_flow import ONE, add_up, make_flow_project

READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


def read_only(place):
    """Return the words before a command that sees ``place`` read-only; skip where only a greater user may mount."""
    mounted = ["unshare", "--mount", "sh", "-c", READ_ONLY, str(place)]
    if subprocess.run([*mounted, "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a folder read-only")
    return mounted


def generate(folder, env, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "flywheel", "-C", str(folder), "generate"],
        env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


@contextmanager
def held(path, seconds):
    """Another program's lock on the store, for so long."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline().strip() == "held"
        yield holder
    finally:
        holder.wait()
        holder.stdout.close()


def test_a_full_disk_stops_with_its_cure_and_costs_nothing_answered(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=2000, steps=ONE, engine={"concurrency": 16})
    size = (folder / "flywheel.duckdb").stat().st_size
    server = endpoint(none)

    def small_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 600_000, resource.RLIM_INFINITY))

    done = generate(folder, server.env, preexec_fn=small_disk)
    out, err = done.communicate(timeout=60)
    assert done.returncode == 1, out
    assert "free some space" in err
    assert "Traceback" not in err
    answered = len(server.answered())
    assert answered < 2000
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) - 2000 <= 3 * 16, "in flight, or come back with no room to be written down"
    (row,) = sql(folder, "select entered, kept, dropped from funnel where step = 'notes'")
    assert row["entered"] == row["kept"] + row["dropped"] == 2000


def test_a_store_that_another_program_holds_delays_the_fold_not_the_answers(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=200, steps=ONE)
    server = endpoint(none, latency=0.1)
    run = generate(folder, server.env)
    while not server.answered():
        time.sleep(0.02)
    with held(folder / "flywheel.duckdb", 8) as holder:
        while len(server.answered()) < 200:
            assert holder.poll() is None, "the answers waited for the lock"
            time.sleep(0.02)
        assert run.poll() is None
    _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert sql(folder, "select count(*) as n from requests") == [{"n": 200}]


@pytest.mark.slow
def test_a_store_held_for_a_minute_costs_time_and_nothing_else(tmp_path, endpoint, none):
    """More inputs than are read ahead: the run waits for the lock, says so, and goes on."""
    folder = make_flow_project(tmp_path / "p", n=3000, steps=ONE, engine={"concurrency": 32})
    server = endpoint(none)
    run = generate(folder, server.env)
    while not server.answered():
        time.sleep(0.02)
    with held(folder / "flywheel.duckdb", 61):
        pass
    _, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert "waiting for the store's file lock, held by process" in err
    assert len(server.answered()) == 3000
    assert add_up(folder)["notes"]["entered"] == 3000


@pytest.mark.parametrize("what", [".", "flywheel.duckdb"])
def test_a_project_or_store_that_is_read_only_is_told_before_anything_is_asked(tmp_path, endpoint, none, what):
    folder = make_flow_project(tmp_path / "p", n=3, steps=ONE)
    server = endpoint(none)
    command = [*read_only(folder / what), sys.executable, "-m", "flywheel", "-C", str(folder), "generate"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **server.env})
    refused(done, code=1)
    assert "read-only" in done.stderr.lower()
    assert not server.answered()
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == 3


def test_a_project_that_is_read_only_answers_queries_and_keeps_its_journal(tmp_path):
    folder = make_flow_project(tmp_path / "p", n=3, steps=ONE)
    mounted = read_only(folder)
    journal = folder / ".flywheel" / "journal"
    writer = JournalWriter(journal)
    writer.append([ProblemRow("prb_1", "test", 1, "q", "a", None)])
    writer.path.rename(journal / f"{1:020d}-999999999.jsonl")
    command = [*mounted, sys.executable, "-m", "flywheel", "-C", str(folder), "sql", "select count(*) from chunks"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[-1]) == (0, "3"), done.stderr
    assert len(list_segments(journal)) == 1


def test_a_clock_that_jumps_to_and_fro_changes_no_row(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=300)
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(JUMPS)
    paths = [str(tmp_path / "path"), *filter(None, [os.environ.get("PYTHONPATH")])]
    server = endpoint(none, faults="429=0.1")
    run_cli(folder, "generate", env={**server.env, "PYTHONPATH": os.pathsep.join(paths)}, check=0)
    again = make_flow_project(tmp_path / "again", n=300)
    run_cli(again, "generate", env=endpoint(none).env, check=0)
    query = "select sample_id, completion from samples order by all"
    assert sql(folder, query) == sql(again, query)
    assert add_up(folder) == add_up(again)


def test_a_clock_that_jumps_back_loses_no_segment(tmp_path, store, monkeypatch):
    rows = [ProblemRow(f"prb_{i}", "test", i, "q", "a", None) for i in range(4)]
    for i, moment in enumerate((5_000, 4_000, 6_000, 1)):
        monkeypatch.setattr("flywheel.store._journal.time.time_ns", lambda at=moment: at)
        writer = JournalWriter(store.project.journal)
        writer.append([rows[i]])
        writer.close()
    assert len(list_segments(store.project.journal)) == 4
    store.fold()
    assert store.query("SELECT count(DISTINCT problem_id) FROM problems") == [(4,)]
