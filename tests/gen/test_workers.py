"""A head and its workers without a cluster: the workers are flows in this process, each with a journal of its own, and can be lost."""

import asyncio
import os

import pytest
from flywheel.config import BudgetConfig, PricesConfig, StepConfig
from flywheel.gen import Flow, HandLostError, HeadFlow, Meter, Node, WorkerFlow, make_stages
from flywheel.llm import OpenAIEngine
from flywheel.store import Project, Store
from support import refused, run_cli, sql
from support_flow import FINAL, STEPS, add_chunks, make_flow_project


def stages_of(folder):
    return make_stages([StepConfig.model_validate(s) for s in STEPS], folder, folder)


class Hand:
    """A worker in this process, lost after so many exchanges."""

    def __init__(self, name, flow, lives):
        self.name, self.flow, self.lives, self.shares, self.told = name, flow, lives, [], []

    async def exchange(self, given):
        self.shares.append(given.share)
        self.lives -= 1
        if self.lives == 0:
            self.flow._flow.cancel()
            await asyncio.gather(self.flow._flow, return_exceptions=True)
            raise HandLostError("killed")
        self.told.append(await self.flow.exchange(given))
        return self.told[-1]


class LocalCrew:
    """Hires workers in this process; ``lives`` of each in turn, then without end."""

    def __init__(self, folder, engines, size, lives=()):
        self.size, self.folder, self.engines, self.lives, self.n = size, folder, engines, list(lives), 0
        self.hands = []

    def hire(self):
        self.n += 1
        name = f"w{self.n}"
        journal = Project(self.folder).workers / name
        flow = WorkerFlow(
            journal, self.engines(), stages_of(self.folder), run_id="run_x", iteration=1, seed=0, concurrency=8
        )
        self.hands.append(Hand(name, flow, self.lives.pop(0) if self.lives else -1))
        return self.hands[-1]

    wants = "nothing"

    def nodes(self):
        return [Node("here", 1.0, True)]


def engine_of(*servers):
    return OpenAIEngine(base_url=[s.url for s in servers], model=None, concurrency=8, timeout_s=30, max_attempts=6)


def run(folder, server, crew=None, budget=None, lives=(), concurrency=8):
    """Run the steps, on this machine alone or by workers, and return the progress and the rows."""

    servers = server if isinstance(server, list) else [server]

    async def work():
        engine = await engine_of(*servers).connect()
        others = [await engine_of(*servers).connect() for _ in range(12)]
        left = list(others)
        store = Store(Project(folder)).open()
        kind, more = Flow, {}
        if crew:
            kind, more = HeadFlow, {"crew": LocalCrew(folder, left.pop, crew, lives)}
        flow = kind(
            store, engine, stages_of(folder), run_id="run_x", iteration=1, seed=0, concurrency=concurrency,
            meter=Meter(budget or BudgetConfig(), PricesConfig()).load(store, "run_x"), **more,
        )  # fmt: skip
        flow.plan()
        progress = await flow.run()
        rows = {name: store.query(query) for name, query in FINAL.items() if name != "funnel"}
        store.close()
        for one in (engine, *others):
            await one.close()
        return progress, rows, more.get("crew")

    return asyncio.run(work())


@pytest.fixture
def server(endpoint, none):
    return endpoint(none, latency=0.02)


def test_rows_are_those_of_one_machine(tmp_path, server):
    _, alone, _ = run(make_flow_project(tmp_path / "alone", n=60), server)
    n = len(server.answered())
    progress, shared, _ = run(make_flow_project(tmp_path / "shared", n=60), server, crew=3)
    assert shared == alone and len(alone["samples"]) > 150
    assert len(server.answered()) == 2 * n, "nothing was asked twice"
    assert progress.done == {"notes": 60, "better": len(alone["plans"]) and progress.planned["better"]}
    assert not Project(tmp_path / "shared").workers.exists()


def test_lost_workers_cost_what_was_in_flight(tmp_path, server):
    _, alone, _ = run(make_flow_project(tmp_path / "alone", n=60), server)
    n = len(server.answered())
    lives = [6, 9, 4, 12]
    _, shared, crew = run(make_flow_project(tmp_path / "shared", n=60), server, crew=2, lives=lives)
    assert crew.n > 2, "some were lost"
    assert shared == alone
    again = len(server.answered()) - 2 * n
    assert 0 <= again <= 8 * (crew.n - 2), "at most what was in flight at each"


def test_equal_requests_of_several_workers_are_sent_once(tmp_path, server):
    folder = make_flow_project(tmp_path / "alike", n=0)
    add_chunks(folder, range(1))
    store = Store(Project(folder)).open()
    with store.write() as connection:  # forty chunks of one text
        connection.execute(
            "insert into chunks select 'chk_x' || i, source, text, headings, n_tokens, media, created_at from chunks, range(40) t(i)"
        ).fetchall()
        connection.execute(
            "insert into document_chunks select document_id, 100 + i, 'chk_x' || i, 0, 1, null, null, null, null from document_chunks, range(40) t(i)"
        ).fetchall()
    store.close()
    _, rows, _ = run(folder, server, crew=4)
    asked = [r for r in rows["requests"] if r[1] == "notes"]
    assert len(asked) == 1 and len({s[3] for s in rows["samples"] if s[2] == "notes"}) == 41
    assert len(server.answered()) == len(rows["requests"])


def test_a_budget_is_one_for_all(tmp_path, server):
    budget = BudgetConfig(requests=50)
    folder = make_flow_project(tmp_path / "p", n=60)
    progress, rows, _ = run(folder, server, crew=3, budget=budget)
    assert "budget.requests" in str(progress.stopped) and len(server.answered()) == 50 == len(rows["requests"])
    progress, rows, _ = run(folder, server, crew=3)
    assert progress.stopped is None
    _, alone, _ = run(make_flow_project(tmp_path / "alone", n=60), server)
    assert rows == alone


def test_the_limit_in_flight_is_one_for_all_and_goes_to_who_has_work(tmp_path, endpoint, none):
    """The endpoint refuses what is beyond the recipe's concurrency: nothing ever is."""
    server = endpoint(none, latency=0.02, limit=8)
    progress, _, crew = run(make_flow_project(tmp_path / "p", n=60), server, crew=3)
    with_work = [[s for s in hand.shares if s is not None] for hand in crew.hands]
    assert all(with_work) and max(map(max, with_work)) <= 8
    sent = sql(tmp_path / "p", "select sum(attempts) as n, count(*) as answered from requests")[0]
    assert sent["n"] == sent["answered"] == progress.requests == len(server.answered())
    _, _, crew = run(make_flow_project(tmp_path / "one", n=20), server, crew=1)
    assert 8 in crew.hands[0].shares, "who works alone has all of it"


def test_a_limit_that_does_not_divide_leaves_no_worker_without(tmp_path, server):
    _, _, crew = run(make_flow_project(tmp_path / "p", n=40), server, crew=3, concurrency=4)
    given = [[s for s in hand.shares if s is not None] for hand in crew.hands]
    for hand, shares in zip(crew.hands, given, strict=True):
        asked = sum(1 for told in hand.told if told.in_flight)
        assert asked and max(shares) <= 4 and any(shares[: len(shares) // 2])
    assert max(told.progress.requests for hand in crew.hands for told in hand.told) < 0.7 * len(server.answered())


def test_more_endpoints_are_all_kept_busy(tmp_path, endpoint, none):
    """A worker takes inputs for its share at each endpoint, not for one of them."""
    servers = [endpoint(none, latency=0.05) for _ in range(3)]
    _, _, crew = run(make_flow_project(tmp_path / "p", n=60), servers, crew=1)
    assert max(told.open for told in crew.hands[0].told) > 2 * 8
    assert min(len(s.answered()) for s in servers) > 30


def test_what_an_earlier_head_left_is_folded_and_not_asked_again(tmp_path, server):
    """The journals of workers lie there when their head was killed: the next one takes them in first."""
    folder = make_flow_project(tmp_path / "p", n=60)
    budget = BudgetConfig(requests=40)
    run(folder, server, crew=2, budget=budget)
    before = len(server.answered())
    _, rows, _ = run(folder, server, crew=2)
    assert len(server.answered()) == len(rows["requests"]) and before == 40


def test_who_never_asks_for_ray_neither_has_nor_imports_it(tmp_path, server):
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "ray.py").write_text("raise ImportError('no ray here')\n")
    env = {**server.env, "PYTHONPATH": f"{tmp_path / 'without'}:{os.environ.get('PYTHONPATH', '')}"}
    run_cli(make_flow_project(tmp_path / "local", n=5), "generate", env=env, check=0)
    asked = make_flow_project(tmp_path / "ray", n=5, executor="ray")
    refused(run_cli(asked, "generate", env=env), "the package ray", "pip install 'llm-flywheel[ray]'")
