"""Documents into the store: idempotence, versions, drops, crashes, addresses, walks."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import documents
import pytest
from documents import WORDS
from flywheel.errors import InputError, MissingExtraError, NotFoundError, RecipeError, StageError
from flywheel.gen import IngestSettings, ingest_documents
from flywheel.gen.convert import _convert
from flywheel.gen.ingest import _workers
from flywheel.store import Project, Store
from support import HERE, run_cli, sql

ONE = IngestSettings(jobs=1, timeout_s=30)


@pytest.fixture
def folder(project, store):
    """A folder of documents inside the project."""
    path = project.root / "docs"
    path.mkdir()
    return path


def ingest(store, *arguments, **settings):
    counts = ingest_documents(store, [str(a) for a in arguments], IngestSettings(**{"jobs": 1, **settings}))
    check_funnel(store)
    return counts


def check_funnel(store):
    """Every planned input is a document or a drop; nothing is there twice."""
    found = store.query("SELECT entered, kept, dropped FROM funnel WHERE run_id = 'project' AND step = 'ingest'")
    assert all(entered == kept + dropped for entered, kept, dropped in found)
    for table, key in (("documents", "document_id"), ("chunks", "chunk_id"), ("drops", "drop_id")):
        assert store.query(f"SELECT {key} FROM {table} GROUP BY ALL HAVING count(*) > 1") == []
    assert store.query("SELECT ordinal FROM plans ORDER BY ordinal") == [(i,) for i in range(sum(r[0] for r in found))]


def check_spans(store):
    """The text of each chunk is its span of the document's text."""
    for document_id, start, end, text in store.query(
        "SELECT document_id, char_start, char_end, text FROM document_chunks JOIN chunks USING (chunk_id) WHERE text <> ''"
    ):
        whole = (store.project.documents / f"{document_id}.txt").read_bytes().decode()
        assert whole[start:end] == text


def drops(store):
    return dict(store.query("SELECT input_id, reason FROM drops"))


def make_all(folder):
    """Write one document of every format."""
    for name, make in {
        "a.docx": documents.make_docx, "a.pptx": documents.make_pptx, "a.xlsx": documents.make_xlsx,
        "a.epub": documents.make_epub, "a.odt": documents.make_odt, "a.eml": documents.make_eml,
        "a.ipynb": documents.make_ipynb, "a.rtf": documents.make_rtf, "a.png": documents.make_image,
    }.items():  # fmt: skip
        make(folder / name)
    documents.make_pdf(folder / "a.pdf", [[(10, WORDS)]])
    for name in ("a.txt", "a.md", "a.rst", "a.adoc", "a.py", "a.csv", "a.tsv", "a.html"):
        (folder / name).write_text(f"{WORDS}\n\n{WORDS}\n")
    (folder / "a.json").write_text(json.dumps({"text": WORDS}))
    (folder / "a.jsonl").write_text(json.dumps({"text": WORDS}) + "\n")


def test_every_format_becomes_a_document_whose_chunks_cite_it(store, folder):
    make_all(folder)
    counts = ingest(store, folder, licence="CC0", jobs=2)
    assert (counts.new, counts.drops.total()) == (20, 0)
    check_spans(store)
    formats = {f for (f,) in store.query("SELECT format FROM documents")}
    assert formats == {
        "docx", "pptx", "xlsx", "epub", "odt", "eml", "ipynb", "rtf", "image", "pdf", "txt", "markdown", "rst", "asciidoc",
        "code", "csv", "html", "json", "jsonl",
    }  # fmt: skip
    assert store.query("SELECT DISTINCT licence FROM documents") == [("CC0",)]
    assert store.query("SELECT count(*) FROM documents WHERE n_chunks = 0 OR source NOT LIKE 'docs/a.%'") == [(0,)]


def test_an_image_is_kept_as_it_is(store, folder):
    documents.make_image(folder / "river.png")
    ingest(store, folder)
    ((text, media),) = store.query("SELECT text, media FROM chunks")
    assert text == "A photograph of the river Alder"
    assert media.startswith(".flywheel/media/") and media.endswith(".png")
    assert (store.project.root / media).read_bytes() == (folder / "river.png").read_bytes()


def test_the_same_again_is_no_row(store, folder):
    make_all(folder)
    (folder / "bad.bin").write_bytes(bytes(range(256)) * 4)
    ingest(store, folder)
    tables = ("documents", "chunks", "document_chunks", "drops", "plans")
    before = [store.query(f"SELECT count(*) FROM {t}") for t in tables]
    counts = ingest(store, folder, folder / "a.txt")
    assert (counts.unchanged, counts.new, counts.versions, counts.new_chunks) == (20, 0, 0, 0)
    assert counts.drops == {"neither text nor a known format": 1}
    assert [store.query(f"SELECT count(*) FROM {t}") for t in tables] == before


def sections(n, **changes):
    texts = {i: " ".join(f"Sentence {i}.{j} of the section is here." for j in range(30)) for i in range(n)}
    texts.update({int(k[1:]): v for k, v in changes.items()})
    return "\n\n".join(f"# Section {i}\n\n{text}" for i, text in texts.items())


def test_a_changed_file_is_a_new_version_and_only_its_changed_chunks_are_new(store, folder):
    path = folder / "book.md"
    path.write_text(sections(20))
    first = ingest(store, path)
    path.write_text(sections(20, s7="A new text of the seventh section."))
    second = ingest(store, path)
    assert (second.new, second.versions, second.restored) == (0, 1, 0)
    assert first.new_chunks >= 20 and 1 <= second.new_chunks <= 2
    check_spans(store)
    versions = store.query("SELECT version, n_chunks, document_id FROM documents ORDER BY version")
    assert [v for v, _, _ in versions] == [1, 2]
    for _, n_chunks, document_id in versions:
        ordinals = store.query(
            "SELECT ordinal FROM document_chunks WHERE document_id = ? ORDER BY ordinal", [document_id]
        )
        assert ordinals == [(i,) for i in range(n_chunks)]


def test_a_file_changed_back_is_the_version_in_use_again_with_no_new_chunk(store, folder):
    path = folder / "book.md"
    for text in (sections(4), sections(4, s1="Something else, at some length."), sections(4)):
        path.write_text(text)
        counts = ingest(store, path)
    assert (counts.versions, counts.restored, counts.new_chunks) == (1, 1, 0)
    assert ingest(store, path).unchanged == 1
    query = """SELECT string_agg(text, '' ORDER BY ordinal) FROM documents JOIN document_chunks USING (document_id)
               JOIN chunks USING (chunk_id) GROUP BY version ORDER BY version"""
    first, second, third = (text for (text,) in store.query(query))
    assert first == third != second


def test_other_settings_and_another_licence_are_new_versions(store, folder):
    (folder / "a.md").write_text(sections(4))
    ingest(store, folder, licence="CC0")
    assert ingest(store, folder).unchanged == 1, "no licence leaves the one on record"
    assert ingest(store, folder, chunk_tokens=64, overlap_tokens=8).versions == 1
    relicensed = ingest(store, folder, chunk_tokens=64, overlap_tokens=8, licence="MIT")
    assert (relicensed.versions, relicensed.new_chunks) == (1, 0)
    found = store.query("SELECT licence, metadata->>'$.chunking.chunk_tokens' FROM documents ORDER BY version")
    assert found == [("CC0", "512"), ("CC0", "64"), ("MIT", "64")]


def test_a_source_does_not_depend_on_the_current_folder(store, folder, tmp_path, monkeypatch):
    (folder / "a.txt").write_text(WORDS)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.txt").write_text(WORDS)
    link = tmp_path / "link"
    link.symlink_to(folder)
    ingest(store, folder / "a.txt", outside / "b.txt")
    for current, names in (
        (folder, ["a.txt", "../../outside/b.txt"]),
        (link, ["./a.txt"]),
        (tmp_path, ["link/a.txt", "outside"]),
    ):
        monkeypatch.chdir(current)
        counts = ingest(store, *names)
        assert counts.unchanged == counts.inputs == len(names)
    assert store.query("SELECT source FROM documents ORDER BY ALL") == [(str(outside / "b.txt"),), ("docs/a.txt",)]


def test_what_cannot_be_read_is_a_drop_with_its_reason(store, folder):
    documents.make_pdf(folder / "scan.pdf", [[], []])
    documents.make_pdf(folder / "secret.pdf", [[(10, "x")]], password=True)
    (folder / "short.txt").write_text("Too short.\n")
    (folder / "empty.txt").write_text("")
    (folder / "old.doc").write_bytes(b"\xd0\xcf\x11\xe0")
    (folder / "dangling.txt").symlink_to(folder / "nowhere")
    (folder / "good.txt").write_text(WORDS)
    (folder / "large.txt").write_text(WORDS * 20_000)
    os.mkfifo(folder / "pipe.txt")
    counts = ingest(store, folder, max_mb=1)
    assert counts.new == 1
    assert drops(store) == {
        "docs/scan.pdf": "no text layer (an image-only PDF)", "docs/secret.pdf": "password-protected",
        "docs/short.txt": "near-empty", "docs/empty.txt": "empty", "docs/old.doc": "format not read: Word 97",
        "docs/dangling.txt": "unreadable: No such file or directory", "docs/pipe.txt": "not a regular file",
        "docs/large.txt": "larger than 1 MB",
    }  # fmt: skip
    assert store.query("SELECT raw FROM drops WHERE input_id = 'docs/short.txt'") == [("Too short.\n",)]


def test_a_mended_file_is_a_document_and_its_drop_stays_on_record(store, folder):
    path = folder / "a.txt"
    path.write_text("short")
    ingest(store, path)
    assert ingest(store, path, min_chars=3).new == 1, "other settings try again"
    path.write_text(WORDS)
    assert ingest(store, path).versions == 1
    assert drops(store) == {"docs/a.txt": "near-empty"}


BROKEN_PARSER = """
import os, sys, time
sys.path.insert(0, sys.argv[1])
from convert import _worker
convert = _worker.convert_bytes
def broken(data, name, *rest, **named):
    print("noise on standard output")
    if "hangs" in name: time.sleep(600)
    if "spins" in name:
        while True: pass
    if "dies" in name: os.kill(os.getpid(), 11)
    if "eats" in name: bytearray(1 << 40)
    if "explodes" in name: raise RuntimeError("a parser's own words")
    if "deep" in name: return broken(data, name)
    return convert(data, name, *rest, **named)
_worker.convert_bytes = broken
_worker.main()
"""


def test_a_parser_that_hangs_dies_or_explodes_costs_its_file(store, folder, monkeypatch):
    monkeypatch.setattr(_workers, "_START", BROKEN_PARSER)
    for name in ("a", "b_hangs", "c", "d_dies", "e", "f_eats", "g", "h_explodes", "i_spins", "j_deep", "k"):
        (folder / f"{name}.txt").write_text(WORDS)
    counts = ingest(store, folder, timeout_s=1, jobs=2)
    assert counts.new == 5
    reasons = {Path(source).stem[2:]: reason for source, reason in drops(store).items()}
    assert reasons.pop("deep") == "parser failed: RecursionError"
    assert reasons == {
        "hangs": "took longer than 1 s", "spins": "took longer than 1 s", "dies": "parser crashed (SIGSEGV)",
        "eats": "needs more than 2048 MB of memory", "explodes": "parser failed: RuntimeError",
    }  # fmt: skip


def test_a_worker_ends_by_itself_when_a_parser_hangs_and_the_parent_is_gone(tmp_path):
    """The alarm of the system, not a thread: it also ends a hang in C code."""
    (tmp_path / "hangs.txt").write_text(WORDS)
    start = BROKEN_PARSER.replace("_worker.main()", "_worker.GRACE_S = 0.2\n_worker.main()")
    worker = subprocess.Popen(
        [sys.executable, "-P", "-c", start, str(Path(_convert.__file__).parents[1]), "0.3", "2048"],
        stdin=subprocess.PIPE,
    )
    job = {"path": str(tmp_path / "hangs.txt"), "name": "hangs.txt", "media_type": None, "parser": "light"}
    worker.stdin.write(json.dumps(job).encode() + b"\n")
    worker.stdin.flush()
    assert worker.wait(timeout=10) == -signal.SIGALRM
    worker.stdin.close()


def test_workers_that_cannot_start_are_an_error_and_no_drops(store, folder, monkeypatch):
    monkeypatch.setattr(_workers, "_START", "raise SystemExit(3)")
    (folder / "a.txt").write_text(WORDS)
    with pytest.raises(StageError, match="ended with code 3"):
        ingest_documents(store, [str(folder)], ONE)
    assert drops(store) == {}


def test_a_worker_sees_no_secret(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert "secret" not in _workers._environment().values()


def test_the_worker_loads_neither_store_nor_torch():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import convert._worker;"
        "print([m for m in ('flywheel', 'duckdb', 'pyarrow', 'numpy', 'torch', 'lxml', 'pypdfium2') if m in sys.modules])"
    )
    folder = str(Path(_convert.__file__).parents[1])
    assert subprocess.check_output([sys.executable, "-P", "-c", code, folder], text=True).strip() == "[]"


def test_walks_skip_what_is_hidden_or_a_cache_and_end_in_link_loops(store, folder, project):
    for name in (
        "b/two.txt", "a.txt", "b/one.txt", ".hidden/x.txt", "b/.x.txt", "__pycache__/x.txt", "node_modules/x.txt",
        "venv/pyvenv.cfg", "venv/x.txt", "cache/CACHEDIR.TAG", "cache/x.txt", "b/x.pyc",
    ):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{WORDS} {name}")
    (folder / "b" / "loop").symlink_to(folder)
    (folder / "linked.txt").symlink_to(folder / "a.txt")
    counts = ingest(store, project.root)
    expected = [("docs/a.txt",), ("docs/b/one.txt",), ("docs/b/two.txt",), ("docs/linked.txt",)]
    assert store.query("SELECT source FROM documents ORDER BY source") == expected
    assert counts.inputs == 4


def test_patterns_and_odd_names(store, folder, monkeypatch):
    for name in ("a[1].txt", "b.txt", "sub/c.txt", "d.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"{WORDS} {name}")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.txt")).write_text(WORDS)
    monkeypatch.chdir(folder)
    assert ingest(store, "**/*.txt", "a[1].txt").new == 4
    assert ("docs/\\xff.txt",) in store.query("SELECT source FROM documents")


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (["nowhere"], NotFoundError, "nothing of that name"), (["*.nothing"], NotFoundError, "nothing of that name"),
        (["@nowhere"], NotFoundError, "nothing of that name"), (["empty"], InputError, "none that is not hidden"),
        ([], InputError, "nothing"), (["none.urls"], InputError, "one URL a line"), (["bad.urls"], InputError, "neither text"),
    ],
)  # fmt: skip
def test_wrong_arguments_are_told_before_anything_is_done(store, folder, monkeypatch, arguments, error, words):
    (folder / "empty").mkdir()
    (folder / "none.urls").write_text("# nothing\n\n")
    (folder / "bad.urls").write_bytes(bytes(range(256)))
    (folder / "a.txt").write_text(WORDS)
    monkeypatch.chdir(folder)
    with pytest.raises(error) as caught:
        ingest_documents(store, ["a.txt", *arguments] if arguments and arguments != ["empty"] else arguments, ONE)
    assert words in str(caught.value) and "cure" in str(caught.value)
    assert store.query("SELECT count(*) FROM documents") == [(0,)]


@pytest.mark.parametrize(
    "settings",
    [
        {"chunk_tokens": 8},
        {"overlap_tokens": 300},
        {"overlap_tokens": -1},
        {"timeout_s": -1},
        {"max_mb": 0},
        {"min_chars": -1},
    ],
)
def test_wrong_settings_are_told(settings):
    with pytest.raises(RecipeError):
        IngestSettings(**settings)


def test_a_tokenizer_that_is_not_there_is_told(tmp_path):
    with pytest.raises(NotFoundError):
        IngestSettings(tokenizer=str(tmp_path))


def test_a_tokenizer_counts(store, folder):
    (folder / "a.md").write_text(sections(3))
    model = str(HERE.parent / "seed" / "model")
    ingest(store, folder, tokenizer=model, chunk_tokens=128, overlap_tokens=0)
    ((most, name),) = store.query(
        "SELECT max(n_tokens), any_value(metadata->>'$.chunking.tokenizer') FROM chunks, documents"
    )
    assert most <= 128 and name != "estimate"


def test_docling_that_is_not_installed_is_told_with_its_cure(store, folder, monkeypatch):
    (folder / "a.txt").write_text(WORDS)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="pip install"):
        ingest_documents(store, [str(folder)], IngestSettings(parser="docling"))


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


def test_progress_is_told_after_each_file(store, folder):
    for i in range(5):
        (folder / f"{i}.txt").write_text(f"{WORDS} {i}")
    told = []
    ingest_documents(store, [str(folder)], ONE, on_progress=lambda c: told.append((c.done, c.inputs)))
    assert told == [(i, 5) for i in range(1, 6)]


def test_the_command_works_in_an_empty_folder_without_a_recipe(tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text(sections(3))
    (tmp_path / "docs" / "b.txt").write_text("short")
    out = run_cli(
        tmp_path / "project", "ingest", str(tmp_path / "docs"), "--format", "json", "--licence", "CC0", check=0
    )
    told = json.loads(out.stdout)
    assert told["documents"] == {"new": 1, "new_versions": 0, "changed_back": 0, "unchanged": 0, "dropped": 1}
    assert told["drops"] == [{"reason": "near-empty", "n": 1, "first": str(tmp_path / "docs" / "b.txt")}]
    again = run_cli(tmp_path / "project", "ingest", str(tmp_path / "docs"), check=0)
    assert "unchanged" in again.stdout and "near-empty" in again.stdout
    (row,) = sql(tmp_path / "project", "select * from funnel")
    assert row["entered"] == 2 and row["reason"] == "near-empty: 1"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.txt"], "nothing of that name"), (["docs", "--overlap-tokens", "400"], "--overlap-tokens"),
        (["docs/b.txt"], "near-empty"), (["docs", "--tokenizer", "docs"], "tokenizer.json"),
    ],
)  # fmt: skip
def test_the_command_explains_mistakes(tmp_path, arguments, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "b.txt").write_text("short")
    done = run_cli(tmp_path, "ingest", *arguments, check=2)
    assert words in done.stderr and "expected" in done.stderr and "cure" in done.stderr


def everything(root):
    """All rows but their times, in the order of the plan."""
    store = Store(Project(root)).open()
    queries = {
        "plans": "SELECT * FROM plans ORDER BY ordinal",
        "documents": "SELECT * EXCLUDE created_at FROM documents ORDER BY source, version",
        "chunks": "SELECT * EXCLUDE created_at FROM chunks ORDER BY chunk_id",
        "document_chunks": "SELECT * FROM document_chunks ORDER BY document_id, ordinal",
        "drops": "SELECT * EXCLUDE created_at FROM drops ORDER BY drop_id",
    }
    rows = {name: store.query(query) for name, query in queries.items()}
    check_funnel(store)
    check_spans(store)
    store.close()
    return rows


@pytest.mark.slow
def test_a_kill_in_the_middle_then_the_same_command_equals_the_whole(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    for i in range(300):
        (docs / f"{i:03}.md").write_text(
            "x" if i % 50 == 7 else sections(3 + i % 4, s1=f"Text of document {i}, at some length.")
        )
    roots = [tmp_path / "whole", tmp_path / "killed"]
    for root in roots:
        root.mkdir()
    run_cli(roots[0], "ingest", str(docs), check=0)
    n_kills = 0
    for wait_s in (0.0, 0.05, 0.15):
        process = subprocess.Popen(
            [sys.executable, "-m", "flywheel", "-C", str(roots[1]), "ingest", str(docs)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        journal = roots[1] / ".flywheel" / "journal"
        while process.poll() is None and not any(p.stat().st_size for p in journal.glob("*")):
            time.sleep(0.005)
        time.sleep(wait_s)
        n_kills += process.poll() is None
        process.kill()
        process.wait()
    assert n_kills >= 2, "the process was done before it could be killed"
    run_cli(roots[1], "ingest", str(docs), check=0)
    whole, killed = map(everything, roots)
    assert len(whole["documents"]) == 294 and len(whole["drops"]) == 6
    assert killed == whole


@pytest.mark.slow
def test_an_interrupt_ends_at_once_and_leaves_no_worker(tmp_path):
    docs, project = tmp_path / "docs", tmp_path / "project"
    docs.mkdir()
    project.mkdir()
    for i in range(600):
        (docs / f"{i}.md").write_text(sections(3))
    process = subprocess.Popen(
        [sys.executable, "-m", "flywheel", "-C", str(project), "ingest", str(docs), "--jobs", "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while process.poll() is None and not any(p.stat().st_size for p in (project / ".flywheel" / "journal").glob("*")):
        time.sleep(0.01)
    tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
    workers = " ".join(task.read_text() for task in tasks).split()
    assert workers
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130 and "interrupted" in told and "Traceback" not in told
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    run_cli(project, "ingest", str(docs), check=0)
    ((n,),) = Store(Project(project)).open().query("SELECT count(*) FROM documents")
    assert n == 600


@pytest.mark.slow
def test_memory_is_flat_in_the_number_of_files(tmp_path):
    code = """
import sys
from flywheel.gen import IngestSettings, ingest_documents
from flywheel.store import Project, Store
marks = []
def mark(counts):
    if counts.done in (500, 2000):
        store.fold()
        marks.append(int(open("/proc/self/status").read().split("VmRSS:")[1].split()[0]) / 1024)
store = Store(Project(__import__("pathlib").Path(sys.argv[1]))).open()
ingest_documents(store, [sys.argv[2]], IngestSettings(jobs=2), on_progress=mark)
store.close()
print(*marks)
"""
    docs = tmp_path / "docs"
    for i in range(2000):
        path = docs / f"{i // 100}" / f"{i}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Document {i}. " + WORDS * 20)
    (tmp_path / "p").mkdir()
    out = subprocess.check_output([sys.executable, "-c", code, str(tmp_path / "p"), str(docs)], text=True)
    early, late = map(float, out.split())
    assert late - early < 25, f"{early:.0f} MB after 500 files, {late:.0f} MB after 2000"


def test_real_documents(store, shared_data):
    counts = ingest(store, shared_data / "docs", jobs=2)
    assert counts.inputs == counts.done == 75
    check_spans(store)
    reasons = {Path(source).name: reason for source, reason in drops(store).items()}
    assert reasons == {
        "markitdown_random.bin": "neither text nor a known format",
        "pypdf_005_libreoffice-writer-password.pdf": "password-protected",
        "pypdf_019_grayscale-image.pdf": "no text layer (an image-only PDF)",
        "pythondocx_having-images.docx": "near-empty",
        "pythondocx_tbl-having-tables.docx": "near-empty",
    }
    assert ingest(store, shared_data / "docs", jobs=2).unchanged == 70
    pages = store.query(
        "SELECT page_start FROM document_chunks JOIN documents USING (document_id) WHERE source LIKE '%multi_page.pdf' ORDER BY ordinal"
    )
    assert pages[0] == (1,) and pages[-1][0] >= 4
    ((title,),) = store.query("SELECT title FROM documents WHERE source LIKE '%/pep-0008.rst'")
    assert title


def test_real_images(store, shared_data):
    counts = ingest(store, shared_data / "sroie" / "img")
    assert counts.new == counts.inputs > 3
    ((n, media),) = store.query("SELECT count(*), count(DISTINCT media) FROM chunks")
    assert n == media == counts.new
