"""flywheel in the harness benchmark: ``flywheel generate`` as a user runs it, from stored chunks to stored samples.

The chunks are put into the store by a process that the harness does not count, as the other tools' inputs are given to
them ready. ``--variant chain`` makes two dependent steps of it.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from common import args, passage, write

CHECKOUT = Path(__file__).parents[2] / ".pypath"
sys.path.insert(0, str(CHECKOUT))

OWN = '''
from flywheel.gen import generator


@generator("write", consumes=("text",), templates=("write",))
async def write(item, ask):
    """One question."""
    for completion in await ask("write", text=item.text("text")):
        yield completion.made(text=completion.text)
'''
TEMPLATE = "name: write\nvariables: [text]\nuser: 'Write one question and one answer about {{text}}'\n"
RECIPE = """name: bench
engine: {{kind: openai, concurrency: {concurrency}, timeout_s: {timeout}, max_attempts: 12}}
generate:
  - {{step: first, generator: "own.py:write", max_tokens: 128}}
"""
SECOND = '  - {step: second, generator: "own.py:write", source: first, max_tokens: 128}\n'


def prepare(folder, a):
    """Write the project; the chunks by a process of its own that ends with nobody waiting for it."""
    (folder / "prompts").mkdir(parents=True)
    (folder / "own.py").write_text(OWN)
    (folder / "prompts" / "write.yaml").write_text(TEMPLATE)
    recipe = RECIPE.format(concurrency=a.concurrency, timeout=a.timeout) + (SECOND if "chain" in a.variant else "")
    (folder / "recipe.yaml").write_text(recipe)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            add_chunks(folder, a.n)
            (folder / "ready").touch()
        os._exit(0)
    os.wait()
    while not (folder / "ready").exists():
        time.sleep(0.01)


def add_chunks(folder, n):
    """Store ``n`` chunks."""
    from flywheel.schema import ChunkRow, DocumentChunkRow, DocumentRow
    from flywheel.store import Project, Store

    store = Store(Project(folder)).open()
    store.append([DocumentRow("doc_b", "b.txt", 1, "txt", None, None, "0", 0, n, "{}")])
    for start in range(0, n, 5000):
        rows = []
        for i in range(start, min(n, start + 5000)):
            rows.append(ChunkRow(f"chk_{i:024d}", "b.txt", passage(i), "", 40))
            rows.append(DocumentChunkRow("doc_b", i, f"chk_{i:024d}", 0, 1, None, None, None, None))
        store.append(rows)
    store.close()


def read_back(folder, step):
    """Return (row, text) of the samples of a step."""
    from flywheel.store import Project, run_query

    rows = run_query(Project(folder), f"select input_id, completion from samples where step = '{step}'").rows
    if step == "second":
        first = dict(run_query(Project(folder), "select sample_id, input_id from samples where step = 'first'").rows)
        rows = [(first[i], text) for i, text in rows]
    return [(int(i.removeprefix("chk_")), text) for i, text in rows]


if __name__ == "__main__":
    a = args()
    folder = Path(a.work) / "project"
    if not folder.exists():
        prepare(folder, a)
    t0 = time.perf_counter()
    env = {**os.environ, "OPENAI_BASE_URL": a.base_url, "PYTHONPATH": str(CHECKOUT)}
    subprocess.run([sys.executable, "-m", "flywheel", "-C", str(folder), "generate"], check=True, env=env)
    pairs = read_back(folder, "second" if "chain" in a.variant else "first")
    write(a, t0, pairs, len(pairs))
