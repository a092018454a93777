"""Documents that came since the last turn: which rows a step takes in an iteration after the first."""

import pytest
from flywheel.schema import ChunkRow, DocumentChunkRow, DocumentRow, utc_now
from flywheel.store import Project, Store
from support import refused, run_cli, sql
from support_flow import make_flow_project, write_recipe


def steps(**keys):
    return [{"step": "notes", "generator": "own.py:note", **keys}]


def ingest(folder, numbers):
    """Bring a second document in."""
    store = Store(Project(folder)).open()
    rows = [DocumentRow("doc_b", "b.txt", 1, "txt", None, None, "b", 0, len(numbers), "{}")]
    for i in numbers:
        rows.append(ChunkRow(f"chk_{i:024d}", "b.txt", f"Passage {i}.", "", 8))
        rows.append(DocumentChunkRow("doc_b", i, f"chk_{i:024d}", 0, 1, None, None, None, None))
    store.append(rows)
    store.close()


def finish(folder, iteration):
    """Close an iteration, as flywheel run does when all of it is done."""
    store = Store(Project(folder)).open()
    ((run_id,),) = store.query("SELECT run_id FROM runs")
    now = utc_now()
    with store.write() as connection:
        connection.execute("DELETE FROM iterations WHERE iteration = ?", [iteration]).fetchall()
    ended = {
        "iteration": iteration,
        "champion_before": "a",
        "champion_after": "a",
        "started_at": now,
        "finished_at": now,
    }
    store.insert_all("iterations", [{"run_id": run_id, **ended}])
    store.close()


def taken(folder, iteration):
    query = f"select input_id from plans where iteration = {iteration} and step = 'notes' order by ordinal"
    return [int(r["input_id"].removeprefix("chk_")) for r in sql(folder, query)]


def turn_twice(folder, env, *, more=range(10, 14)):
    run_cli(folder, "generate", env=env, check=0)
    finish(folder, 1)
    if more:
        ingest(folder, more)
    run_cli(folder, "generate", env=env, check=0)


@pytest.mark.parametrize(
    ("keys", "first", "second"),
    [
        ({}, list(range(10)), list(range(14))),
        ({"limit": 6}, list(range(6)), list(range(6))),
        ({"take": "new"}, list(range(10)), list(range(10, 14))),
        ({"take": "new_first"}, list(range(10)), [*range(10, 14), *range(10)]),
        ({"take": "new_first", "limit": 6}, list(range(6)), list(range(6, 12))),
        ({"take": "new_first", "limit": 9}, list(range(9)), [*range(9, 14), *range(4)]),
        ({"take": "new", "limit": 9, "where": f"chunk_id <> 'chk_{11:024d}'"}, list(range(9)), [9, 10, 12, 13]),
    ],
)  # fmt: skip
def test_the_second_iteration_takes_what_the_key_says(tmp_path, endpoint, none, keys, first, second):
    folder = make_flow_project(tmp_path / "p", n=10, steps=steps(**keys))
    turn_twice(folder, endpoint(none).env)
    assert (taken(folder, 1), taken(folder, 2)) == (first, second)
    for row in sql(folder, "select * from funnel where step = 'notes'"):
        assert row["entered"] == row["kept"] + row["dropped"] == len({1: first, 2: second}[row["iteration"]])


def test_with_nothing_new_there_is_nothing_to_do_and_no_fault(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=10, steps=steps(take="new"))
    server = endpoint(none)
    turn_twice(folder, server.env, more=None)
    assert taken(folder, 2) == []
    assert len(server.answered()) == 10


def test_the_same_command_again_plans_nothing_twice(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=10, steps=steps(take="new_first", limit=12))
    env = endpoint(none).env
    turn_twice(folder, env)
    planned = taken(folder, 2)
    assert len(planned) == len(set(planned)) == 12
    run_cli(folder, "generate", env=env, check=0)
    assert taken(folder, 2) == planned


def test_the_default_makes_no_other_run_and_a_wrong_word_is_refused(tmp_path, endpoint, none):
    folder = make_flow_project(tmp_path / "p", n=3, steps=steps())
    env = endpoint(none).env
    run_cli(folder, "generate", env=env, check=0)
    write_recipe(folder, steps(take="all"))
    run_cli(folder, "generate", env=env, check=0)
    assert sql(folder, "select count(*) as n from runs") == [{"n": 1}]
    write_recipe(folder, steps(take="newest"))
    refused(run_cli(folder, "generate", env=env), "key generate.0.take")
