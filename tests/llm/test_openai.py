import asyncio
from dataclasses import replace

import pytest
from flywheel.errors import EndpointError, RecipeError
from flywheel.llm import OpenAIEngine, Request, Sampling
from flywheel.seed import generate_distinct
from support import as_rows, write_jsonl

PROBLEMS = generate_distinct("loop", 9, {1: 0.5, 2: 0.5}, 30)


@pytest.fixture
def problems(tmp_path):
    write_jsonl(tmp_path / "known.jsonl", as_rows(PROBLEMS))
    return tmp_path / "known.jsonl"


def ask(url, n=3, problems=PROBLEMS, answered=(), **options):
    async def work():
        settings = {"model": None, "concurrency": 8, "timeout_s": 10, "max_attempts": 6, **options}
        engine = OpenAIEngine(base_url=url, **settings)
        try:
            await engine.connect()
            wanted = [
                Request(
                    ({"role": "user", "content": p.question},), Sampling(n=n, temperature=1.0, seed=i), engine.identity
                )
                for i, p in enumerate(problems)
            ]
            done = [reply async for group in engine.stream(wanted, set(answered)) for reply in group]
            return wanted, {r.request.request_id: r for r in done}
        finally:
            await engine.close()

    return asyncio.run(work())


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("flywheel.llm._faults.BASE_PAUSE_S", 0.001)


def test_every_request_gets_its_draws_and_tokens(endpoint, problems):
    wanted, replies = ask(endpoint(problems).url)
    assert len(replies) == len(wanted)
    assert all(len(r.choices) == 3 and r.attempts == 1 and r.answered_at for r in replies.values())
    assert all(r.prompt_tokens == 10 and r.completion_tokens == 60 for r in replies.values())
    assert replies[wanted[0].request_id].request.model.model == "fake-teacher"


def test_transient_faults_cost_attempts_and_no_rows(endpoint, problems):
    server = endpoint(problems, faults="429=0.1,500=0.1,reset=0.1,malformed=0.1,empty=0.05")
    _, replies = ask(server.url, max_attempts=30)
    assert all(len(r.choices) == 3 and r.error is None for r in replies.values())
    assert sum(r.attempts for r in replies.values()) > len(replies)


def test_a_request_that_always_fails_is_a_reply_with_its_error(endpoint, problems):
    _, replies = ask(endpoint(problems, faults="500=1").url, max_attempts=2, problems=PROBLEMS[:9])
    assert {(r.error, r.attempts, r.answered_at) for r in replies.values()} == {("HTTP 500", 2, None)}


def test_an_endpoint_that_fails_everything_stops_the_stream_and_nothing_is_given_up(endpoint, problems):
    with pytest.raises(EndpointError, match="10 requests in a row ended with HTTP 500"):
        ask(endpoint(problems, faults="500=1").url, max_attempts=2)


def test_an_address_with_a_password_is_refused_and_not_shown():
    with pytest.raises(RecipeError, match="without a name or password") as caught:
        ask("http://user:hunter2@127.0.0.1:9/v1")
    assert "hunter2" not in str(caught.value)


def test_a_malformed_body_is_kept(endpoint, problems):
    _, replies = ask(endpoint(problems, faults="malformed=1").url, max_attempts=2, problems=PROBLEMS[:9])
    assert all(r.raw.startswith('{"id"') for r in replies.values())
    assert {r.error for r in replies.values()} == {"malformed reply: not JSON: unexpected end of data"}, (
        "one reason, wherever it broke"
    )


def test_a_refused_request_is_not_tried_again(endpoint, problems):
    _, replies = ask(endpoint(problems, faults="400=1").url, problems=PROBLEMS[:9])
    assert {(r.error, r.attempts) for r in replies.values()} == {("HTTP 400", 1)}


def test_an_endpoint_that_gives_fewer_choices_is_asked_for_the_rest(endpoint, problems):
    server = endpoint(problems, max_choices=1)
    _, replies = ask(server.url)
    assert all(len(r.choices) == 3 for r in replies.values())
    assert len(server.answered()) == 3 * len(PROBLEMS)
    assert {r.attempts for r in replies.values()} == {3}


def test_answered_requests_are_not_sent(endpoint, problems):
    server = endpoint(problems)
    wanted, _ = ask(server.url)
    sent = len(server.answered())
    _, replies = ask(server.url, answered=[r.request_id for r in wanted[:20]])
    assert len(replies) == 10
    assert len(server.answered()) == sent + 10


def test_nobody_there_is_an_endpoint_error_with_the_cure():
    with pytest.raises(EndpointError, match="OPENAI_BASE_URL") as caught:
        ask("http://127.0.0.1:9/v1")
    assert "127.0.0.1:9" in caught.value.place


def test_a_wrong_path_and_a_wrong_model_say_so(endpoint, problems):
    server = endpoint(problems)
    with pytest.raises(EndpointError, match="ends in /v1"):
        ask(server.url.removesuffix("/v1") + "/elsewhere")
    with pytest.raises(EndpointError, match="it lists fake-teacher"):
        ask(server.url, model="gpt-9")


def test_an_endpoint_that_dies_stops_the_stream(endpoint, problems):
    server = endpoint(problems, latency=0.2)

    async def work():
        engine = OpenAIEngine(base_url=server.url, model=None, concurrency=2, timeout_s=5, max_attempts=2)
        await engine.connect()
        wanted = [Request(({"role": "user", "content": p.question},), Sampling(), engine.identity) for p in PROBLEMS]
        got = []
        try:
            async for group in engine.stream(wanted, set()):
                got += group
                server.stop()
        finally:
            await engine.close()
        return got

    with pytest.raises(EndpointError, match="the same command again"):
        asyncio.run(work())


def test_the_model_is_known_by_its_name_wherever_it_is_served():
    settings = {"model": "m", "concurrency": 1, "timeout_s": 1, "max_attempts": 1}
    here = OpenAIEngine(base_url=["http://127.0.0.1:8123/v1", "http://b.example.com/v1"], **settings).identity
    assert OpenAIEngine(base_url="https://api.example.com/v1", **settings).identity == here
    assert OpenAIEngine(base_url="http://a/v1", extra_body={"top_k": 1}, **settings).identity != here


def test_everything_that_shapes_a_call_is_in_its_id():
    engine = OpenAIEngine(base_url="http://a/v1", model="m", concurrency=1, timeout_s=1, max_attempts=1)
    base = Request(({"role": "user", "content": "x"},), Sampling(), engine.identity)
    variants = [
        replace(base, messages=({"role": "system", "content": "s"}, *base.messages)),
        replace(base, sampling=replace(base.sampling, temperature=0.1)),
        replace(base, sampling=replace(base.sampling, n=2)),
        replace(base, sampling=replace(base.sampling, seed=2)),
        replace(base, sampling=replace(base.sampling, stop=("x",))),
        replace(base, model=replace(base.model, model="n")),
        replace(base, model=replace(base.model, revision="b/v1")),
        replace(base, raw_prompt=True),
        replace(base, scope="run/2/solve"),
    ]
    ids = {r.request_id for r in [base, *variants]}
    assert len(ids) == 1 + len(variants)
    assert replace(base, input_id="elsewhere").request_id == base.request_id


def test_one_at_a_time_ends_too(endpoint, problems):
    _, replies = ask(endpoint(problems).url, concurrency=1, problems=PROBLEMS[:3])
    assert len(replies) == 3
