"""flywheel in the harness benchmark: ``flywheel generate`` as a user runs it, from stored chunks to stored samples.

The chunks are put into the store by a process that the harness does not count, as the other tools' inputs are given to
them ready. ``--variant chain`` makes two dependent steps of it, ``chain3`` three, and ``growth`` reads nothing back into this
process but counts. ``hard`` has a timeout of 5 s for requests that are never answered. What ``flywheel generate`` itself used is in the result as ``began_at, cpu, rss_mb``.
"""

import itertools
import json
import os
import resource
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
NEXT = '  - {{step: {name}, generator: "own.py:write", source: {source}, max_tokens: 128}}\n'
CHAINS = {
    "": ["first"],
    "growth": ["first"],
    "hard": ["first"],
    "chain": ["first", "second"],
    "chain3": ["first", "second", "third"],
}


def prepare(folder, a):
    """Write the project; the chunks by a process of its own that ends with nobody waiting for it."""
    (folder / "prompts").mkdir(parents=True)
    (folder / "own.py").write_text(OWN)
    (folder / "prompts" / "write.yaml").write_text(TEMPLATE)
    steps = CHAINS[a.variant]
    recipe = RECIPE.format(concurrency=a.concurrency, timeout=5 if a.variant == "hard" else a.timeout)
    recipe += "".join(NEXT.format(name=n, source=s) for s, n in itertools.pairwise(steps))
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


def read_back(folder, steps):
    """Return (row, text) of the samples of the last of ``steps``."""
    from flywheel.store import Project, run_query

    last, *before = reversed(steps)
    joins = "".join(
        f" join samples {s} on {s}.sample_id = {t}.input_id" for t, s in itertools.pairwise([last, *before])
    )
    sql = f"select {steps[0]}.input_id, {last}.completion from samples {last}{joins} where {last}.step = '{last}'"
    return [(int(i.removeprefix("chk_")), text) for i, text in run_query(Project(folder), sql).rows]


def count_right(folder):
    """Return how many chunks have the sample that belongs to them, and how many samples there are."""
    from flywheel.store import Project, run_query

    right = "regexp_extract(completion, 'item-(\\d+)', 1)::BIGINT = replace(input_id, 'chk_', '')::BIGINT"
    sql = f"select count(distinct input_id) filter ({right}), count(*) from samples where step = 'first'"
    ((ok, rows),) = run_query(Project(folder), sql).rows
    return ok, rows


if __name__ == "__main__":
    a = args()
    folder = Path(a.work) / "project"
    if not folder.exists():
        prepare(folder, a)
    t0, began_at = time.perf_counter(), time.time()
    env = {**os.environ, "OPENAI_BASE_URL": a.base_url, "PYTHONPATH": str(CHECKOUT)}
    subprocess.run([sys.executable, "-m", "flywheel", "-C", str(folder), "generate"], check=True, env=env)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = {"began_at": began_at, "cpu": used.ru_utime + used.ru_stime, "rss_mb": used.ru_maxrss / 1024}
    if a.variant == "growth":
        ok, rows = count_right(folder)
        Path(a.out).write_text(json.dumps({"n": a.n, "ok": ok, "missing": a.n - ok, "rows_out": rows, **own}))
    else:
        pairs = read_back(folder, CHAINS[a.variant])
        write(a, t0, pairs, len(pairs), **own)
