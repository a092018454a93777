"""What an endpoint may answer, and what becomes of the requests: a scripted server on a real socket."""

import asyncio
import http.server
import json
import logging
import threading
import time

import pytest
from flywheel.errors import EndpointError, RecipeError
from flywheel.llm import OpenAIEngine, Request, Sampling

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
NO_MODE = {"error": {"message": "response_format of type json_schema is not supported"}}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr("flywheel.llm._faults.BASE_PAUSE_S", 0.001)
    monkeypatch.setattr("flywheel.llm._pool.PROBE_FIRST_S", 0.05)
    monkeypatch.setattr("flywheel.llm._openai.PROBE_FIRST_S", 0.05)


class Server:
    """Answers each chat request by ``reply(body, number)``, and the list of models by ``models``; None: a right answer."""

    def __init__(self, reply=lambda body, number: None, models=("m",), port=0):
        self.seen = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                listed = outer.models
                if isinstance(listed, int):
                    self.answer(listed, {"error": {"message": "no such page"}})
                else:
                    self.answer(
                        200, listed if isinstance(listed, bytes) else {"data": [{"id": name} for name in listed]}
                    )

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.seen.append(body)
                found = outer.reply(body, len(outer.seen))
                self.answer(*(found or (200, answer())))

            def answer(self, status, data, headers=()):
                raw = data if isinstance(data, bytes) else json.dumps(data).encode()
                self.send_response(status)
                for name, value in dict(headers).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.reply, self.models = reply, models
        self._running = Quiet(("127.0.0.1", port), Handler)
        self.port = self._running.server_port
        self.url = f"http://127.0.0.1:{self.port}/v1"
        threading.Thread(target=self._running.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        self._running.shutdown()
        self._running.server_close()


@pytest.fixture
def serve():
    running = []

    def start(*args, **options):
        running.append(Server(*args, **options))
        return running[-1]

    yield start
    for server in running:
        server.stop()


def answer(text="yes", n=1):
    choices = [{"index": i, "finish_reason": "stop", "message": {"content": text}} for i in range(n)]
    return {"choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 1}}


def say(status, message):
    return status, {"error": {"message": message}}


def ask(url, n=30, schema=None, **options):
    """Ask ``n`` questions; return the replies and the engine."""

    async def work():
        settings = {"model": None, "concurrency": 8, "timeout_s": 10, "max_attempts": 3, **options}
        engine = OpenAIEngine(base_url=url, **settings)
        try:
            await engine.connect()
            schemas = schema if isinstance(schema, list) else [schema] * n
            wanted = [
                Request(({"role": "user", "content": str(i)},), Sampling(), engine.identity, response_schema=schemas[i])
                for i in range(n)
            ]
            return [reply async for group in engine.stream(wanted, ()) for reply in group], engine
        finally:
            await engine.close()

    return asyncio.run(work())


def find_free_port():
    server = Server()
    server.stop()
    return server.port


# --- the start -------------------------------------------------------------------------------------------------


def test_one_of_two_endpoints_may_be_dead_at_the_start(serve, caplog):
    server = serve()
    dead = f"http://127.0.0.1:{find_free_port()}/v1"
    replies, engine = ask([dead, server.url])
    assert f"endpoint {dead} does not answer" in caplog.text
    assert all(r.choices for r in replies)
    assert engine.identity.model == "m"


def test_an_endpoint_that_starts_later_is_waited_for_and_takes_its_share(serve, caplog):
    port = find_free_port()
    threading.Timer(0.5, lambda: serve(port=port)).start()
    replies, _ = ask(f"http://127.0.0.1:{port}/v1", patience_s=30)
    assert len(replies) == 30
    assert all(r.choices for r in replies)
    assert "waiting for it, at most 30 s" in caplog.text


def test_an_endpoint_that_never_starts_is_given_up_when_patience_ends():
    began = time.monotonic()
    with pytest.raises(EndpointError, match="start the server"):
        ask(f"http://127.0.0.1:{find_free_port()}/v1", patience_s=0.3)
    assert time.monotonic() - began >= 0.3


def test_a_server_that_lists_no_models_serves_the_one_that_the_recipe_names(serve):
    server = serve(models=404)
    replies, _ = ask(server.url, model="mine")
    assert all(r.choices for r in replies)
    assert {body["model"] for body in server.seen} == {"mine"}
    with pytest.raises(EndpointError, match=r"engine\.model"):
        ask(server.url)


@pytest.mark.parametrize(("status", "cure"), [(401, "OPENAI_API_KEY"), (404, "ends in /v1"), (402, "add credit")])
def test_a_start_that_fails_has_one_error_with_one_cure_and_leaves_nothing_open(serve, status, cure, recwarn):
    with pytest.raises(EndpointError) as caught:
        ask(serve(models=status).url, patience_s=30)
    text = str(caught.value)
    assert f"received: HTTP {status}: no such page" in text
    assert cure in text
    assert text.count("cure:") == text.count("expected:") == 1
    assert "start the server" not in text
    assert not [w for w in recwarn if "Unclosed" in str(w.message)]


def test_a_page_of_html_is_no_list_of_models(serve):
    server = serve(models=b"<html><style>p {}</style><p>Welcome to the <b>gateway</b></p></html>")
    with pytest.raises(EndpointError, match="Welcome to the gateway"):
        ask(server.url)


@pytest.mark.parametrize("url", ["127.0.0.1:8431/v1", "htp://127.0.0.1:8431/v1", "http://", "http://127.0.0.1:port/v1"])
def test_what_is_no_address_is_the_users_mistake(url, monkeypatch):
    with pytest.raises(RecipeError, match="begin with http://"):
        ask(url)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(RecipeError, match="OPENAI_BASE_URL"):
        ask(None)


def test_of_several_models_the_first_for_chat_is_asked_and_named(serve, caplog):
    server = serve(models=("text-embedding-3-small", "bge-reranker-v2", "whisper-1", "tts-1", "qwen3-8b", "llama-3"))
    _, engine = ask(server.url)
    assert engine.identity.model == "qwen3-8b"
    assert f"engine.model is not set: qwen3-8b at {server.url} is asked, one of 6" in caplog.text
    caplog.clear()
    ask(serve().url)
    ask(server.url, model="llama-3")
    assert "engine.model" not in caplog.text


# --- faults that every request meets ---------------------------------------------------------------------------


def test_used_up_credit_ends_the_stream_and_what_was_answered_is_kept(serve):
    server = serve(lambda body, number: say(402, "Insufficient credits") if number > 10 else None)
    got = []

    async def work():
        engine = await OpenAIEngine(
            base_url=server.url, model=None, concurrency=2, timeout_s=5, max_attempts=2
        ).connect()
        wanted = [Request(({"role": "user", "content": str(i)},), Sampling(), engine.identity) for i in range(40)]
        try:
            async for group in engine.stream(wanted, ()):
                got.extend(group)
        finally:
            await engine.close()

    with pytest.raises(EndpointError, match=r"HTTP 402: Insufficient credits\n  cure: add credit"):
        asyncio.run(work())
    assert len(got) == 10
    assert all(r.choices for r in got)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (
            (400, {"error": {"message": "max_tokens is too large"}}),
            "HTTP 400 for each of the first 20 requests: max_tok",
        ),
        ((422, {"detail": [{"loc": ["top_k"], "msg": "Extra inputs"}]}), "HTTP 422 for each of the first 20 .*: Extra"),
        ((200, b"<html><p>Sign in</p></html>"), "malformed reply for each of the first 20 requests: Sign in"),
    ],
)
def test_what_all_first_requests_are_rejected_for_ends_the_stream_with_nothing_on_record(serve, reply, told):
    server = serve(lambda body, number: reply)
    with pytest.raises(EndpointError, match=told):
        ask(server.url)
    with pytest.raises(EndpointError, match=told):
        ask(server.url)


def test_an_endpoint_that_rejects_everything_leaves_it_to_the_other(serve, caplog):
    wrong, right = serve(lambda body, number: say(400, "unknown field")), serve()
    replies, _ = ask([wrong.url, right.url], n=200)
    assert all(r.choices for r in replies)
    assert "is given up: HTTP 400 for each of the first 20 requests: unknown field" in caplog.text


def test_rejections_among_answers_cost_only_those(serve):
    """More are rejected than end an endpoint's part; none of them is sent before one of the first ten has its answer."""

    def reply(body, number):
        return say(400, "filtered") if 10 <= int(body["messages"][0]["content"]) < 35 else None

    replies, _ = ask(serve(reply).url, n=60, concurrency=10)
    assert sorted(r.error is not None for r in replies) == [False] * 35 + [True] * 25


def test_the_key_is_not_in_what_an_endpoint_says(serve, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123")
    server = serve(lambda body, number: say(401, "Incorrect API key provided: sk-secret-0123"))
    with pytest.raises(EndpointError, match=r"HTTP 401: Incorrect API key provided: \*\*\*") as caught:
        ask(server.url)
    assert "secret" not in str(caught.value)


# --- refusals for load, outages --------------------------------------------------------------------------------


def test_refusals_for_load_cost_no_request_while_patience_lasts(serve):
    until = time.monotonic() + 2
    server = serve(lambda body, number: (429, b"", {"retry-after": "0"}) if time.monotonic() < until else None)
    replies, _ = ask(server.url, patience_s=30)
    assert all(r.choices for r in replies)
    assert len(server.seen) < 30 + 600, "a pause is a pause, whatever Retry-After says"


def test_an_endpoint_that_refuses_everything_for_too_long_ends_the_stream(serve, monkeypatch):
    monkeypatch.setattr("flywheel.llm._pool.REFUSED_AT_LEAST_S", 0.3)
    with pytest.raises(EndpointError, match=r"HTTP 429(.|\n)*patience_s"):
        ask(serve(lambda body, number: (429, b"")).url)


def test_one_request_that_is_refused_for_too_long_is_a_reply_with_its_error(serve, monkeypatch):
    monkeypatch.setattr("flywheel.llm._pool.REFUSED_AT_LEAST_S", 0.3)

    def reply(body, number):
        time.sleep(0.02)
        return (429, b"") if body["messages"][0]["content"] == "3" else None

    replies, _ = ask(serve(reply).url, n=200, concurrency=2)
    assert [r.error for r in replies if r.error] == ["HTTP 429"]


def test_a_slow_answer_before_an_outage_does_not_use_up_the_patience(serve):
    """Patience counts from going down, not from the last answer."""
    first = serve(lambda body, number: time.sleep(1.5))
    port = first.port

    def restart():
        first.stop()
        time.sleep(0.3)
        serve(port=port)

    threading.Timer(1.2, restart).start()
    replies, _ = ask(first.url, n=4, concurrency=2, patience_s=1.0, timeout_s=1.0, max_attempts=9)
    assert all(r.choices for r in replies)


def test_an_endpoint_that_is_back_each_time_and_answers_nothing_uses_patience_up(serve):
    server = serve(lambda body, number: say(500, "oops"))
    with pytest.raises(
        EndpointError, match=r"10 requests in a row ended with HTTP 500: oops(.|\n)*cure: mend what it names"
    ):
        ask(server.url, patience_s=1.0, max_attempts=1)
    assert len(server.seen) > 20


def test_an_endpoint_given_up_is_told_once(serve, caplog):
    refusing, right = serve(lambda body, number: time.sleep(0.1) or say(401, "no")), serve()
    replies, _ = ask([refusing.url, right.url], n=60)
    assert all(r.choices for r in replies)
    assert caplog.text.count("is given up") == 1


def test_stalls_beyond_the_time_out_and_cut_replies_are_tried_again(serve):
    def reply(body, number):
        if number % 7 == 0:
            time.sleep(0.6)
        return (200, json.dumps(answer()).encode()[:20]) if number % 7 == 3 else None

    replies, _ = ask(serve(reply).url, n=60, timeout_s=0.4, max_attempts=6)
    assert all(r.choices for r in replies)
    assert sum(r.attempts for r in replies) > 60


# --- JSON-schema mode ------------------------------------------------------------------------------------------


def has_schema(body):
    return body.get("response_format", {}).get("type") == "json_schema"


def test_a_schema_is_sent(serve):
    server = serve()
    ask(server.url, schema=SCHEMA)
    assert all(body["response_format"]["json_schema"]["schema"] == SCHEMA for body in server.seen)


def test_without_json_schema_mode_answers_come_in_words_and_it_is_asked_for_no_more(serve, caplog):
    server = serve(lambda body, number: (400, NO_MODE) if has_schema(body) else None)
    replies, _ = ask(server.url, n=60, schema=SCHEMA)
    assert all(r.choices for r in replies)
    assert sum(map(has_schema, server.seen)) <= 8, "those in flight at first"
    assert "json_schema is not supported" in caplog.text


def test_a_stray_rejection_does_not_switch_the_mode_off(serve):
    server = serve(lambda body, number: say(400, "the prompt of this one was filtered") if number == 1 else None)
    replies, _ = ask(server.url, schema=SCHEMA, concurrency=1)
    assert all(r.choices for r in replies)
    assert sum(map(has_schema, server.seen)) == 30
    server = serve(lambda body, number: say(400, "filtered") if number == 5 else None)
    replies, _ = ask(server.url, schema=SCHEMA, concurrency=1)
    assert [r.error for r in replies if r.error] == ["HTTP 400"], "the mode is known to work"


def test_an_endpoint_that_does_not_say_why_is_found_out_after_three_proofs(serve, caplog):
    server = serve(lambda body, number: say(400, "bad request") if has_schema(body) else None)
    replies, _ = ask(server.url, schema=SCHEMA, concurrency=1)
    assert all(r.choices for r in replies)
    assert sum(map(has_schema, server.seen)) == 3
    assert "has no JSON-schema mode" in caplog.text


def test_one_schema_that_is_refused_leaves_the_others(serve, caplog):
    bad = {"type": "object", "properties": {"b": {"format": "odd"}}}

    def reply(body, number):
        is_bad = has_schema(body) and body["response_format"]["json_schema"]["schema"] == bad
        return say(400, "Invalid schema for response_format 'answer'") if is_bad else None

    server = serve(reply)
    with caplog.at_level(logging.WARNING):
        replies, _ = ask(server.url, schema=[bad, SCHEMA] * 15, concurrency=1)
    assert all(r.choices for r in replies)
    assert sum(map(has_schema, server.seen)) == 15 + 1
    assert "does not take a step's JSON schema" in caplog.text


def test_what_a_server_says_of_a_request_that_failed_for_good_is_kept(serve):
    server = serve(lambda body, number: say(500, "CUDA error") if body["messages"][0]["content"] == "3" else None)
    replies, _ = ask(server.url, max_attempts=1)
    (failed,) = [r for r in replies if r.error]
    assert (failed.error, failed.raw) == ("HTTP 500", '{"error": {"message": "CUDA error"}}')
