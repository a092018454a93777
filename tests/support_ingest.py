"""What the tests of ingest share: an ingest that is checked, and documents of every format."""

import json

import documents
from documents import WORDS
from flywheel.gen import IngestSettings, ingest_documents

ONE = IngestSettings(jobs=1, timeout_s=30)


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
    assert store.query("SELECT ordinal FROM plans WHERE step = 'ingest' ORDER BY ordinal") == [
        (i,) for i in range(sum(r[0] for r in found))
    ]


def check_spans(store):
    """The text of each chunk is its span of the document's text."""
    for document_id, start, end, text in store.query(
        "SELECT document_id, char_start, char_end, text FROM document_chunks JOIN chunks USING (chunk_id) WHERE text <> ''"
    ):
        whole = (store.project.documents / f"{document_id}.txt").read_bytes().decode()
        assert whole[start:end] == text


def drops(store):
    return dict(store.query("SELECT input_id, reason FROM drops WHERE step = 'ingest'"))


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


def sections(n, **changes):
    texts = {i: " ".join(f"Sentence {i}.{j} of the section is here." for j in range(30)) for i in range(n)}
    texts.update({int(k[1:]): v for k, v in changes.items()})
    return "\n\n".join(f"# Section {i}\n\n{text}" for i, text in texts.items())
