"""Our requests against the ones that the openai client itself sends under the same environment."""

import asyncio
import http.server
import json
import threading

import pytest
from flywheel.errors import RecipeError
from flywheel.llm import OpenAIEngine, Request, Sampling

KEPT = ("authorization", "api-key", "openai-organization", "openai-project", "content-type")
REPLY = {
    "id": "1", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}],
}  # fmt: skip
MESSAGES = [{"role": "user", "content": "hello"}]


@pytest.fixture
def server():
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer({"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "t"}]})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            headers = {k: v for k, v in ((k.lower(), v) for k, v in self.headers.items()) if k in KEPT}
            seen.append((self.path, headers, body))
            self.answer(REPLY)

        def answer(self, data):
            raw = json.dumps(data).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}", seen
    running.shutdown()
    running.server_close()


def ours():
    async def work():
        engine = OpenAIEngine(base_url=None, model="m", concurrency=1, timeout_s=5, max_attempts=1)
        await engine.connect()
        request = Request(tuple(MESSAGES), Sampling(temperature=0.5, max_tokens=7), engine.identity)
        replies = [r async for group in engine.stream([request], ()) for r in group]
        await engine.close()
        return replies

    return asyncio.run(work())


def theirs(client_class):
    import openai

    with getattr(openai, client_class)() as client:
        client.chat.completions.create(model="m", messages=MESSAGES, temperature=0.5, max_tokens=7)


ENVIRONMENTS = {
    "plain": ("OpenAI", {"OPENAI_BASE_URL": "{url}/v1", "OPENAI_API_KEY": "k1"}),
    "slash": ("OpenAI", {"OPENAI_BASE_URL": "{url}/v1/", "OPENAI_API_KEY": "k1"}),
    "organisation": (
        "OpenAI",
        {"OPENAI_BASE_URL": "{url}/v1", "OPENAI_API_KEY": "k2", "OPENAI_ORG_ID": "o", "OPENAI_PROJECT_ID": "p"},
    ),
    "azure key": (
        "AzureOpenAI",
        {"AZURE_OPENAI_ENDPOINT": "{url}", "AZURE_OPENAI_API_KEY": "k3", "OPENAI_API_VERSION": "2024-10-21"},
    ),
    "azure token": (
        "AzureOpenAI",
        {"AZURE_OPENAI_ENDPOINT": "{url}/", "AZURE_OPENAI_AD_TOKEN": "t4", "OPENAI_API_VERSION": "2024-10-21"},
    ),
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_path_headers_and_body_are_those_of_the_openai_client(server, monkeypatch, name):
    url, seen = server
    client_class, environment = ENVIRONMENTS[name]
    for key, value in environment.items():
        monkeypatch.setenv(key, value.format(url=url))
    (reply,) = ours()
    assert reply.choices[0].text == "yes"
    theirs(client_class)
    assert seen[0] == seen[1]


def test_azure_without_a_version_says_which_variable_is_missing(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(RecipeError, match="OPENAI_API_VERSION"):
        OpenAIEngine(base_url=None, model="m", concurrency=1, timeout_s=5, max_attempts=1)


@pytest.mark.parametrize("environment", [{}, {"OPENAI_BASE_URL": "https://api.openai.com/v1"}])
def test_openai_without_a_key_is_refused_before_anything_is_sent(monkeypatch, environment):
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    engine = OpenAIEngine(
        base_url=None, model="m", concurrency=1, timeout_s=5, max_attempts=1
    )  # a dry run needs no key
    with pytest.raises(RecipeError, match=r"OPENAI_API_KEY.*OPENAI_BASE_URL"):
        asyncio.run(engine.connect())


def test_a_server_of_ones_own_needs_no_key(server, monkeypatch):
    url, seen = server
    monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert ours()[0].choices[0].text == "yes"
    assert len(seen) == 1
