"""Near duplicates and evaluation items among many rows, by each executor: the results have to be the same; time and memory of each.

    python bench/curate_cluster.py [--rows 1000000] [--workers 2] [--items 1000] [--filters]

Rows are problems of the seed's world with their solutions (two sentences to a dozen); a tenth of them are near copies or copies of others, and
each evaluation item stands in one. Steps: exact and near duplicates, evaluation items; with ``--filters`` all that a recipe has by default. Each
executor curates in a process of its own, from the same file. Time is that of ``curate``, the start of Ray in it, on the clock and of the CPU (on a busy
machine only the second tells): of the process itself, and of all others that it started (tasks' workers, Ray's own). Memory is the
most that was resident at once (Linux's VmHWM): of the process itself, and of the largest other one. It ends with 1 where the results differ.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from flywheel.config import CurationConfig, DecontaminateConfig, DuplicateConfig, ExecutorConfig
from flywheel.judge import HERE, Decontaminator, EvalText
from flywheel.judge.curate import CurateRow, curate
from flywheel.seed import generate

MARK = "FLYWHEEL_BENCH"
SEEN_EVERY_S = 0.5


def write_rows(path: Path, n: int) -> None:
    """Write the rows."""
    rng = random.Random(0)
    source = generate("loop", 0, {1: 0.2, 2: 0.4, 3: 0.4})
    recent: list[tuple[str, str]] = []
    with path.open("w") as stream:
        for i in range(n):
            if recent and i % 10 == 9:
                prompt, completion = rng.choice(recent)
                prompt = prompt if i % 20 == 9 else prompt.replace("How", "Tell me how", 1)
            else:
                problem = next(source)
                prompt, completion = problem.question, problem.answer
                recent = [*recent[-999:], (prompt, completion)] if i % 7 == 0 else recent
            stream.write(json.dumps([prompt, completion]) + "\n")


def read_rows(path: Path) -> Iterator[CurateRow]:
    """Yield the rows."""
    with path.open() as stream:
        for i, line in enumerate(stream):
            prompt, completion = json.loads(line)
            yield CurateRow(f"row{i}", prompt, completion)


def work(given: argparse.Namespace, executor: str, path: Path) -> None:
    """Curate, and print what came of it as JSON."""
    mapper = HERE
    if executor == "ray":
        from flywheel.loop._cluster import RayMapper

        mapper = RayMapper(ExecutorConfig(kind="ray", workers=given.workers), path.parent)
    rng = random.Random(1)
    chosen = set(rng.sample(range(given.rows), given.items))
    items = [EvalText("held-out", "gate", str(i), r.prompt) for i, r in enumerate(read_rows(path)) if i in chosen]
    config = CurationConfig.off().model_copy(update={"duplicates": DuplicateConfig()})
    if given.filters:
        config = CurationConfig()
    began, cpu = time.perf_counter(), time.process_time()
    found = Decontaminator(items, DecontaminateConfig(), mapper=mapper)
    made = curate(read_rows(path), config, decontaminator=found, mapper=mapper)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    digest = hashlib.sha256(repr((made.kept, made.drops)).encode()).hexdigest()
    print(json.dumps({
        "seconds": seconds, "cpu": cpu, "digest": digest, "kept": len(made.kept), "peak_kb": peak_kb(os.getpid()),
        "steps": {s.step: s.dropped for s in made.steps},
    }))  # fmt: skip


def peak_kb(pid: int | str) -> int:
    """Return the most memory that a process had, in KiB; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    except (OSError, StopIteration):
        return 0


def cpu_s(pid: int | str) -> float:
    """Return the seconds of the CPU that a process took so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def watch(mark: str, own: int, done: threading.Event, peaks: dict[str, int], spent: dict[str, float]) -> None:
    """Note memory and CPU of all processes that have the mark in their environment, but one."""
    while not done.wait(SEEN_EVERY_S):
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if folder.name != str(own) and mark.encode() in (folder / "environ").read_bytes():
                    peaks[folder.name] = max(peaks.get(folder.name, 0), peak_kb(folder.name))
                    spent[folder.name] = cpu_s(folder.name)
            except OSError:
                continue


def measure(given: argparse.Namespace, executor: str, path: Path) -> dict:
    """Run one executor in a process of its own."""
    mark = f"{MARK}={uuid.uuid4().hex}"
    command = [sys.executable, __file__, *sys.argv[1:], "--work", executor, str(path)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, MARK: mark.split("=")[1]})
    done, peaks, spent = threading.Event(), {}, {}
    watcher = threading.Thread(target=watch, args=(mark, child.pid, done, peaks, spent))
    watcher.start()
    out, _ = child.communicate()
    done.set()
    watcher.join()
    if child.returncode:
        raise SystemExit(f"{executor}: ended with {child.returncode}")
    return {
        **json.loads(out.splitlines()[-1]),
        "others_kb": max(peaks.values(), default=0),
        "others_cpu": sum(spent.values()),
    }


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--filters", action="store_true")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given, given.work[0], Path(given.work[1]))
        return 0
    with tempfile.TemporaryDirectory(prefix="curate-cluster-") as folder:
        path = Path(folder) / "rows.jsonl"
        write_rows(path, given.rows)
        print(f"{given.rows:,} rows, {path.stat().st_size / 1e6:.0f} MB\n")
        print(
            "| executor | time | CPU of the process | of others | its memory | largest other | kept | went |\n|---|---|---|---|---|---|---|---|"
        )
        digests = set()
        for executor in ("local", "ray"):
            r = measure(given, executor, path)
            digests.add(r["digest"])
            went = ", ".join(f"{step} {n:,}" for step, n in r["steps"].items() if n)
            print(
                f"| {executor} | {r['seconds']:.1f} s | {r['cpu']:.1f} s | {r['others_cpu']:.1f} s | {r['peak_kb'] / 1024:.0f} MB | {r['others_kb'] / 1024:.0f} MB "
                f"| {r['kept']:,} | {went} |",
                flush=True,
            )
    print(f"\nresults: {'the same' if len(digests) == 1 else 'different'}")
    return 0 if len(digests) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
