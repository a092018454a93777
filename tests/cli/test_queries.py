"""Queries of ``flywheel sql`` that are none, or that do more than read; and stores that are damaged."""

import os

import pytest
from flywheel.schema import utc_now
from flywheel.store import Project, Store
from support import refused, run_cli


@pytest.mark.parametrize("query", ["", "   ", ";", "-- only a comment", "/* nothing */ ;"])
def test_no_query_is_a_mistake(stored, query):
    refused(run_cli(stored, "sql", query), "received: nothing")
    refused(run_cli(stored, "sql", stdin=query), "received: nothing")


def test_of_two_queries_none_is_run_half(stored):
    done = run_cli(stored, "sql", "select 1; select 2")
    refused(done, "2 queries", "one by one")
    assert done.stdout == ""


@pytest.mark.parametrize(
    "query",
    [
        "checkpoint",
        "begin",
        "create temp table t (i int)",
        "prepare v as select 1",
        "vacuum",
        "set threads = 1",
        "load json",
    ],
)
def test_what_does_more_than_read_is_refused(stored, query):
    done = run_cli(stored, "sql", query)
    refused(done, "only reads")
    assert done.stdout == ""


@pytest.mark.parametrize(
    "query",
    ["show tables", "describe samples", "explain select 1", "from range(3)", "values (1)", "table requests",
     "summarize samples", "with a as (select 1) from a", "pivot (select 1 a, 2 b) on a using sum(b)", "pragma version"],
)  # fmt: skip
def test_whatever_reads_is_answered(stored, query):
    assert run_cli(stored, "sql", query, check=0).stdout


@pytest.mark.parametrize("query", ["-- c\nselect 7 as x", "--c\nselect 7 as x", "--c\n--d\nselect 7 as x;"])
def test_a_query_may_begin_with_a_comment(stored, query):
    assert run_cli(stored, "sql", query, check=0).stdout == "x\n7\n"
    assert run_cli(stored, "sql", "--", query, check=0).stdout == "x\n7\n"


def test_a_query_file_that_is_no_text_missing_or_a_folder(stored, tmp_path):
    (tmp_path / "latin1.sql").write_bytes("select 1\n-- caf\xe9".encode("latin-1"))
    refused(run_cli(stored, "sql", "-f", str(tmp_path / "latin1.sql")), "latin1.sql:2", "UTF-8")
    refused(run_cli(stored, "sql", "-f", str(tmp_path / "gone.sql")), "no such file")
    refused(run_cli(stored, "sql", "-f", str(tmp_path)), "a folder")


@pytest.mark.parametrize("command", [("sql", "select 1"), ("status",), ("eval",)])
@pytest.mark.parametrize("how", ["text", "empty", "folder"])
def test_a_store_that_is_none_says_what_to_do_with_it(stored, how, command):
    store = stored / "flywheel.duckdb"
    store.unlink()
    store.mkdir() if how == "folder" else store.write_text("no store\n" if how == "text" else "")
    refused(run_cli(stored, *command), f"store {store}", "move the", code=1)


@pytest.mark.parametrize("command", [("sql", "from problems"), ("status",), ("eval",)])
def test_a_store_that_was_cut_off_is_a_broken_store_and_not_a_wrong_query(stored, command):
    store = Store(Project(stored))
    row = {"source": "problems.jsonl", "answer": "1", "solution": ""}
    many = [{**row, "problem_id": str(i), "source_ordinal": i, "question": os.urandom(600).hex()} for i in range(3000)]
    store.insert_all("problems", many)
    run = {"run_id": "run_x", "name": "x", "seed": 1, "model": "seed", "base_checkpoint_id": "ckpt_x", "recipe": "{}"}
    store.insert_all("runs", [{**run, "versions": "{}", "started_at": utc_now()}])
    path = stored / "flywheel.duckdb"
    os.truncate(path, path.stat().st_size // 3)
    refused(run_cli(stored, *command), f"store {path}", "backup", code=1)


def test_intervals_are_written_as_duckdb_writes_them(stored, tmp_path):
    query = "select interval '400 days 3 hours' as a, 1 as a, null::interval as e"
    assert run_cli(stored, "sql", query, check=0).stdout == "a,a_1,e\n400 days 03:00:00,1,\n"
    run_cli(stored, "sql", "--output", str(tmp_path / "a.parquet"), query, check=0)
