"""The processes that read files: what they survive, what they know, what they load."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from documents import WORDS
from flywheel.errors import StageError
from flywheel.gen import ingest_documents
from flywheel.gen.convert import _convert
from flywheel.gen.ingest import _workers
from support_ingest import ONE, drops, ingest

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
