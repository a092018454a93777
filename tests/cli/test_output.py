"""``flywheel sql --output``: what a project lives by is never overwritten, anything else only when asked."""

import json
import os

import pyarrow.parquet as pq
import pytest
from support import refused, run_cli


def ask(folder, output, *more):
    return run_cli(folder, "sql", "select 1 as one, 'a' as two", "--output", str(output), *more)


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize(
    "name",
    ["flywheel.duckdb", "flywheel.duckdb.wal", "recipe.yaml", ".flywheel/run.lock", ".flywheel/new.csv", "link", "twin", "x/../recipe.yaml"],
)  # fmt: skip
def test_the_store_the_recipe_and_the_state_are_never_overwritten(stored, name, force):
    (stored / "x").mkdir()
    (stored / "link").symlink_to("flywheel.duckdb")
    os.link(stored / "flywheel.duckdb", stored / "twin")
    before = {p: p.read_bytes() for p in stored.rglob("*") if p.is_file()}
    refused(ask(stored, stored / name, *force), "--output", "would destroy")
    assert {p: p.read_bytes() for p in stored.rglob("*") if p.is_file()} == before


def test_a_file_that_is_there_is_overwritten_only_with_force(stored, tmp_path):
    target = tmp_path / "mine.csv"
    target.write_text("precious")
    target.chmod(0o640)
    refused(ask(stored, target), "there already", "--force")
    assert target.read_text() == "precious"
    ask(stored, target, "--force")
    assert target.read_text() == "one,two\n1,a\n"
    assert target.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_a_refused_query_leaves_the_file_as_it_was(stored, tmp_path):
    target = tmp_path / "mine.csv"
    target.write_text("precious")
    refused(run_cli(stored, "sql", "selec", "--output", str(target), "--force"), "Parser Error")
    assert target.read_text() == "precious"


def test_a_place_that_cannot_be_written_is_told_before_the_query(stored, tmp_path):
    refused(ask(stored, tmp_path / "no" / "x.csv"), "no folder", "mkdir -p")
    refused(ask(stored, tmp_path), "a folder")
    refused(ask(stored, "/proc/x.csv"), "--output /proc/x.csv")


@pytest.mark.parametrize(
    ("name", "more", "check"),
    [
        ("o.csv", (), lambda data: data == b"one,two\n1,a\n"),
        ("o.json", (), lambda data: json.loads(data) == [{"one": 1, "two": "a"}]),
        ("o.JSON", (), lambda data: json.loads(data) == [{"one": 1, "two": "a"}]),
        ("o", (), lambda data: data == b"one,two\n1,a\n"),
        ("o.txt", ("--format", "table"), lambda data: "│   1 │ a   │" in data.decode()),
        ("o.dat", ("--format", "csv"), lambda data: data == b"one,two\n1,a\n"),
    ],
)
def test_the_suffix_or_the_format_says_what_is_written(stored, tmp_path, name, more, check):
    done = ask(stored, tmp_path / name, *more)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert check((tmp_path / name).read_bytes())
    assert "1 row, " in done.stderr


def test_parquet_goes_into_a_file(stored, tmp_path):
    ask(stored, tmp_path / "o.parquet")
    assert pq.read_table(tmp_path / "o.parquet").to_pylist() == [{"one": 1, "two": "a"}]


def test_an_unknown_suffix_is_refused_and_not_taken_for_csv(stored, tmp_path):
    refused(ask(stored, tmp_path / "o.xlsx"), ".parquet", "--format")
    assert not (tmp_path / "o.xlsx").exists()


def test_a_device_can_be_written_to(stored):
    assert ask(stored, "/dev/null").returncode == 0
