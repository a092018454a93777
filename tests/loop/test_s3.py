"""Journals of workers and shards of rows in an S3 of this machine; needs ``pip install s3fs 'moto[server]'``, which nothing else here does."""

import subprocess
import sys

import pytest
from support import kill_group, refused, run_cli, sql, wait_for
from support_flow import ONE, make_flow_project
from support_ray import lose_a_worker_and_the_head

s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed")
pytest.importorskip("moto", reason="moto[server] is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROWS = "select count(*) as n, md5(string_agg(sample_id || completion, ',' order by sample_id)) as hash from samples"


@pytest.fixture
def s3(tmp_path, monkeypatch):
    """A server of S3 with the bucket ``wheel``, where this process and its children look for one."""
    log = tmp_path / "s3.log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-p", "0"], stdout=stream, stderr=stream, start_new_session=True
        )
    wait_for(lambda: "Running on http://127.0.0.1:" in log.read_text())
    address = log.read_text().partition("Running on ")[2].split()[0]
    for key, value in {
        "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(key, value)
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir("wheel")
    yield lambda folder: s3fs.S3FileSystem(skip_instance_cache=True).find(f"wheel/{folder}")
    kill_group(server)


def test_a_killed_worker_and_a_killed_head_cost_what_was_not_put(tmp_path, endpoint, none, s3):
    pytest.importorskip("ray", reason="the extra ray is not installed")
    lose_a_worker_and_the_head(tmp_path, endpoint(none, latency=0.2), "s3://wheel/journals")
    assert not s3("journals")


def test_rows_go_to_shards_and_back(tmp_path, endpoint, none, s3):
    server = endpoint(none)
    folder = make_flow_project(tmp_path / "p", n=300, steps=ONE)
    run_cli(folder, "generate", env=server.env, check=0)
    before, asked = sql(folder, ROWS), len(server.answered())
    run_cli(folder, "data", "shards", "s3://wheel/shards", "--rows", "100", check=0)
    assert sql(folder, "select count(*) as n from samples_here") == [{"n": 0}]
    assert sql(folder, ROWS) == before and len(s3("shards")) > 6
    run_cli(folder, "generate", env=server.env, check=0)
    assert len(server.answered()) == asked
    run_cli(folder, "data", "shards", "--back", check=0)
    assert sql(folder, ROWS) == before


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"store": "parquet://s3://nobodys/shards"}, "shards at s3://nobodys/shards"),
        (
            {"executor": {"kind": "ray", "journals": "s3://nobodys/journals"}},
            "executor.journals: s3://nobodys/journals",
        ),
    ],
)
def test_a_bucket_that_nobody_made_is_told_and_not_made(tmp_path, endpoint, none, s3, keys, place):
    server = endpoint(none)
    folder = make_flow_project(tmp_path / "p", n=3, steps=ONE, **keys)
    refused(run_cli(folder, "generate", env=server.env), place, "The specified bucket does not exist")
    assert not server.answered() and not s3fs.S3FileSystem(skip_instance_cache=True).exists("nobodys")
