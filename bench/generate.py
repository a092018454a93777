"""flywheel beside the raw client, the openai client and the peers, on a fake endpoint: speed, scheduling, faults.

Needs the harness (a folder with ``bench.py``, ``stub_server.py`` and the peers' runners) and a folder of virtual
environments, one per tool (``stub``: uvloop httptools orjson aiohttp; ``oai``: openai[aiohttp] uvloop; ``curator``; …);
tools whose environment is absent are left out and named. All figures of one table come from the same run, tools
interleaved, and are medians; what counts is the ratio.

    python bench/generate.py --harness ../shared/bench --venvs FOLDER [--reps 5] [--only speed,tail,…]
"""

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
FLYWHEEL = (sys.executable, str(HERE / "runners" / "flywheel_run.py"), "")
CHAIN = (sys.executable, str(HERE / "runners" / "flywheel_run.py"), "chain")
PARTS = {
    "speed": (
        "b",
        ("flywheel", "raw_aiohttp", "openai_aiohttp", "openai_httpx", "curator", "datadesigner"),
        (1000, 5000),
        64,
    ),
    "slots": ("a", ("flywheel", "raw_aiohttp", "openai_aiohttp", "curator"), (5000,), 256),
    "tail": ("c", ("flywheel", "raw_aiohttp"), (2000,), 64),
    "chain": ("h", ("flywheel_chain", "chain_raw", "chain_curator"), (1000,), 64),
    "limiter": ("g", ("flywheel", "raw_aiohttp", "curator"), (2000,), 64),
    "faults": ("f", ("flywheel", "raw_aiohttp", "openai_aiohttp", "curator"), (2000,), 64),
}


def load_harness(folder, venvs):
    """Return the harness's module, with flywheel among its tools."""
    os.environ.update(BENCH_VENVS=str(venvs), BENCH_TMP=tempfile.mkdtemp(prefix="bench-"))
    os.environ.setdefault("BENCH_OUT", str(Path(os.environ["BENCH_TMP"]) / "results.jsonl"))
    spec = importlib.util.spec_from_file_location("bench", folder / "bench.py")
    harness = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(harness)
    harness.TOOLS.update(flywheel=FLYWHEEL, flywheel_chain=CHAIN)
    return harness


def measure(harness, part, reps):
    """Return {(tool, n): [result of each repetition]}, tools interleaved."""
    scenario, tools, sizes, concurrency = PARTS[part]
    present = [t for t in tools if Path(harness.TOOLS[t][0]).exists()]
    for tool in sorted(set(tools) - set(present)):
        print(f"{part}: {tool} is left out: no environment {harness.TOOLS[tool][0]}", file=sys.stderr)
    found = {}
    for rep in range(reps):
        for n in sizes:
            for tool in present:
                found.setdefault((tool, n), []).append(harness.one(tool, scenario, n, concurrency, rep))
    return found


def median(results, key):
    """Return the median of a figure over the repetitions."""
    values = [r[key] for r in results if r[key] is not None]
    return statistics.median(values) if values else float("nan")


def show(part, found, reps):
    """Print a part's table."""
    tools = list(dict.fromkeys(t for t, _ in found))
    sizes = sorted({n for _, n in found})
    most = sizes[-1]
    print(f"\n## {part}: scenario {PARTS[part][0]}, n = {most}, medians of {reps}\n")
    print(
        "| tool | window s | rows/s (window) | of raw | start s | CPU s per 1,000 more rows | peak RSS MB | ok | 429s |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    raw = next((median(found[t, most], "window") for t in tools if t in ("raw_aiohttp", "chain_raw")), float("nan"))
    for tool in tools:
        results = found[tool, most]
        window = median(results, "window")
        slope = float("nan")
        if len(sizes) > 1:
            slope = (median(results, "cpu") - median(found[tool, sizes[0]], "cpu")) / (most - sizes[0]) * 1000
        refused = statistics.median([r["stub"]["status"].get("429", 0) for r in results])
        ok = [r["result"].get("ok") for r in results]
        print(
            f"| {tool} | {window:.2f} | {most / window:.0f} | {window / raw:.3f} | {median(results, 'startup'):.2f} | "
            f"{slope:.2f} | {median(results, 'tree_rss_mb'):.0f} | {ok[-1]} | {refused:.0f} |"
        )


def main():
    """Measure and print the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--harness", type=Path, required=True)
    parser.add_argument("--venvs", type=Path, required=True)
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    a = parser.parse_args()
    harness = load_harness(a.harness.resolve(), a.venvs.resolve())
    harness.server("start")
    try:
        for part in a.only.split(","):
            show(part, measure(harness, part, a.reps), a.reps)
    finally:
        harness.server("stop")


if __name__ == "__main__":
    main()
