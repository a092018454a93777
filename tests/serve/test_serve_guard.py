"""What the endpoint refuses: each with its status in OpenAI's form, over a raw socket where a client would not send it."""

import gzip
import json
import socket
import threading
from contextlib import suppress

import openai
import pytest
from support import make_mini_project, refused, run_cli, sql
from support_serve import SEED_ID

TOKEN = "correct-horse-battery"
HELLO = [{"role": "user", "content": "1 + 1?"}]
CHAT = {"model": "champion", "messages": HELLO, "max_tokens": 4, "temperature": 0}


def send(server, method, path, body=b"", host=None, **headers):
    """Send exactly these bytes; return (status, headers, parsed body)."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {
        "Host": host or f"127.0.0.1:{server.port}",
        "Content-Type": "application/json",
        "Content-Length": str(len(raw)),
    }
    lines |= {k.replace("_", "-"): v for k, v in headers.items()}
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v is not None)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as wire:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has refused the rest already
            wire.sendall(head.encode() + b"Connection: close\r\n\r\n" + raw)
        answer = b""
        with suppress(ConnectionResetError):
            while block := wire.recv(65536):
                answer += block
    head, _, rest = answer.partition(b"\r\n\r\n")
    first, *more = head.decode().split("\r\n")
    found = dict(line.split(": ", 1) for line in more)
    try:
        return int(first.split()[1]), found, json.loads(rest)
    except ValueError:
        return int(first.split()[1]), found, rest.decode()


def chat(server, body=CHAT, **headers):
    return send(server, "POST", "/v1/chat/completions", body, **headers)


def is_refusal(answer, status, **parts):
    code, _, body = answer
    assert code == status, answer
    assert {"message", "type", "param", "code"} == set(body["error"])
    for key, value in parts.items():
        assert value in (body["error"][key] or ""), body
    return True


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", "no JSON"), (b"", "no JSON"), (b"[]", "JSON object"), (b'"hi"', "JSON object"), (b"[" * 15_000, "no JSON"),
        (b'{"model": NaN}', "no JSON"), (b'{"model": "\xff"}', "no JSON"), (b'{"model": "\\ud800"}', "no JSON"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_json_object(serving, body, param):
    assert is_refusal(chat(serving, body), 400, message=param, type="invalid_request_error")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": None}, "messages"), ({"messages": []}, "messages"), ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "root", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
        ({"messages": [{"role": "user"}]}, "messages.0"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]}, "messages.0"),
        ({"messages": [{"content": "x"}]}, "messages.0.role"), ({"model": None}, "model"), ({"n": "2"}, "n"), ({"n": 0}, "n"),
        ({"n": 5}, "n"), ({"temperature": -1}, "temperature"), ({"temperature": "hot"}, "temperature"), ({"top_p": 0}, "top_p"),
        ({"max_tokens": -1}, "max_tokens"), ({"max_tokens": 1.5}, "max_tokens"), ({"stop": ["a"] * 17}, "stop"), ({"stop": ""}, "stop"),
        ({"seed": 1 << 70}, ""), ({"stream": "yes"}, "stream"), ({"top_logprobs": 99}, "top_logprobs"),
        ({"tools": [{"type": "function"}]}, "tools"), ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"frequency_penalty": 1}, "frequency_penalty"), ({"chat_template": "{{ 1 }}"}, "chat_template"),
    ],
)  # fmt: skip
def test_a_key_that_is_missing_wrong_or_unknown_is_named(serving, change, param):
    body = {k: v for k, v in {**CHAT, **change}.items() if v is not None}
    assert is_refusal(chat(serving, body), 400, param=param)
    assert is_refusal(chat(serving, {**body, "stream": body.get("stream", True)}), 400), "nor as a stream"


def test_what_changes_nothing_is_let_through(serving):
    more = {
        "user": "u",
        "metadata": {"a": "b"},
        "presence_penalty": 0,
        "tools": [],
        "response_format": {"type": "text"},
    }
    assert chat(serving, {**CHAT, **more})[0] == 200


def test_more_than_the_context_window_holds(serving):
    for body in (
        {**CHAT, "max_tokens": 100_000},
        {**CHAT, "messages": [{"role": "user", "content": "1 2 3 4 " * 2000}]},
    ):
        for stream in (False, True):
            assert is_refusal(
                chat(serving, {**body, "stream": stream}), 400, code="context_length_exceeded", message="2048"
            )
    assert chat(serving)[0] == 200


def test_a_body_beyond_the_limit(serving):
    large = {**CHAT, "messages": [{"role": "user", "content": "a" * 30_000}]}
    assert is_refusal(chat(serving, large), 413, message="20000 bytes")
    assert is_refusal(chat(serving, b"", Content_Length=str(10 << 30)), 413), "refused before it comes"
    chunk = b"x" * 30_000
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(chunk), chunk)
    assert is_refusal(chat(serving, chunked, Transfer_Encoding="chunked", Content_Length=None), 413)
    bomb = gzip.compress(json.dumps({**CHAT, "user": "a" * (5 << 20)}).encode())
    assert len(bomb) < 20_000
    assert is_refusal(chat(serving, bomb, Content_Encoding="gzip"), 413), "it counts what it unpacks"
    assert chat(serving)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil", "", "0.0.0.0", "[::1"]
)
def test_a_foreign_host_is_refused_whatever_it_points_to(serving, host):
    assert is_refusal(chat(serving, host=host or " "), 403, message="Host")
    assert is_refusal(send(serving, "GET", "/v1/models", host=host or " "), 403)
    assert is_refusal(send(serving, "GET", "/metrics", host=host or " "), 403)


def test_this_machines_own_names_are_served(serving):
    for host in (f"localhost:{serving.port}", "LOCALHOST", "127.0.0.1", f"[::1]:{serving.port}"):
        assert chat(serving, host=host)[0] == 200


def test_other_sites_are_refused(serving):
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", "https://localhost"):
        assert is_refusal(chat(serving, Origin=origin), 403, message="Origin")
    assert is_refusal(chat(serving, Sec_Fetch_Site="cross-site"), 403)
    assert chat(serving, Origin=f"http://127.0.0.1:{serving.port}", Sec_Fetch_Site="same-origin")[0] == 200
    assert is_refusal(chat(serving, Content_Type="text/plain"), 415, message="application/json")
    status, headers, _ = send(serving, "OPTIONS", "/v1/chat/completions", Origin="http://evil.example")
    assert status == 403 and not [h for h in headers if h.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../../etc/passwd", "/../recipe.yaml", "/%2e%2e/recipe.yaml", "/v1/models/..%2f..%2frecipe.yaml", "/v1/models/../../x",
        "/v1/models//etc/passwd", "/recipe.yaml", "/flywheel.duckdb", "/served/", "/", "/v1/models/%00", "//etc/passwd", "/v1/files",
    ],
)  # fmt: skip
def test_no_path_leads_to_a_file(serving, path):
    assert is_refusal(send(serving, "GET", path), 404)


def test_other_methods_and_models(serving):
    _, headers, _ = answer = send(serving, "GET", "/v1/chat/completions")
    assert is_refusal(answer, 405) and headers["Allow"] == "POST"
    assert is_refusal(send(serving, "DELETE", "/v1/models"), 405)
    assert is_refusal(chat(serving, {**CHAT, "model": "gpt-5"}), 404, code="model_not_found", message=SEED_ID)
    with pytest.raises(openai.NotFoundError, match="champion"):
        serving.client().chat.completions.create(**{**CHAT, "model": "../../etc"})


def test_too_many_at_once_are_told_when_to_come_again(serving):
    """The module's server takes 8."""
    found, slow = [], {"model": "champion", "prompt": "<|user|>", "max_tokens": 600, "temperature": 2.0, "n": 4}

    def work():
        found.append(send(serving, "POST", "/v1/completions", slow))

    threads = [threading.Thread(target=work) for _ in range(14)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted({a[0] for a in found}) == [200, 429]
    busy = [a for a in found if a[0] == 429]
    assert len(busy) == 6 and is_refusal(busy[0], 429, code="rate_limit_exceeded")
    assert int(busy[0][1]["Retry-After"]) > 0
    assert chat(serving)[0] == 200, "then it goes on"


# --- the token -------------------------------------------------------------------------------------------------


def test_open_to_others_it_demands_a_token(tmp_path):
    folder = make_mini_project(tmp_path / "p")
    for host in ("0.0.0.0", "::", "example.org", "192.0.2.1"):
        done = run_cli(folder, "serve", "--host", host, "--port", "0")
        refused(done, f"--host {host}", "FLYWHEEL_SERVE_TOKEN")


def test_a_port_that_is_taken_is_told(tmp_path):
    folder = make_mini_project(tmp_path / "p")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run_cli(folder, "serve", "--port", str(taken.getsockname()[1]))
    refused(done, "an address that is free", "--port 0 takes any that is free", code=1)


def test_a_token_is_compared_and_never_written(tmp_path, start):
    folder = make_mini_project(tmp_path / "p", serve={"log": True})
    server = start(folder, "--host", "0.0.0.0", env={"FLYWHEEL_SERVE_TOKEN": TOKEN})
    for given in (None, "", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", "Bearer ü"):
        _, headers, _ = answer = chat(
            server, host="gpu-box:8000", **({} if given is None else {"Authorization": given})
        )
        assert is_refusal(answer, 401) and headers["WWW-Authenticate"] == "Bearer"
    assert is_refusal(send(server, "GET", "/metrics"), 401)
    assert is_refusal(send(server, "GET", "/v1/nowhere"), 401), "nobody learns which paths there are"
    assert send(server, "GET", "/health")[0] == 200
    assert chat(server, host="gpu-box:8000", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert is_refusal(chat(server, Authorization=f"Bearer {TOKEN}", Origin="http://evil.example"), 403)
    assert server.client(api_key=TOKEN).chat.completions.create(**CHAT).model == SEED_ID
    server.end()
    written = [p for p in folder.rglob("*") if p.is_file()]
    assert any(p.parent.name == "served" for p in written)
    assert not [p for p in written if TOKEN.encode() in p.read_bytes()]


# --- what is kept ----------------------------------------------------------------------------------------------


def lines_of(folder):
    return [
        json.loads(line) for p in sorted((folder / "served").glob("*.jsonl")) for line in p.read_text().splitlines()
    ]


def test_nothing_is_kept_unless_the_recipe_says_so(tmp_path, start):
    folder = make_mini_project(tmp_path / "p")
    assert chat(start(folder))[0] == 200
    assert not (folder / "served").exists()


def test_what_was_answered_is_on_the_disk_before_the_reply_ends(tmp_path, start):
    folder = make_mini_project(tmp_path / "p", serve={"log": True})
    server = start(folder)
    long = [*HELLO, {"role": "assistant", "content": "2"}, {"role": "user", "content": "<script>é�</script>"}]
    whole = server.client().chat.completions.create(**{**CHAT, "messages": long, "n": 2, "temperature": 1})
    stream = server.client().chat.completions.create(**CHAT, stream=True)
    said = "".join(c.choices[0].delta.content or "" for c in stream if c.choices)
    server.process.kill()
    rows = lines_of(folder)
    assert [r["prompt"] for r in rows] == [long, HELLO]
    assert [r["served_replies"] for r in rows] == [[c.message.content for c in whole.choices], [said]]
    assert {r["served_by"] for r in rows} == {SEED_ID}
    (file,) = (folder / "served").glob("*")
    assert file.stat().st_mode & 0o077 == 0


def test_a_full_disk_costs_the_record_not_the_reply(tmp_path, start):
    folder = make_mini_project(tmp_path / "p", serve={"log": True})
    (folder / "served").write_text("in the way")
    server = start(folder)
    assert chat(server)[0] == 200
    server.wait_for_line("served, but not kept")
    assert 'flywheel_serve_failures_total{what="log"} 1.0' in send(server, "GET", "/metrics")[2]


@pytest.mark.slow
def test_served_prompts_become_new_prompts_where_the_recipe_says_so(tmp_path, start):
    folder = make_mini_project(tmp_path / "p", serve={"log": True, "ingest": True}, solve={"draws": 1, "problems": 4})
    server = start(folder)
    client = server.client()
    for i in range(3):
        client.chat.completions.create(**{**CHAT, "messages": [{"role": "user", "content": f"{i} + 1?"}]})
    (torn,) = (folder / "served").glob("*.jsonl")
    (folder / "served" / "20200101T000000Z-1.jsonl").write_text(torn.read_text() + torn.read_text()[:40])
    done = run_cli(folder, "generate", check=0)
    assert "[1] 6 served prompts brought in" in done.stderr
    client.chat.completions.create(**CHAT)
    assert "served prompt" not in run_cli(folder, "generate", check=0).stderr, "the iteration has begun"
    found = sql(folder, "select r.messages, i.fields from imported_prompts i join requests r using (request_id)")
    assert sorted(json.loads(r["messages"])[0]["content"] for r in found) == sorted([f"{i} + 1?" for i in range(3)] * 2)
    assert all("served_replies" in r["fields"] for r in found)
    assert sql(folder, "select count(*) as n from samples where step = 'import'") == [{"n": 0}], (
        "no reply is trained on"
    )
    (drop,) = sql(folder, "select reason, raw from drops where step = 'import'")
    assert drop["raw"] == torn.read_text()[:40]


WAITING = {
    "serve": {"log": True, "ingest": True}, "solve": {"draws": 1, "problems": 4},
    "generate": [{"step": "asked", "generator": "solve", "source": "imported", "max_tokens": 16, "draws": 1}],
}  # fmt: skip


def test_a_step_over_served_prompts_waits_for_them_and_takes_them_when_they_come(tmp_path):
    plain = make_mini_project(tmp_path / "plain", **{**WAITING, "serve": {}})
    refusal = run_cli(plain, "generate", check=2).stderr
    assert "rows of imported" in refusal and "flywheel import FILE" in refusal
    folder = make_mini_project(tmp_path / "p", **WAITING)
    first = run_cli(folder, "generate", check=0).stderr
    assert "[1] asked: no imported row yet; flywheel serve brings them (serve.log)" in first
    assert sql(folder, "select count(*) as n from samples where step = 'solve'") == [{"n": 4}]
    (folder / "served").mkdir()
    row = {"prompt": [{"role": "user", "content": "How many legs has a spider?"}], "served_replies": ["8"]}
    (folder / "served" / "20260101T000000Z-1.jsonl").write_text(json.dumps(row) + "\n")
    assert "[1] 1 served prompt brought in" in run_cli(folder, "generate", check=0).stderr
    assert sql(folder, "select entered, kept + dropped as done from funnel where step = 'asked'") == [
        {"entered": 1, "done": 1}
    ]
    assert "served prompt" not in run_cli(folder, "generate", check=0).stderr
