"""The recipe's key ``store``: full shards leave the file at the end of a step, and nothing is lost."""

import subprocess

import pytest
from flywheel.config import Recipe
from flywheel.store import SHARD_ROWS, Project, Store
from support import MINI, kill_group, refused, run_cli, sql, start_cli, wait_for
from support_flow import ONE, make_flow_project

COUNTS = "select (select count(*) from requests) as requests, (select count(distinct request_id) from requests) as ids, (select count(*) from samples) as samples"
N = 2 * SHARD_ROWS + 7


def fill(folder):
    """Put requests of another run into the file."""
    store = Store(Project(folder)).open()
    with store.write() as connection:
        connection.execute(f"""
            INSERT INTO requests BY NAME
            SELECT 'req_' || i AS request_id, 'other' AS run_id, 0 AS iteration, 'old' AS step, 'p' AS template_id, 'openai' AS engine,
                'm' AS model, '[]' AS messages, '{{}}' AS sampling, 1 AS n_draws, 1 AS attempts, 1 AS prompt_tokens,
                1 AS completion_tokens, '[]' AS completions, now() AS created_at, now() AS answered_at
            FROM range({N}) t(i)
        """).fetchall()
    store.close()


def in_file(folder):
    return sql(folder, "select count(*) as n from requests_here")[0]["n"]


def test_full_shards_move_at_the_end_of_a_step_and_the_run_stays_the_same(tmp_path, endpoint, none):
    server = endpoint(none)
    folder = make_flow_project(tmp_path / "p", n=10, steps=ONE)
    fill(folder)
    run_cli(folder, "generate", env=server.env, check=0)
    before, asked = sql(folder, COUNTS), len(server.answered())
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "store: parquet://shards\n")
    told = run_cli(folder, "generate", env=server.env, check=0)
    assert "200,000 rows moved to 2 shards" in told.stdout + told.stderr
    assert len(list((folder / "shards").iterdir())) == 2 and sql(folder, COUNTS) == before
    assert in_file(folder) == before[0]["requests"] - 2 * SHARD_ROWS
    assert len(server.answered()) == asked and sql(folder, "select count(*) as n from runs") == [{"n": 1}]
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(list((folder / "shards").iterdir())) == 2, "what fills no shard stays in the file"


def test_a_kill_in_the_middle_of_a_move_loses_nothing_and_the_next_command_goes_on(tmp_path, endpoint, none):
    server = endpoint(none)
    folder = make_flow_project(tmp_path / "p", n=5, steps=ONE, store="parquet://shards")
    fill(folder)
    run = start_cli(folder, "generate", env=server.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: list((folder / ".flywheel").glob("shard-*/rows.parquet")) or run.poll() is not None, 60)
    assert run.poll() is None
    kill_group(run)
    found = sql(folder, COUNTS)
    assert found[0]["requests"] == found[0]["ids"] > N
    run_cli(folder, "generate", env=server.env, check=0)
    assert sql(folder, COUNTS) == found and in_file(folder) < SHARD_ROWS


@pytest.mark.parametrize("command", [["generate"], ["generate", "--dry-run"], ["run", "--dry-run"]])
def test_a_place_that_cannot_be_written_is_told_before_anything_is_asked(tmp_path, endpoint, none, command):
    server = endpoint(none)
    (tmp_path / "file").write_text("")
    for where, why in ((str(tmp_path / "file" / "in"), "Not a directory"), ("gcs://bucket/x", "gcsfs")):
        folder = make_flow_project(tmp_path / why.replace(" ", "-"), n=3, steps=ONE, store=f"parquet://{where}")
        refused(run_cli(folder, *command, env=server.env), f"shards at {where}", why)
        assert not list(tmp_path.rglob("*.part"))
    assert not server.answered()


def test_a_dry_run_makes_no_folder_and_tells_journals_that_cannot_be_put(tmp_path, endpoint, none):
    server = endpoint(none)
    folder = make_flow_project(tmp_path / "p", n=3, steps=ONE, store="parquet://deep/shards")
    run_cli(folder, "generate", "--dry-run", env=server.env, check=0)
    assert not (folder / "deep").exists()
    (tmp_path / "file").write_text("")
    executor = {"kind": "ray", "journals": f"file://{tmp_path}/file/in"}
    folder = make_flow_project(tmp_path / "q", n=3, steps=ONE, executor=executor)
    refused(run_cli(folder, "generate", "--dry-run", env=server.env), "executor.journals", "Not a directory")


@pytest.mark.parametrize(
    ("executor", "says"),
    [
        ({"kind": "local", "journals": "file:///mnt/j"}, "kind: ray beside journals"),
        ({"kind": "ray", "journals": "file://far"}, "the same on each machine"),
        ({"kind": "ray", "address": "ray://head:10001"}, "auto or host:port"),
    ],
)
def test_keys_of_the_executor_that_cannot_do_what_they_say_are_told(executor, says):
    with pytest.raises(ValueError, match=says):
        Recipe.model_validate({**MINI, "executor": executor})


def test_the_key_is_an_address_and_no_part_of_a_run():
    plain = Recipe.model_validate(MINI)
    assert Recipe.model_validate({**MINI, "store": "parquet://s3://b/f"}).identity() == plain.identity()
    assert Recipe.model_validate({**MINI, "store": "parquet://s3://b/f"}).shards == "s3://b/f"
    for wrong in ("parquet://", "s3://b/f"):
        with pytest.raises(ValueError, match="parquet://WHERE"):
            Recipe.model_validate({**MINI, "store": wrong})
