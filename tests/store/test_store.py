import json
import subprocess
import sys

import duckdb
import pytest
from flywheel.errors import DiskFullError, RunInProgressError, StoreError, StoreLockedError, StoreVersionError
from flywheel.schema import DropRow, ProblemRow
from flywheel.store import JournalWriter, Store, latest_version, list_migrations, list_segments, read_frames
from support import HOLD, run_cli


def problem(i):
    return ProblemRow(f"prb_{i}", "test", i, f"question {i}", str(i), None)


def count(store):
    return store.query("SELECT count(*), count(DISTINCT problem_id) FROM problems")[0]


def hold(path, seconds):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    return process


def test_rows_are_in_the_journal_before_they_are_in_the_store(store):
    store.append([problem(1)])
    assert count(store) == (0, 0)
    (segment,) = list_segments(store.project.journal)
    assert [json.loads(f.rows["problems"][0])["problem_id"] for f in read_frames(segment, 0)] == ["prb_1"]
    store.fold()
    assert count(store) == (1, 1)


def test_folding_again_doubles_nothing(store):
    for i in range(5):
        store.append([problem(i)])
        store.fold()
        store.fold()
    assert count(store) == (5, 5)


def test_a_torn_last_line_is_void_and_everything_before_it_counts(store):
    store.append([problem(1)])
    store.append([problem(2)])
    (segment,) = list_segments(store.project.journal)
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-7])
    assert len(list(read_frames(segment, 0))) == 1
    again = Store(store.project).open()
    assert count(again) == (1, 1)


def test_a_group_is_on_record_whole_or_not_at_all(store):
    store.append([problem(i) for i in range(10)])
    (segment,) = list_segments(store.project.journal)
    segment.write_bytes(segment.read_bytes()[:-1])
    assert count(Store(store.project).open()) == (0, 0)


def test_a_damaged_line_becomes_a_drop_and_costs_no_other(store):
    store.append([problem(1)])
    store.append([problem(2)])
    (segment,) = list_segments(store.project.journal)
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(lines[0].replace(b"question 1", b"question X") + lines[1])
    again = Store(store.project).open()
    assert count(again) == (1, 1)
    ((reason, raw),) = again.query("SELECT reason, raw FROM drops")
    assert reason == "damaged journal line"
    assert "question X" in raw


def test_a_fold_killed_between_commit_and_removal_doubles_nothing(store):
    store.append([problem(1)])
    (segment,) = list_segments(store.project.journal)
    content = segment.read_bytes()
    again = Store(store.project).open()
    assert not segment.exists()
    segment.write_bytes(content)
    assert count(Store(store.project).open()) == (1, 1)
    assert count(again) == (1, 1)


def test_another_program_that_holds_the_file_delays_the_fold_but_not_the_rows(store):
    holder = hold(store.project.store_path, 60)
    try:
        store._folded_at = 0.0
        store.append([problem(1)])
        assert len(list_segments(store.project.journal)) == 1
    finally:
        holder.kill()
        holder.wait()
    store.fold()
    assert count(store) == (1, 1)


def test_a_lock_that_does_not_end_is_an_error_that_names_the_process(project):
    project.root.mkdir()
    store = Store(project, patience_s=0.3).open()
    holder = hold(project.store_path, 60)
    try:
        with pytest.raises(StoreLockedError, match=rf"process {holder.pid}\b"):
            store.query("SELECT 1")
    finally:
        holder.kill()
        holder.wait()


def test_a_lock_that_ends_is_waited_for(store):
    holder = hold(store.project.store_path, 0.5)
    assert store.query("SELECT 41 + 1") == [(42,)]
    holder.wait()


def test_a_store_from_a_newer_flywheel_is_refused_and_left_alone(store):
    with store.write() as connection:
        connection.execute("INSERT INTO migrations VALUES (9999, '9999_future.sql', now())").fetchall()
    with pytest.raises(StoreVersionError, match="schema version 9999"):
        Store(store.project).open()
    done = run_cli(store.project.root, "sql", "SELECT 1")
    assert done.returncode == 2
    assert "pip install --upgrade" in done.stderr


def test_a_file_that_is_no_database_is_an_error_with_a_cure(project):
    project.make_folders()
    project.store_path.write_bytes(b"not a database at all" * 1000)
    with pytest.raises((StoreError, StoreVersionError)):
        Store(project).open()


def test_a_store_of_the_first_schema_is_brought_up_to_date(project):
    project.make_folders()
    _, name, first = list_migrations()[0]
    with duckdb.connect(str(project.store_path)) as connection:
        connection.execute("CREATE TABLE migrations (version INTEGER PRIMARY KEY, name VARCHAR, applied_at TIMESTAMP)")
        connection.execute(first).fetchall()
        connection.execute("INSERT INTO migrations VALUES (1, ?, now())", [name]).fetchall()
        recipe = '{"problems": {"source": "p.jsonl"}}'
        connection.execute(
            "INSERT INTO runs VALUES ('run_1', 'x', 1, 'seed', 'c', ?, '{}', now())", [recipe]
        ).fetchall()
        connection.execute("INSERT INTO problems VALUES ('prb_1', 'p.jsonl', 0, 'q', '1', NULL)").fetchall()
        connection.execute("INSERT INTO plans VALUES ('run_1', 0, 'problems', 0, 'p.jsonl', 1)").fetchall()
    store = Store(project).open()
    assert store.query("SELECT max(version) FROM migrations") == [(latest_version(),)]
    assert store.query("SELECT step, entered, kept, dropped FROM funnel") == [("problems", 1, 1, 0)]
    store.close()


def test_migrations_are_recorded(store):
    assert store.query("SELECT max(version) FROM migrations") == [(latest_version(),)]


def test_a_failed_transaction_leaves_no_trace(store):
    with pytest.raises(RuntimeError), store.write() as connection:
        connection.execute("INSERT INTO plans VALUES ('r', 1, 's', 0, 'i', 1)").fetchall()
        raise RuntimeError
    assert store.query("SELECT count(*) FROM plans") == [(0,)]


def test_a_full_disk_is_an_error_and_the_journal_stays_readable(tmp_path, monkeypatch):
    journal = JournalWriter(tmp_path)
    journal.append([problem(1)])
    segment = journal.path
    import os as real_os

    write = real_os.write
    monkeypatch.setattr("flywheel.store._journal.os.write", lambda fd, data: write(fd, data[: len(data) // 2]))
    with pytest.raises(DiskFullError, match="free some space"):
        journal.append([problem(2)])
    monkeypatch.undo()
    journal.append([problem(3)])
    kept = [json.loads(f.rows["problems"][0])["problem_id"] for s in list_segments(tmp_path) for f in read_frames(s, 0)]
    assert kept == ["prb_1", "prb_3"]
    assert segment != journal.path


def test_a_journal_that_cannot_be_opened_is_an_error_with_a_cure(tmp_path):
    (tmp_path / "journal").write_text("in the way")
    with pytest.raises(StoreError, match="make it writable"):
        JournalWriter(tmp_path / "journal").append([problem(1)])


def test_a_plan_is_kept_and_one_that_may_grow_takes_each_input_once(store):
    def planned(step):
        return store.query("SELECT input_id, n FROM plans WHERE step = ? ORDER BY ALL", [step])

    store.fix_plan("run-1", 1, "solve", [("a", 2), ("b", 2)])
    store.fix_plan("run-1", 1, "solve", [("c", 1)])
    assert planned("solve") == [("a", 2), ("b", 2)]
    store.fix_plan("run-1", 1, "import", [("a", 2)], grow=True)
    store.fix_plan("run-1", 1, "import", [("a", 5), ("b", 1)], grow=True)
    assert planned("import") == [("a", 2), ("b", 1)]


def test_one_run_at_a_time(project):
    first, second = Store(project), Store(project)
    with first.run_lock("first"), pytest.raises(RunInProgressError, match=r"\(first\)"), second.run_lock("second"):
        pytest.fail("two owners")
    with second.run_lock("second"):
        pass


def test_insert_keeps_what_is_there(store):
    row = {"template_id": "t", "name": "a", "source": None, "text": "x"}
    assert store.insert("templates", [row], key="template_id") == 1
    assert store.insert("templates", [{**row, "text": "y"}], key="template_id") == 0
    assert store.query("SELECT text FROM templates") == [("x",)]


def test_reading_works_while_a_crashed_writers_wal_is_there(project, tmp_path):
    project.root.mkdir()
    Store(project).open()
    script = (
        "import duckdb, os, sys; c = duckdb.connect(sys.argv[1], config={'checkpoint_threshold': '1TB'});"
        "c.execute(\"INSERT INTO plans VALUES ('r', 1, 's', 0, 'i', 1)\").fetchall(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(project.store_path)], check=False)
    assert Store(project).query("SELECT count(*) FROM plans") == [(1,)]


def test_many_rows_fold_in_parts(store, monkeypatch):
    monkeypatch.setattr("flywheel.store._store.FOLD_BATCH_ROWS", 7)
    for i in range(50):
        store.append([problem(i), DropRow(f"d{i}", None, None, "s", "r", "i", None, None)])
    store.fold()
    assert count(store) == (50, 50)


def test_folds_of_several_threads_double_nothing(store):
    import threading

    for i in range(30):
        store.journal(*[[problem(100 * i + k)] for k in range(100)])
        threads = [threading.Thread(target=store.fold) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert count(store) == (3000, 3000)


def test_threads_of_one_process_take_turns_at_the_file(store):
    import threading

    failed = []

    def work(act):
        try:
            for _ in range(40):
                act()
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failed.append(error)

    store.append([problem(i) for i in range(100)])
    acts = [store.fold, lambda: store.query("SELECT count(*) FROM problems"), lambda: store.insert_all("plans", [])]
    threads = [threading.Thread(target=work, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for i in range(40):
        store.journal([problem(1000 + i)])
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_sequence_of_small_queries_opens_the_file_once(project, monkeypatch):
    from flywheel.store import _lease

    opened = []
    real = _lease._open
    monkeypatch.setattr(_lease, "_open", lambda path, write, *rest: opened.append(write) or real(path, write, *rest))
    store = Store(project).open()
    opened.clear()
    with store.kept_open():
        with store.write() as connection:
            connection.execute("INSERT INTO templates VALUES ('a', 'a', NULL, 'a')").fetchall()
        assert store.query("SELECT count(*) FROM templates") == [(1,)]
        with pytest.raises(ZeroDivisionError), store.write() as connection:
            connection.execute("INSERT INTO templates VALUES ('b', 'b', NULL, 'b')").fetchall()
            raise ZeroDivisionError
        assert store.query("SELECT count(*) FROM templates") == [(1,)], "a write is a transaction of its own"
    assert opened == [True, False], "a write that was rolled back ends its connection"
    opened.clear()
    store.query("SELECT 1")
    assert opened == [False], "nothing is kept after the block"


def test_a_lease_inside_a_write_is_refused(project):
    """Two openings of one file in a process would not see each other's lock."""
    store = Store(project).open()
    with store.write(), pytest.raises(RuntimeError, match="for writing, and another"):
        store.query("SELECT 1")


def test_rows_lie_in_small_groups_so_that_a_fold_takes_little_memory(project):
    store = Store(project).open()
    for _ in range(2):
        store.insert_all(
            "plans",
            [
                {"run_id": "r", "iteration": 1, "step": "s", "ordinal": i, "input_id": str(i), "n": 1}
                for i in range(20_000)
            ],
        )
    ((groups, most),) = store.query(
        "SELECT count(*), max(n) FROM (SELECT row_group_id, max(start + count) AS n FROM pragma_storage_info('plans') WHERE column_name = 'n' GROUP BY 1)"
    )
    assert groups >= 9
    assert most <= 4096


def test_our_own_questions_take_little_memory_and_more_where_that_is_too_little(project, monkeypatch):
    from flywheel.store import _query, run_frugally

    Store(project).open().close()
    seen, real = [], _query.run_query
    monkeypatch.setattr(
        _query, "run_query", lambda *a, **k: seen.append(k["limits"].memory if "limits" in k else None) or real(*a, **k)
    )
    assert run_frugally(project, "SELECT current_setting('memory_limit')").rows == [("61.0 MiB",)]
    many = "SELECT len(list(i ORDER BY hash(i))) FROM range(8000000) t(i)"  # a list has to be whole in memory
    assert run_frugally(project, many).rows == [(8000000,)]
    assert seen == ["64MB", "64MB", None]
