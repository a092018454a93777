"""Images that were ingested: the store names them, the wire carries them, and what goes out is whole."""

import base64
import json
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from documents import make_image
from flywheel.errors import InputError
from flywheel.llm import inline_images
from support import run_cli, sql

SEEN = {
    "type": "factual",
    "difficulty": "easy",
    "question": "What does the sign by the river say?",
    "answer": "Stop",
    "quote": "STOP here",
}
RECIPE = {
    "name": "pictures",
    "engine": {"kind": "openai", "model": "eyes", "concurrency": 2, "patience_s": 0},
    "generate": [{"step": "questions", "generator": "backtranslate", "options": {"pairs": 1, "closed_book": False}}],
}


BODIES: list = []


class _Eyes(BaseHTTPRequestHandler):
    def do_GET(self):
        self._say({"data": [{"id": "eyes"}]})

    def do_POST(self):
        BODIES.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        message = {"role": "assistant", "content": json.dumps({"pairs": [SEEN]})}
        self._say({"choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": {}})

    def _say(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    make_image(folder / "sign.png")
    (folder / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    run_cli(folder, "ingest", str(folder / "sign.png"), check=0)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Eyes) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        env = {"OPENAI_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1", "OPENAI_API_KEY": "none"}
        run_cli(folder, "generate", env=env, check=0)
        server.shutdown()
    return folder, (folder / "sign.png").read_bytes(), BODIES


def _images(messages):
    return [
        p["image_url"]["url"]
        for m in messages
        if isinstance(m["content"], list)
        for p in m["content"]
        if "image_url" in p
    ]


def test_the_wire_carries_the_bytes(asked):
    _, image, bodies = asked
    url = f"data:image/png;base64,{base64.b64encode(image).decode()}"
    assert _images(bodies[0]["messages"]) == [url]


def test_the_store_names_the_file(asked):
    folder, image, _ = asked
    (row,) = sql(folder, "select messages from requests where step = 'questions'")
    (name,) = _images(json.loads(row["messages"]))
    assert name.startswith(".flywheel/media/")
    assert (folder / name).read_bytes() == image


def test_an_export_is_whole(asked, tmp_path):
    folder, image, _ = asked
    out = tmp_path / "rows.jsonl"
    run_cli(folder, "export", "--format", "openai", "--what", "samples", "--output", str(out), check=0)
    assert base64.b64encode(image).decode() in out.read_text()


def _go_on(asked, folder, *steps):
    """Run more steps after the questions; return the bodies that they sent."""
    shutil.copytree(asked[0], folder)
    (folder / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, "generate": [*RECIPE["generate"], *steps]}))
    sent = len(BODIES)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Eyes) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        run_cli(folder, "generate", env={"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "k"}, check=0)
        server.shutdown()
    return BODIES[sent:]


def test_a_question_about_an_image_is_asked_with_it(asked, tmp_path):
    """Reasoning, critiques and solutions see what the question is about, whatever their templates."""
    steps = [
        {"step": "solved", "generator": "solve", "source": "questions"},
        {"step": "criticised", "generator": "critique", "source": "solved"},
        {"step": "reasoned", "generator": "cot", "source": "questions", "options": {"hint": False}},
    ]
    bodies = _go_on(asked, tmp_path / "copy", *steps)
    url = f"data:image/png;base64,{base64.b64encode(asked[1]).decode()}"
    assert len(bodies) >= 3
    assert all(_images(body["messages"]) == [url] for body in bodies)
    texts = [json.dumps(body["messages"]) for body in bodies]
    assert all(SEEN["question"] in text for text in texts)
    (row,) = sql(
        tmp_path / "copy",
        "select prompt, r.messages from samples s join requests r using (request_id) where s.step = 'solved'",
    )
    assert "image_url" in (row["prompt"] or row["messages"]), "what is trained on has the image too"


def test_a_step_that_shows_no_image_asks_nothing_of_a_question_about_one(asked, tmp_path):
    """It would get an answer about nothing, and the same one for every image."""
    bodies = _go_on(asked, tmp_path / "copy", {"step": "reworded", "generator": "rephrase", "source": "questions"})
    assert bodies == [], "the questions are on record, and nothing else is asked"
    assert sql(tmp_path / "copy", "select step, reason from drops where step = 'reworded'") == [
        {"step": "reworded", "reason": "question about an image"}
    ]


def test_an_imported_question_about_an_image_is_asked_with_it(tmp_path):
    make_image(tmp_path / "sign.png")
    url = f"data:image/png;base64,{base64.b64encode((tmp_path / 'sign.png').read_bytes()).decode()}"
    content = [{"type": "text", "text": "What does it say?"}, {"type": "image_url", "image_url": {"url": url}}]
    row = {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": "Stop"}]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    steps = [{"step": "solved", "generator": "solve", "source": "imported"}]
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({**RECIPE, "generate": steps}))
    run_cli(tmp_path, "import", str(tmp_path / "rows.jsonl"), "--yes", check=0)
    sent = len(BODIES)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Eyes) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        env = {"OPENAI_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1", "OPENAI_API_KEY": "k"}
        run_cli(tmp_path, "generate", env=env, check=0)
        server.shutdown()
    (body,) = BODIES[sent:]
    assert _images(body["messages"]) == [url]
    assert sql(tmp_path, "select count(*) as n from samples where step = 'solved'") == [{"n": 1}]


def test_a_dry_run_names_the_image_and_counts_it_by_a_round_figure(tmp_path):
    make_image(tmp_path / "sign.png")
    recipe = {**RECIPE, "prices": {"prompt": 1.0}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    run_cli(tmp_path, "ingest", str(tmp_path / "sign.png"), check=0)
    said = run_cli(tmp_path, "generate", "--dry-run", env={"COLUMNS": "200"}, check=0).stdout
    assert "[image .flywheel/media/" in said and "image_url" not in said
    text = said.partition("── questions")[2].partition("┏")[0]
    (tokens,) = re.findall(r"│ total +│ +│ +[\d,]+ │ +([\d,]+) │", said)
    assert 1000 < int(tokens.replace(",", "")) <= 1000 + len(text) / 4


def test_only_stored_images_are_read(tmp_path):
    """A row of somebody else's data set cannot have a file of this machine sent to an endpoint."""
    (tmp_path / "secret.png").write_bytes(b"key")
    for url in (
        "secret.png",
        "../secret.png",
        ".flywheel/media/../../secret.png",
        str(tmp_path / "secret.png"),
        "file:secret.png",
    ):
        messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
        assert _images(inline_images(messages, tmp_path)) == [url]


def test_an_image_that_is_gone_is_named(tmp_path):
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": ".flywheel/media/abc.png"}}]}]
    with pytest.raises(InputError, match="ingest the image again"):
        inline_images(messages, tmp_path)
