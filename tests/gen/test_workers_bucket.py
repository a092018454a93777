"""Workers that share no folder with their head: what they journal is put at an address, whole, and taken from there."""

import asyncio
import os

import pytest
from flywheel.config import BudgetConfig, PricesConfig, StepConfig
from flywheel.errors import StoreError
from flywheel.gen import Flow, HandLostError, HeadFlow, Meter, Node, WorkerFlow, make_stages
from flywheel.llm import OpenAIEngine
from flywheel.schema import DropRow
from flywheel.store import Bucket, JournalWriter, Project, Store, _bucket, bucket_of, list_segments
from support import refused, run_cli
from support_flow import FINAL, STEPS, make_flow_project


class Hand:
    """A worker in this process; one that is killed puts nothing more."""

    def __init__(self, name, flow, lives):
        self.name, self.flow, self.lives = name, flow, lives

    async def exchange(self, given):
        self.lives -= 1
        if self.lives == 0:
            self.flow._own.fold = self.flow._own.close = lambda *_: None
            self.flow._flow.cancel()
            await asyncio.gather(self.flow._flow, return_exceptions=True)
            raise HandLostError("killed")
        return await self.flow.exchange(given)


class Crew:
    """Hires workers in this process whose journals lie in a folder that the head does not look into."""

    wants = "nothing"

    def __init__(self, folder, elsewhere, bucket, engines, lives):
        self.size, self.folder, self.elsewhere, self.bucket = 2, folder, elsewhere, bucket
        self.engines, self.lives, self.n = engines, list(lives), 0

    def hire(self):
        self.n += 1
        stages = make_stages([StepConfig.model_validate(s) for s in STEPS], self.folder, self.folder)
        flow = WorkerFlow(
            self.elsewhere / f"w{self.n}", self.engines.pop(), stages, run_id="run_x", iteration=1, seed=0, concurrency=8,
            bucket=self.bucket,
        )  # fmt: skip
        return Hand(f"w{self.n}", flow, self.lives.pop(0) if self.lives else -1)

    def nodes(self):
        return [Node("here", 1.0, True)]


def run(folder, server, address=None, lives=(), budget=None):
    """Run the steps alone, or by two workers that put what they do at an address; return the progress and the rows."""

    async def work():
        engines = [
            await OpenAIEngine(base_url=server.url, model=None, concurrency=8, timeout_s=30, max_attempts=6).connect()
            for _ in range(8)
        ]
        store = Store(Project(folder)).open()
        bucket = bucket_of(store.project, address) if address else None
        kind, more = Flow, {}
        if bucket:
            kind = HeadFlow
            more = {"crew": Crew(folder, folder.with_name("elsewhere"), bucket, engines[1:], lives)}
        stages = make_stages([StepConfig.model_validate(s) for s in STEPS], folder, folder)
        try:
            with store.gathering(bucket):
                flow = kind(
                    store, engines[0], stages, run_id="run_x", iteration=1, seed=0, concurrency=8,
                    meter=Meter(budget or BudgetConfig(), PricesConfig()).load(store, "run_x"), **more,
                )  # fmt: skip
                flow.plan()
                progress = await flow.run()
            return progress, {name: store.query(query) for name, query in FINAL.items() if name != "funnel"}
        finally:
            store.close()
            for one in engines:
                await one.close()

    return asyncio.run(work())


@pytest.fixture
def server(endpoint, none):
    return endpoint(none, latency=0.05)


def files_of(folder):
    return [p for p in folder.rglob("*") if p.is_file()]


def test_rows_are_those_of_one_machine_and_nothing_is_left(tmp_path, server):
    _, alone = run(make_flow_project(tmp_path / "alone", n=60), server)
    n = len(server.answered())
    progress, shared = run(make_flow_project(tmp_path / "p", n=60), server, f"file://{tmp_path}/far")
    assert shared == alone and len(server.answered()) == 2 * n, "nothing was asked twice"
    assert progress.done == progress.planned
    assert not files_of(tmp_path / "far") and not files_of(tmp_path / "elsewhere")
    assert not Project(tmp_path / "p").workers.exists()


def test_what_a_killed_worker_had_not_put_is_asked_again(tmp_path, server):
    _, alone = run(make_flow_project(tmp_path / "alone", n=60), server)
    n = len(server.answered())
    progress, shared = run(make_flow_project(tmp_path / "p", n=60), server, f"file://{tmp_path}/far", lives=[8, 12])
    assert shared == alone and len(server.answered()) > 2 * n
    assert progress.done == progress.planned, "what is lost does not count as done"


def test_rows_of_a_killed_head_are_taken_in_by_the_next_from_the_address(tmp_path, server):
    """Folded twice, and in the order of names, which is not that of workers."""
    folder, address = make_flow_project(tmp_path / "p", n=0), f"file://{tmp_path}/far"
    store = Store(Project(folder)).open()
    bucket = bucket_of(store.project, address)
    rows = [DropRow(f"drop_{i}", None, None, "notes", "reason", f"{i}", None, "raw") for i in range(4)]
    for worker, some in (("w2", rows[:3]), ("w1", rows[1:])):
        writer = JournalWriter(tmp_path / worker, tag=worker)
        writer.append(some)
        writer.close()
        (segment,) = list_segments(tmp_path / worker)
        bucket.put(segment)
    for _ in range(2):
        with store.gathering(bucket):
            assert store.query("select drop_id from drops order by all") == [(f"drop_{i}",) for i in range(4)]
        assert not files_of(tmp_path / "far")
        bucket.put(segment)
    store.close()


def test_a_file_that_is_not_whole_is_not_taken_and_other_projects_keep_theirs(tmp_path):
    (tmp_path / "far" / "w1").mkdir(parents=True)
    (tmp_path / "far" / "w1" / "1-w1.jsonl.part").write_text("half")
    assert Bucket(f"file://{tmp_path}/far").fetch(tmp_path / "near") == []
    projects = [Store(Project(make_flow_project(tmp_path / name, n=0))).open().project for name in "ab"]
    one, again, other = (bucket_of(p, "s3://b/f") for p in (projects[0], projects[0], projects[1]))
    assert one.address == again.address != other.address


def test_an_address_that_goes_away_ends_the_run_and_what_is_not_put_is_named(tmp_path, server, monkeypatch):
    monkeypatch.setattr(_bucket, "PAUSES_S", (0.01, 0.01))
    put = Bucket.put

    def put_once(self, segment):
        put(self, segment)
        monkeypatch.setattr(Bucket, "_put", lambda *_: (_ for _ in ()).throw(ConnectionError("it is gone")))

    monkeypatch.setattr(Bucket, "put", put_once)
    folder, address = make_flow_project(tmp_path / "p", n=200), f"file://{tmp_path}/far"
    with pytest.raises(StoreError) as raised:
        run(folder, server, address)
    for part in (f"executor.journals: {address}", "put ", ".jsonl", "it is gone, 3 times", "cure:"):
        assert part in str(raised.value)
    assert files_of(tmp_path / "elsewhere"), "what could not be put stays where it was written"
    monkeypatch.undo()
    _, shared = run(folder, server, address)
    _, alone = run(make_flow_project(tmp_path / "alone", n=200), server)
    assert shared == alone


@pytest.mark.parametrize(
    ("journals", "said"),
    [
        ("file:///proc/nobody/journals", "file:///proc/nobody/journals"),
        ("nosuch://bucket/journals", "nosuch"),
        ("s3://bucket/journals", "s3fs"),
        ("bucket/journals", "an address with its protocol"),
    ],
)
def test_an_address_that_cannot_be_had_is_told_before_anything_is_asked(tmp_path, server, journals, said):
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "s3fs.py").write_text("raise ImportError('no s3fs here')\n")
    folder = make_flow_project(tmp_path / "p", n=5, executor={"kind": "ray", "journals": journals})
    env = {**server.env, "PYTHONPATH": f"{tmp_path / 'without'}:{os.environ.get('PYTHONPATH', '')}"}
    refused(run_cli(folder, "generate", env=env), "executor.journals", said)
    assert not server.answered()
