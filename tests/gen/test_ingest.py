"""Documents into the store: every format, again, as new versions; the command; real documents."""

import json
from pathlib import Path

import documents
import pytest
from documents import WORDS
from flywheel.gen import ingest_documents
from support import run_cli, sql
from support_ingest import ONE, check_spans, drops, ingest, make_all, sections


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


def test_each_function_of_a_program_is_a_chunk_where_that_is_wanted(folder):
    (folder / "shop.py").write_text(
        "RATE = 7\n\n\ndef price(n):\n    return n * RATE\n\n\ndef last(xs):\n    return xs[-1]\n"
    )
    run_cli(folder, "ingest", str(folder / "shop.py"), check=0)
    assert sql(folder, "select n_chunks, version from documents") == [{"n_chunks": 1, "version": 1}]
    run_cli(folder, "ingest", str(folder / "shop.py"), "--code", "definitions", check=0)
    texts = sql(
        folder,
        "select text, line_start from chunks join document_chunks using (chunk_id) join documents using (document_id) where version = 2 order by ordinal",
    )
    assert [(t["text"].split("(")[0], t["line_start"]) for t in texts] == [
        ("RATE = 7", 1),
        ("RATE = 7\n\n\ndef price", 4),
        ("def last", 8),
    ]


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


def test_a_generator_is_shown_the_title_of_a_chunks_document(tmp_path, endpoint):
    (tmp_path / "a.html").write_text(f"<html><head><title>Great Mills</title></head><body><p>{WORDS}</p></body></html>")
    (tmp_path / "b.md").write_text(f"# Rivers\n\n{WORDS}")
    run_cli(tmp_path, "ingest", str(tmp_path / "a.html"), str(tmp_path / "b.md"), check=0)
    recipe = {"name": "x", "engine": "openai", "generate": [{"step": "s", "generator": "backtranslate"}]}
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    (tmp_path / "none").write_text("")
    shown = run_cli(tmp_path, "generate", "--dry-run", env=endpoint(tmp_path / "none").env, check=0).stdout
    assert "Great Mills" in shown
    assert "Rivers > Rivers" not in shown
