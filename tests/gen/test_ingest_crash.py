"""Ingests that are killed or interrupted, and their memory."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from documents import WORDS
from flywheel.store import Project, Store
from support import run_cli
from support_ingest import check_funnel, check_spans, sections


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
