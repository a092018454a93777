"""What ``executor: ray`` costs and gives: the same steps by one machine and by 1, 2 and 4 workers, against an endpoint that takes a second an answer.

    python bench/cluster.py [--items 1200] [--latency 1.0] [--slots 32] [--workers 1 2 4]

Each worker has ``--slots`` requests in flight; one machine has as many as one worker. Time is taken from the first request to the last answer, as the
store has them, so that neither the start of Ray nor that of flywheel counts; the whole time is printed beside it. The rows of one machine and of one
worker have to be the same, or it ends with 1.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support import FakeEndpoint, run_cli, sql
from support_flow import ONE, final_state, make_flow_project


def measure(
    root: Path, name: str, items: int, latency: float, slots: int, executor: object
) -> tuple[dict, float, float]:
    """Return the rows, the seconds from first to last answer, and those of the whole command."""
    (root / "none").write_text("")
    (root / name).mkdir()
    server = FakeEndpoint(root / name, root / "none", latency=latency)
    folder = make_flow_project(
        root / f"{name}-project", n=items, steps=ONE, engine={"concurrency": slots}, executor=executor
    )
    began = time.monotonic()
    run_cli(folder, "generate", env=server.env, check=0, timeout=1800)
    whole = time.monotonic() - began
    server.stop()
    (asked,) = sql(folder, "SELECT epoch(max(answered_at)) - epoch(min(created_at)) AS seconds FROM requests")
    return final_state(folder), asked["seconds"], whole


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=1200, help="prompts a worker")
    parser.add_argument("--latency", type=float, default=1.0)
    parser.add_argument("--slots", type=int, default=32)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    given = parser.parse_args()
    same = True
    print(
        "| executor | prompts | first request to last answer | prompts/s | of linear | whole command |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        base = 0.0
        for n in given.workers:
            items = given.items * n
            runs = [(f"local-{n}", "local")] * (n == 1) + [(f"ray-{n}", {"kind": "ray", "workers": n, "cpus": 0.5})]
            found = {}
            for name, executor in runs:
                rows, seconds, whole = measure(Path(folder), name, items, given.latency, given.slots * n, executor)
                found[name] = rows
                rate = items / seconds
                base = base or rate
                print(
                    f"| {name} | {items:,} | {seconds:.1f} s | {rate:.1f} | {rate / (base * n):.3f} | {whole:.1f} s |",
                    flush=True,
                )
            same = same and len({str(rows) for rows in found.values()}) == 1
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
