"""``flywheel sql``: parameters, and what a query may take: memory, time, and nothing outside of the store."""

import json
import time

import pytest
from flywheel.errors import QueryError
from flywheel.store import Limits, parse_bytes, read_value, run_query
from support import refused, run_cli

ENDLESS = "select count(*) from range(100000) a, range(1000000000) b where hash(a.range, b.range) % 7 = 1"


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("-5", -5), ("0.5", 0.5), ("1e3", 1000.0), ("true", True), ("NULL", None), ("solve", "solve"), ("'5'", "5"), ("", ""),
     ("2026-01-31", "2026-01-31"), ("12345678901234567890", "12345678901234567890"), ("it's", "it's"), ("'", "'")],
)  # fmt: skip
def test_values_are_what_they_look_like(text, value):
    read = read_value(text)
    assert (read, type(read)) == (value, type(value))


def test_parameters_reach_the_query_as_values(stored):
    query = "select $step as step, $n + 1 as n, $on as is_on, $none as none"
    params = ["-p", "step=it's; drop table samples", "-p", "n=41", "-p", "on=true", "--param", "none=null"]
    done = run_cli(stored, "sql", query, *params, "--format", "json", check=0)
    assert json.loads(done.stdout) == [{"step": "it's; drop table samples", "n": 42, "is_on": True, "none": None}]
    when = (
        "select count(*) as n from samples where created_at > $since and draw = $draw and step like $step limit $most"
    )
    run_cli(stored, "sql", when, "-p", "since=2026-01-31", "-p", "draw=0", "-p", "step=s%", "-p", "most=1", check=0)


def test_parameters_that_do_not_fit_are_refused(stored):
    refused(run_cli(stored, "sql", "select $a, $b", "-p", "a=1"), "$b", "-p b=…")
    refused(run_cli(stored, "sql", "select $a", "-p", "a=1", "-p", "c=1"), "$c")
    refused(run_cli(stored, "sql", "select 1", "-p", "c=1"), "no parameter")
    refused(run_cli(stored, "sql", "select $a", "-p", "a"), "NAME=VALUE")
    refused(run_cli(stored, "sql", "select $a", "-p", "a=1", "-p", "a=2"), "one value for $a")
    refused(run_cli(stored, "sql", "select count(*) from samples where step like $s", "-p", "s=5"), "sql")


def test_a_query_that_takes_too_long_is_interrupted(stored):
    started = time.monotonic()
    refused(run_cli(stored, "sql", ENDLESS, "--timeout", "1"), "within 1 s", "interrupted", "--timeout")
    assert time.monotonic() - started < 30


def test_rows_that_come_too_slowly_are_interrupted_too(store):
    rows = "select a.range from range(100000) a, range(1000000000) b where hash(a.range, b.range) % 100000 = 1"
    with pytest.raises(QueryError, match="interrupted"):
        run_query(store.project, rows, limits=Limits("1GB", 1.0))
    assert run_query(store.project, "select 1", limits=Limits("1GB", 1.0)).rows == [(1,)]


def test_a_query_that_takes_too_much_memory_is_refused(stored):
    wide = "select count(distinct i), count(distinct hash(i)) from range(30000000) t(i)"
    refused(run_cli(stored, "sql", wide, "--memory", "20MB"), "within 20MB", "--memory")


def test_a_result_that_takes_too_much_memory_is_refused(stored):
    refused(
        run_cli(stored, "sql", "from range(100000000)", "--memory", "50MB"),
        "within 50MB",
        "more than 50MB of rows",
        "--memory",
    )


def test_limits_can_be_lifted_and_are_told(stored):
    run_cli(stored, "sql", "from range(10)", "--memory", "0", "--timeout", "0", check=0)
    text = run_cli(stored, "sql", "--help", check=0).stdout
    assert "2GB" in text
    assert "300" in text
    refused(run_cli(stored, "sql", "select 1", "--memory", "much"), "--memory much", "GB")
    assert run_cli(stored, "sql", "select 1", "--timeout", "-1").returncode == 2
    assert (parse_bytes("1.5 KiB"), parse_bytes("2GB")) == (1536, 2 * 10**9)


@pytest.mark.parametrize(
    "query",
    [
        "attach '{dir}/other.duckdb' as other",
        "copy (select 1) to '{dir}/leak.csv'",
        "explain analyze copy (select 1) to '{dir}/leak.csv'",
        "export database '{dir}/leak'",
        "import database '{dir}'",
        "select * from read_csv('{dir}/secret.csv')",
        "select * from '{dir}/secret.csv'",
        "select * from read_text('{dir}/secret.csv')",
        "select * from read_blob('{dir}/secret.csv')",
        "select * from read_json('{dir}/secret.csv')",
        "select * from read_parquet('{dir}/secret.csv')",
        "select * from sniff_csv('{dir}/secret.csv')",
        "select * from glob('{dir}/*')",
        "select * from read_csv('http://127.0.0.1:9/x.csv')",
        "select * from query('select * from read_text(''{dir}/secret.csv'')')",
        "select * from duckdb_secrets()",
        "install httpfs",
        "load httpfs",
        "set memory_limit = '100GB'",
        "set enable_external_access = true",
        "reset memory_limit",
        "pragma memory_limit='100GB'",
        "pragma enable_profiling='json'",
        "call enable_logging(storage='file', storage_path='{dir}/leak')",
        "create temp table t as select 1",
        "create secret s (type http)",
        "insert into plans select * from plans",
        "update samples set step = 'x'",
        "drop table samples",
        "alter table samples add column x int",
        "comment on table samples is 'x'",
        "use memory",
        "detach flywheel",
    ],
)  # fmt: skip
def test_nothing_outside_of_the_store_can_be_reached_and_nothing_changed(store, tmp_path, query):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("a,b\nTOPSECRET,2\n")
    with pytest.raises(QueryError) as caught:
        run_query(store.project, query.format(dir=outside), limits=Limits("1GB", 10.0))
    assert "TOPSECRET" not in str(caught.value)
    assert [f.name for f in outside.iterdir()] == ["secret.csv"]
