"""flywheel beside the raw client, the openai client and the peers, on a fake endpoint: speed, scheduling, faults.

Needs the harness (a folder with ``bench.py``, ``stub_server.py`` and the peers' runners) and a folder of virtual
environments, one per tool (``stub``: uvloop httptools orjson aiohttp; ``oai``: openai[aiohttp] uvloop; ``curator``; …);
tools whose environment is absent are left out and named. All figures of one table come from the same run, tools
interleaved, and are medians; what counts is the ratio.

    python bench/generate.py --harness ../shared/bench --venvs FOLDER [--reps 5] [--only speed,tail,…] [--most 100000]
"""

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
RUNNERS = HERE / "runners"
HARD = "429=0.05,500=0.02,reset=0.01,malformed=0.02,truncated=0.01,length=0.01,timeout=0.005"


@dataclass(frozen=True)
class Part:
    """What is measured: a scenario of the harness with tools, numbers of rows, and requests in flight."""

    scenario: str
    tools: tuple[str, ...]
    sizes: tuple[int, ...]
    concurrency: int
    server: dict = field(default_factory=dict)
    limit_s: int = 400


PARTS = {
    "speed": Part(
        "b", ("flywheel", "raw_aiohttp", "openai_aiohttp", "openai_httpx", "curator", "datadesigner"), (1000, 5000), 64
    ),
    "slots": Part("a", ("flywheel", "raw_aiohttp", "openai_aiohttp", "curator"), (5000,), 256),
    "tail": Part("c", ("flywheel", "raw_aiohttp"), (2000,), 64),
    "chain2": Part("h", ("flywheel_chain", "raw_chain", "chain_curator"), (1000,), 64),
    "chain3": Part("h", ("flywheel_chain3", "raw_chain3"), (1000,), 64),
    "limiter": Part("g", ("flywheel", "raw_aiohttp"), (2000,), 64),
    "faults": Part("f", ("flywheel", "raw_aiohttp", "openai_aiohttp", "curator"), (2000,), 64),
    "hard": Part("f", ("flywheel_hard",), (2000,), 64, {"faults": HARD}),
    "growth": Part("mem", ("flywheel_growth",), (1000, 10_000, 100_000, 1_000_000), 64, limit_s=3000),
}


def load_harness(folder, venvs):
    """Return the harness's module, with flywheel among its tools."""
    os.environ.update(BENCH_VENVS=str(venvs), BENCH_TMP=tempfile.mkdtemp(prefix="bench-"))
    os.environ.setdefault("BENCH_OUT", str(Path(os.environ["BENCH_TMP"]) / "results.jsonl"))
    spec = importlib.util.spec_from_file_location("bench", folder / "bench.py")
    harness = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(harness)
    for variant in ("", "chain", "chain3", "hard", "growth"):
        name = f"flywheel_{variant}".rstrip("_")
        harness.TOOLS[name] = (sys.executable, str(RUNNERS / "flywheel_run.py"), variant)
    for name, steps in (("raw_chain", "2"), ("raw_chain3", "3")):
        harness.TOOLS[name] = (harness.py("oai"), str(RUNNERS / "chain_raw.py"), steps)
    return harness


def measure(harness, name, reps, most):
    """Return {(tool, n): [result of each repetition]}, tools interleaved."""
    part = PARTS[name]
    present = [t for t in part.tools if Path(harness.TOOLS[t][0]).exists()]
    for tool in sorted(set(part.tools) - set(present)):
        print(f"{name}: {tool} is left out: no environment {harness.TOOLS[tool][0]}", file=sys.stderr)
    found = {}
    for rep in range(reps):
        for n in part.sizes if most is None else [n for n in part.sizes if n <= most]:
            for tool in present:
                result = harness.one(
                    tool, part.scenario, n, part.concurrency, rep, limit=part.limit_s, server=part.server
                )
                found.setdefault((tool, n), []).append(result)
    return found


def median(results, key):
    """Return the median of a figure over the repetitions; of ``flywheel generate`` itself what it used."""
    values = [r["result"].get(key, r[key]) for r in results if r[key] is not None]
    return statistics.median(values) if values else float("nan")


def start_of(results):
    """Return the median time from the start of a tool to its first request, in seconds."""
    began = [r["stub"]["first_request_t"] - r["result"]["began_at"] for r in results if "began_at" in r["result"]]
    return statistics.median(began) if began else median(results, "startup")


def rss_of(results):
    """Return the median of the peak resident memory in MB."""
    return statistics.median([r["result"].get("rss_mb", r["tree_rss_mb"]) for r in results])


def show(name, found, reps):
    """Print a part's table."""
    sizes = sorted({n for _, n in found})
    print(f"\n## {name}: scenario {PARTS[name].scenario}, medians of {reps}\n")
    print(
        "| tool | n | window s | rows/s (window) | of raw | start s | CPU s | CPU s per 1,000 more | peak RSS MB | ok | 429s |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for n in sizes:
        raw = next((median(r, "window") for (t, m), r in found.items() if m == n and "raw" in t), float("nan"))
        for tool in dict.fromkeys(t for t, _ in found):
            results = found[tool, n]
            window, cpu = median(results, "window"), median(results, "cpu")
            less = (
                (cpu - median(found[tool, sizes[0]], "cpu")) / (n - sizes[0]) * 1000 if n > sizes[0] else float("nan")
            )
            refused = statistics.median([r["stub"]["status"].get("429", 0) for r in results])
            ok = [r["result"].get("ok") for r in results]
            print(
                f"| {tool} | {n} | {window:.2f} | {n / window:.0f} | {window / raw:.3f} | {start_of(results):.2f} | {cpu:.2f} | "
                f"{less:.2f} | {rss_of(results):.0f} | {min(ok)} | {refused:.0f} |"
            )


def main():
    """Measure and print the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--harness", type=Path, required=True)
    parser.add_argument("--venvs", type=Path, required=True)
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--most", type=int, help="leave out greater numbers of rows than this")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    a = parser.parse_args()
    harness = load_harness(a.harness.resolve(), a.venvs.resolve())
    harness.server("start")
    try:
        for part in a.only.split(","):
            show(part, measure(harness, part, a.reps, a.most), a.reps)
    finally:
        harness.server("stop")


if __name__ == "__main__":
    main()
