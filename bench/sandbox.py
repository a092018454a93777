"""How long a run in the sandbox takes, what it costs to start one otherwise, and the whole of HumanEval and MBPP.

    python bench/sandbox.py                    # start-up of each isolation, and programs a minute
    python bench/sandbox.py --data shared/data # also every canonical solution, and a mutation of each

The launcher forks a warm interpreter for each run; the alternatives measured beside it are a bare ``python -I -S`` for
each run, and a launcher that puts the walls up for each run.
"""

import argparse
import gzip
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flywheel.judge.sandbox import POOL, Program, count_cores, probe, run_many, run_python
from flywheel.judge.verifiers import Case
from flywheel.judge.verifiers._code import verify_code

TYPICAL = "import math, collections, itertools\nprint(sum(math.isqrt(i) for i in range(10000)))"


def main() -> None:
    """Measure; print one line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with humaneval/ and mbpp/")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--limit", type=int, default=0, help="problems of each data set; 0 = all")
    arguments = parser.parse_args()
    rungs = [r.isolation for r in probe().rungs if r.works]
    print(f"{count_cores()} cores, Python {sys.version.split()[0]}; milliseconds a run, one after another")
    measure("python -I -S -E", arguments.runs, lambda: subprocess.run([sys.executable, "-I", "-S", "-E", "-c", TYPICAL],
                                                                      capture_output=True))  # fmt: skip
    for rung in [*rungs, "none"]:
        run_python("pass", isolation=rung)
        measure(f"{rung}, launcher kept", arguments.runs, lambda rung=rung: run_python(TYPICAL, isolation=rung))
    for rung in rungs:
        measure(f"{rung}, launcher anew", max(arguments.runs // 10, 3), lambda rung=rung: run_anew(rung))
    for rung in rungs:
        started = time.perf_counter()
        done = list(run_many([Program(TYPICAL)] * (arguments.runs * 4), isolation=rung))
        assert all(o.ok for o in done)
        print(f"{rung:32} {60 * len(done) / (time.perf_counter() - started):10.0f} programs a minute, batch")
    if arguments.data:
        check_data(arguments.data, arguments.limit)


def measure(name: str, n: int, work: Callable[[], object]) -> None:
    """Print the median and the 95th percentile of ``n`` calls."""
    times = []
    for _ in range(n):
        started = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - started))
    times.sort()
    print(f"{name:32} {times[n // 2]:8.1f} median {times[int(n * 0.95)]:8.1f} of 95 %")


def run_anew(rung: str) -> None:
    """Run at ``rung`` with a launcher that has to start first."""
    POOL.close()
    run_python(TYPICAL, isolation=rung)  # type: ignore[arg-type]


def check_data(folder: Path, limit: int) -> None:
    """Judge canonical and mutated solutions."""
    with gzip.open(folder / "humaneval/HumanEval.jsonl.gz", "rt") as stream:
        humaneval = [json.loads(line) for line in stream][: limit or None]
    mbpp = [json.loads(line) for line in (folder / "mbpp/mbpp.jsonl").read_text().splitlines()][: limit or None]
    judge_all("HumanEval, canonical", [(r["canonical_solution"], r) for r in humaneval])
    judge_all("HumanEval, mutated", [("    return 12345\n", r) for r in humaneval])
    judge_all("MBPP, canonical", [(r["code"], r) for r in mbpp])
    judge_all("MBPP, mutated", [(r["code"].replace("return ", "return None and "), r) for r in mbpp])


def judge_all(name: str, rows: list[tuple[str, dict]]) -> None:
    """Judge rows side by side; print what came out."""
    options = {**verify_code.options, "challenge": True}
    started = time.perf_counter()
    with ThreadPoolExecutor(count_cores()) as threads:
        verdicts = list(threads.map(lambda row: verify_code.check(Case(row[0], fields=row[1]), options), rows))
    seconds = time.perf_counter() - started
    reasons = Counter(v.reason for v in verdicts).most_common(4)
    n_passed = sum(v.passed is True for v in verdicts)
    print(f"{name:32} {n_passed} of {len(rows)} passed, {60 * len(rows) / seconds:.0f} a minute; {reasons}")


if __name__ == "__main__":
    main()
