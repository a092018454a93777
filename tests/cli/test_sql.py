import csv
import io
import json
import re
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from support import HERE, make_mini_project, run_cli, sql

QUERY = "select step, count(*) as n from samples group by step order by step"


@pytest.mark.slow
def test_formats_go_to_standard_output_and_everything_else_to_standard_error(finished_run, tmp_path):
    as_json = sql(finished_run, QUERY)
    as_csv = run_cli(finished_run, "sql", "--format", "csv", QUERY, check=0)
    assert list(csv.reader(io.StringIO(as_csv.stdout))) == [["step", "n"], *[[r["step"], str(r["n"])] for r in as_json]]
    assert run_cli(finished_run, "sql", QUERY, check=0).stdout == as_csv.stdout
    table = run_cli(finished_run, "sql", "--format", "table", QUERY, check=0).stdout
    assert "on-policy" in table and "step" in table
    target = tmp_path / "out.parquet"
    done = run_cli(finished_run, "sql", "--format", "parquet", "--output", str(target), QUERY, check=0)
    assert pq.read_table(target).to_pylist() == as_json
    assert done.stdout == ""
    assert "2 rows" in done.stderr
    run_cli(finished_run, "sql", "--output", str(tmp_path / "out.json"), QUERY, check=0)
    assert json.loads((tmp_path / "out.json").read_text()) == as_json


@pytest.mark.slow
def test_the_readmes_query_tells_every_row_apart(finished_run):
    query = re.search(r'sql "(select .*?)"', (HERE.parent / "README.md").read_text())[1]
    rows = sql(finished_run, query)
    named = [(r["iteration"], r["stage"], r["suite"], r["split"], r["metric"]) for r in rows]
    assert len(set(named)) == len(rows) > 5


@pytest.mark.slow
def test_json_has_numbers_for_sums_and_keeps_columns_of_equal_name(finished_run):
    (row,) = sql(
        finished_run,
        "select sum(n_draws) as n, 1 as x, 2 as x_1, 3 as x, 1.5::decimal(4,2) as d from requests where step = 'solve'",
    )
    assert row == {"n": 320, "x": 1, "x_1": 2, "x_2": 3, "d": 1.5}


@pytest.mark.slow
def test_parquet_can_be_piped(finished_run, tmp_path):
    with (tmp_path / "piped.parquet").open("wb") as out:
        subprocess.run(
            [sys.executable, "-m", "flywheel", "-C", str(finished_run), "sql", "--format", "parquet", QUERY],
            stdout=out,
            check=True,
        )
    assert pq.read_table(tmp_path / "piped.parquet").num_rows == 2


@pytest.mark.slow
def test_queries_come_from_a_file_or_from_standard_input(finished_run, tmp_path):
    (tmp_path / "q.sql").write_text(QUERY)
    expected = run_cli(finished_run, "sql", QUERY, check=0).stdout
    assert run_cli(finished_run, "sql", "--file", str(tmp_path / "q.sql"), check=0).stdout == expected
    assert run_cli(finished_run, "sql", check=0, stdin=QUERY).stdout == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "query",
    [
        "delete from samples",
        "create table x (i int)",
        "copy samples to '/tmp/leak.csv'",
        "select * from read_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "attach '/tmp/other.duckdb'",
        "install httpfs",
        "set enable_external_access = true",
        "selec 1",
        "select * from no_such_table",
    ],
)
def test_what_writes_or_leaves_the_store_is_refused_with_a_message(finished_run, query):
    done = run_cli(finished_run, "sql", query)
    assert done.returncode == 2, done.stdout
    assert done.stdout == ""
    assert "cure:" in done.stderr


def test_a_folder_without_a_store_says_what_to_do(tmp_path):
    done = run_cli(tmp_path, "sql", "select 1", check=2)
    assert "flywheel init" in done.stderr
    missing = run_cli(tmp_path / "nowhere", "sql", "select 1", check=2)
    assert "project folder" in missing.stderr


@pytest.mark.slow
def test_it_answers_while_a_run_is_writing(tmp_path):
    folder = make_mini_project(tmp_path / "busy", iterations=1)
    run = subprocess.Popen(
        [sys.executable, "-m", "flywheel", "-C", str(folder), "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (folder / "flywheel.duckdb").exists():
        assert run.poll() is None
        time.sleep(0.05)
    counts, alive = [], 0
    for _ in range(50):
        alive += run.poll() is None
        done = run_cli(folder, "sql", "select count(*) from samples", check=0)
        counts.append(int(done.stdout.splitlines()[1]))
    _, err = run.communicate(timeout=300)
    assert run.returncode == 0, err
    assert "error" not in err.lower()
    assert counts == sorted(counts), "rows never disappear"
    assert alive >= 40, f"the run was on for only {alive} of 50 queries"


@pytest.mark.slow
def test_the_prompt_answers_shows_errors_and_goes_on(finished_run):
    """A real terminal: a wrong query, a right one over two lines, and the way out."""
    import os
    import pty
    import select

    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "flywheel", "-C", str(finished_run), "sql"],
        stdin=child,
        stdout=child,
        stderr=child,
        close_fds=True,
    )
    os.close(child)
    seen = b""

    def wait_for(text):
        nonlocal seen
        deadline = time.monotonic() + 60
        while text not in seen:
            assert time.monotonic() < deadline, seen.decode(errors="replace")
            if select.select([parent], [], [], 0.2)[0]:
                seen += os.read(parent, 65536)

    wait_for(b"flywheel>")
    os.write(parent, b"selec 1;\r")
    wait_for(b"cure:")
    os.write(parent, b"select 40 +\r")
    os.write(parent, b"2 as fortytwo;\r")
    wait_for(b"1 row, ")
    assert b"42" in seen
    os.write(parent, b".quit\r")
    assert process.wait(timeout=30) == 0
    os.close(parent)
