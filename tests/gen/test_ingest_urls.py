"""Addresses, and lists of them."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from documents import WORDS
from support_ingest import drops, ingest


class _Pages(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self):
        type(self).asked += 1
        body = f"<html><title>Rivers</title><body><h1>Rivers</h1><p>{WORDS}</p></body></html>".encode()
        status, headers, sent = 200, {"Content-Type": "text/html; charset=utf-8"}, body
        if self.path == "/gone":
            status = 404
        elif self.path == "/moved":
            status, headers, sent = 302, {"Location": "/page"}, b""
        elif self.path == "/file":
            status, headers, sent = 302, {"Location": "file:///etc/hostname"}, b""
        elif self.path == "/large":
            headers, sent = {"Content-Type": "text/plain"}, (WORDS * 20_000).encode()
        elif self.path == "/notes.md?x=1":
            headers, sent = {}, f"# Notes\n\n{WORDS}".encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(sent) + (self.path == "/short") * 100))
        self.end_headers()
        if self.path == "/slow":
            for i in range(100):
                self.wfile.write(sent[i : i + 1])
                self.wfile.flush()
                time.sleep(0.1)
        self.wfile.write(sent)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    class Handler(_Pages):
        asked = 0

        def do_GET(self):
            try:
                super().do_GET()
            except OSError:
                self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_a_list_of_urls_is_fetched_and_what_fails_is_a_drop(store, folder, server):
    names = ["page", "gone", "moved", "file", "large", "notes.md?x=1", "slow", "short"]
    lines = [f"{server}/{name}" for name in names]
    closed = "http://127.0.0.1:9/x"
    (folder / "pages.urls").write_text(
        "# pages\n\n" + "\n".join([*lines, closed, "ftp://x.example/y", "http://me:pw@x.example/"])
    )
    counts = ingest(store, folder / "pages.urls", max_mb=1, fetch_timeout_s=1, jobs=4)
    found = store.query("SELECT source, format, title FROM documents ORDER BY source")
    assert found == [
        (f"{server}/moved", "html", "Rivers"), (f"{server}/notes.md?x=1", "markdown", "Notes"), (f"{server}/page", "html", "Rivers"),
    ]  # fmt: skip
    reasons = drops(store)
    assert reasons.pop(f"{server}/file").startswith(("HTTP 302", "cannot be fetched"))
    assert reasons.pop(closed).startswith("cannot be fetched: ")
    assert reasons == {
        f"{server}/gone": "HTTP 404", f"{server}/large": "larger than 1 MB", f"{server}/slow": "fetching took too long",
        f"{server}/short": "cannot be fetched: the answer breaks off",
        "docs/pages.urls:12": "not an http or https address",
        "docs/pages.urls:13": "an address with a name or password in it",
    }  # fmt: skip
    assert counts.inputs == 11
    assert "pw@" not in "".join(map(str, store.query("SELECT * FROM drops") + store.query("SELECT * FROM plans")))
    assert list(store.project.work.iterdir()) == [], "nothing fetched is left behind"


def test_an_address_and_a_list_by_its_mark(store, folder, server, monkeypatch):
    (folder / "list.txt").write_text(f"{server}/moved\n")
    monkeypatch.chdir(folder)
    assert ingest(store, f"{server}/page", "@list.txt").new == 2
    assert ingest(store, "@list.txt").unchanged == 1
