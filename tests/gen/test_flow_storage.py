"""What a disk, a clock and other programs do to ``flywheel generate``."""

import os
import resource
import subprocess
import sys
import time

from flywheel.schema import ProblemRow
from flywheel.store import JournalWriter, list_segments
from support import run_cli, sql
from support_flow import STEPS, make_flow_project

ONE = STEPS[:1]
HOLD = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('held', flush=True); time.sleep(float(sys.argv[2]))"


def generate(folder, env, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "flywheel", "-C", str(folder), "generate"],
        env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


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
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder / "flywheel.duckdb"), "8"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline().strip() == "held"
        while len(server.answered()) < 200:
            assert holder.poll() is None, "the answers waited for the lock"
            time.sleep(0.02)
        assert run.poll() is None
    finally:
        holder.wait()
        holder.stdout.close()
    _, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert sql(folder, "select count(*) as n from requests") == [{"n": 200}]


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
