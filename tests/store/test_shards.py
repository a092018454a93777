"""Rows in Parquet shards: whatever reads a table reads them, and nothing is there twice or not at all."""

import contextlib
import itertools
import uuid

import duckdb
import flywheel.store._migrate as migrations
import flywheel.store._shards as shards
import pytest
from flywheel.errors import StoreError
from flywheel.gen._retry import retire_failures
from flywheel.schema import RequestRow, utc_now
from flywheel.store import JournalWriter, Store, bring_back, list_shards, move_to_shards, run_query
from flywheel.ui._filters import Wish, write_page
from support import run_cli, sql
from support_filled import Filled

READ = ["requests", "samples", "sft", "funnel", "cost", "accepted_samples", "retired"]


@pytest.fixture
def filled(store):
    made = Filled(store)
    for problem in range(12):
        made.add(1, problem, (f"It's {problem} .", True), (f"So it is {problem} + 1 .", False))
    return made


def read(store):
    return {name: store.query(f"SELECT * FROM {name} ORDER BY ALL") for name in READ}


def request(name, run="run_b", *, answered=True):
    now = utc_now()
    return RequestRow(
        name, run, 1, "solve", "p", None, "openai", "m", None, "[]", "{}", 1, "[]", 1, 1, 1, 0.0, now, now if answered else None
    )  # fmt: skip


def test_rows_in_shards_are_read_as_before_by_views_queries_snapshots_and_other_clients(filled, tmp_path):
    store = filled.store
    frozen, before = filled.freezer().freeze_sft("ckpt_seed"), read(store)
    made = list(move_to_shards(store, str(tmp_path / "shards"), rows=10))
    assert [s.n_rows for s in made] == [10, 10, 4] * 2 and [s.table for s in made] == ["requests"] * 3 + ["samples"] * 3
    assert store.query("SELECT (SELECT count(*) FROM requests_here), (SELECT count(*) FROM samples_here)") == [(0, 0)]
    assert read(store) == before
    assert filled.freezer().freeze_sft("ckpt_seed").snapshot_id == frozen.snapshot_id
    assert len(run_query(store.project, "SELECT completion FROM samples").rows) == 24
    with pytest.raises(Exception, match="disabled"):
        run_query(store.project, "SELECT * FROM read_text('/etc/hostname')")
    with contextlib.closing(duckdb.connect(str(store.project.store_path), read_only=True)) as other:
        assert other.execute("SELECT count(*), count(prompt) FROM sft").fetchall() == [(12, 12)]
        (kind,) = other.execute("SELECT DISTINCT typeof(messages) FROM requests").fetchone()
    assert kind == "JSON"
    says = store.query("SELECT comment IS NOT NULL FROM duckdb_views() WHERE view_name = 'requests'")
    assert says == [(True,)]


def test_rows_in_shards_are_exported_and_shown_in_pages_as_before(filled, tmp_path):
    store, root = filled.store, filled.store.project.root

    def look():
        run_cli(
            root,
            "export",
            "--what",
            "samples",
            "--format",
            "trl",
            "--output",
            str(tmp_path / "out.jsonl"),
            "--force",
            check=0,
        )
        places = [
            n
            for table in ("samples", "requests")
            for n in store.query(f"SELECT count(DISTINCT place) FROM placed_{table}")
        ]
        page, values = write_page(Wish())
        return (
            sorted((tmp_path / "out.jsonl").read_text().splitlines()),
            places,
            len(run_query(store.project, page, parameters=values).rows),
        )

    before = look()
    assert before[1] == [(24,), (24,)]
    list(
        itertools.islice(move_to_shards(store, str(tmp_path / "shards"), rows=10), 4)
    )  # all requests, and some of the samples
    assert store.query("SELECT count(*) FROM samples_here") == [(14,)]
    assert look() == before
    list(bring_back(store))
    assert look() == before


def test_new_rows_go_beside_them_and_what_two_workers_did_is_there_once(filled, tmp_path):
    store = filled.store
    store.append([request("req_x")])
    list(move_to_shards(store, str(tmp_path / "shards")))
    for worker in ("one", "two"):
        journal = JournalWriter(store.project.workers / worker, tag=worker)
        journal.append([request("req_x")], [request("req_y")])
        journal.close()
    store.fold()
    store.fold()
    found = store.query("SELECT request_id, count(*) FROM requests WHERE run_id = 'run_b' GROUP BY ALL ORDER BY ALL")
    assert found == [("req_x", 1), ("req_y", 1)]
    filled.add(2, 3, ("Again 3 .", True))
    before = read(store)
    assert [s.n_rows for s in move_to_shards(store, str(tmp_path / "other"))] == [2, 1]
    assert read(store) == before


def test_a_move_that_is_killed_loses_and_doubles_nothing_and_the_next_makes_the_same_shards(
    filled, tmp_path, monkeypatch
):
    store, before, place = filled.store, read(filled.store), tmp_path / "shards"

    def die(connection, shard, file):
        record(connection, shard, file)
        raise KeyboardInterrupt

    record = shards._put_on_record
    monkeypatch.setattr(shards, "_put_on_record", die)
    with pytest.raises(KeyboardInterrupt):
        list(move_to_shards(store, str(place)))
    left = {p.name for p in place.iterdir()}
    assert len(left) == 1 and not list_shards(store) and read(store) == before
    (place / f"requests-x.parquet.{uuid.uuid4().hex[:8]}.part").write_bytes(b"PAR1 half")
    monkeypatch.undo()
    made = list(move_to_shards(Store(store.project).open(), str(place)))
    assert left < {s.url.rpartition("/")[2] for s in made}
    assert read(store) == before


def test_they_come_back(filled, tmp_path):
    store, before = filled.store, read(filled.store)
    list(move_to_shards(store, str(tmp_path / "shards"), rows=7))
    assert len(list(bring_back(store))) == 8
    assert read(store) == before and len(list((tmp_path / "shards").iterdir())) == 8, (
        "a copy of the store may read them"
    )
    assert store.query("SELECT count(*) FROM duckdb_views() WHERE view_name = 'requests'") == [(0,)]
    store.append([request("req_x")])
    store.fold()
    assert len(store.query("SELECT * FROM requests")) == 25


def test_shards_may_lie_wherever_fsspec_writes(filled):
    store, before = filled.store, read(filled.store)
    list(move_to_shards(store, f"memory://{uuid.uuid4().hex}/shards"))
    assert all(s.url.startswith("memory://") for s in list_shards(store))
    assert read(store) == before
    assert len(run_query(store.project, "SELECT * FROM samples").rows) == 24
    list(bring_back(store))
    assert read(store) == before


def test_what_is_done_over_comes_back_first(filled, tmp_path):
    store = filled.store
    store.append([request("req_failed", answered=False)])
    list(move_to_shards(store, str(tmp_path / "shards"), rows=10))
    n = len(list_shards(store))
    retire_failures(store, "run_new")
    assert store.query("SELECT count(*) FROM requests WHERE request_id = 'req_failed'") == [(0,)]
    assert store.query("SELECT row ->> 'request_id' FROM retired") == [("req_failed",)]
    assert len(list_shards(store)) == n - 1
    assert store.query("SELECT count(*) FROM requests") == [(24,)]


def test_a_newer_flywheel_alters_tables_that_have_shards(filled, tmp_path, monkeypatch):
    store, before = filled.store, read(filled.store)["samples"]
    list(move_to_shards(store, str(tmp_path / "shards")))
    newer = [*migrations.list_migrations(), (9999, "9999_more.sql", "ALTER TABLE samples ADD COLUMN mood VARCHAR")]
    monkeypatch.setattr(migrations, "list_migrations", lambda: newer)
    with store.write() as connection:
        migrations.migrate(connection, "store")
    assert store.query("SELECT * EXCLUDE (mood) FROM samples ORDER BY ALL") == before
    assert store.query("SELECT DISTINCT mood FROM samples") == [(None,)]


def test_shards_that_are_out_of_reach_are_told_and_the_store_is_not_called_damaged(filled, tmp_path):
    store = filled.store
    list(move_to_shards(store, str(tmp_path / "shards")))
    (tmp_path / "shards").rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="shards where the table shards says"):
        run_query(store.project, "SELECT * FROM samples")
    (tmp_path / "elsewhere").rename(tmp_path / "shards")
    assert len(run_query(store.project, "SELECT * FROM samples").rows) == 24


def test_the_command(filled, tmp_path):
    folder = filled.store.project.root
    assert "no shards" in run_cli(folder, "data", "shards", check=0).stdout
    assert "48 rows moved" in run_cli(folder, "data", "shards", str(tmp_path / "place"), check=0).stdout
    assert "place/samples-" in run_cli(folder, "data", "shards", check=0).stdout
    assert sql(folder, "select count(*) as n from sft") == [{"n": 12}]
    assert "48 rows moved" in run_cli(folder, "data", "shards", "--back", check=0).stdout
