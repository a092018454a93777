"""What gives no document, or not all of one, is a drop with its reason."""

import json
import os

import documents
from documents import WORDS
from support import run_cli
from support_ingest import drops, ingest


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


def test_pages_without_text_are_a_drop_that_names_them(store, folder):
    documents.make_pdf(folder / "mixed.pdf", [[], [(10, WORDS)], [], [], [(10, WORDS)], []])
    counts = ingest(store, folder)
    assert (counts.new, counts.empty_pages, counts.first_empty_pages) == (1, 4, "docs/mixed.pdf, pages 1, 3-4, 6")
    assert store.query("SELECT step, reason, raw, n FROM drops") == [
        ("ingest/pages", "pages without text (images, or blank)", "pages 1, 3-4, 6", 4)
    ]
    funnel = "SELECT entered, kept, dropped FROM funnel WHERE step = 'ingest/pages'"
    assert store.query(funnel) == [(4, 0, 4)]
    ((listed,),) = store.query("SELECT metadata ->> 'pages_without_text' FROM documents")
    assert json.loads(listed) == [1, 3, 4, 6]
    assert ingest(store, folder, chunk_tokens=64, overlap_tokens=0).versions == 1
    assert store.query(funnel) == [(4, 0, 4)], "the same pages are dropped once"


def test_the_command_warns_of_pages_without_text(tmp_path):
    documents.make_pdf(tmp_path / "mixed.pdf", [[(10, WORDS)], []])
    done = run_cli(tmp_path, "ingest", str(tmp_path / "mixed.pdf"), check=0)
    assert "warning: 1 page without text (mixed.pdf, pages 2); --parser docling reads images too" in done.stderr
