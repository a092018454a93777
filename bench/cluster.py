"""What ``executor: ray`` costs and gives: the same steps by one machine and by 1, 2 and 4 workers, against an endpoint that takes a second an answer.

    python bench/cluster.py [--items 1200] [--latency 1.0] [--slots 32] [--workers 1 2 4]

Each worker has ``--slots`` requests in flight; one machine has as many as one worker. Time is taken from the first request to the last answer, as the
store has them, so that neither the start of Ray nor that of flywheel counts; the whole time is printed beside it, and the CPU seconds per 1,000 prompts of the
command and of all its workers, start included: with ``--latency 0`` they say what one head can do. The rows of one machine and of one worker have to be the
same, or it ends with 1.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support import FakeEndpoint, sql, start_cli
from support_flow import ONE, final_state, make_flow_project

TICKS = os.sysconf("SC_CLK_TCK")


class CpuWatch(threading.Thread):
    """Reads twice a second what a command and the actors of any Ray on this machine have used of the CPU; Linux only."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.used, self.is_over = pid, {}, False

    def run(self) -> None:
        """See the class."""
        while not self.is_over:
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    is_ours = int(folder.name) == self.pid or (folder / "cmdline").read_bytes().startswith(b"ray::")
                    fields = (folder / "stat").read_text().rpartition(")")[2].split() if is_ours else ()
                except OSError:
                    continue
                if fields:
                    self.used[int(folder.name)] = (int(fields[11]) + int(fields[12])) / TICKS
            time.sleep(0.5)

    @property
    def of_head(self) -> float:
        """CPU seconds of the command."""
        return self.used.get(self.pid, 0.0)

    @property
    def of_workers(self) -> float:
        """CPU seconds of all actors."""
        return sum(self.used.values()) - self.of_head


def measure(
    root: Path, name: str, items: int, latency: float, slots: int, executor: object
) -> tuple[dict, float, float, CpuWatch]:
    """Return the rows, the seconds from first to last answer, those of the whole command, and what it used of the CPU."""
    (root / "none").write_text("")
    (root / name).mkdir()
    server = FakeEndpoint(root / name, root / "none", latency=latency)
    folder = make_flow_project(
        root / f"{name}-project", n=items, steps=ONE, engine={"concurrency": slots}, executor=executor
    )
    began = time.monotonic()
    command = start_cli(folder, "generate", env=server.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watch = CpuWatch(command.pid)
    watch.start()
    if command.wait(1800) != 0:
        raise SystemExit(f"{name} ended with {command.returncode}")
    watch.is_over = True
    whole = time.monotonic() - began
    server.stop()
    (asked,) = sql(folder, "SELECT epoch(max(answered_at)) - epoch(min(created_at)) AS seconds FROM requests")
    return final_state(folder), asked["seconds"], whole, watch


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
        "| executor | prompts | first request to last answer | prompts/s | of linear | whole command | CPU s / 1,000: command | … workers |\n|---|---|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        base = 0.0
        for n in given.workers:
            items = given.items * n
            runs = [(f"local-{n}", "local")] * (n == 1) + [(f"ray-{n}", {"kind": "ray", "workers": n, "cpus": 0.5})]
            found = {}
            for name, executor in runs:
                rows, seconds, whole, cpu = measure(Path(folder), name, items, given.latency, given.slots * n, executor)
                found[name] = rows
                rate = items / seconds
                base = base or rate
                print(
                    f"| {name} | {items:,} | {seconds:.1f} s | {rate:.1f} | {rate / (base * n):.3f} | {whole:.1f} s "
                    f"| {1e3 * cpu.of_head / items:.3f} | {1e3 * cpu.of_workers / items:.3f} |",
                    flush=True,
                )
            same = same and len({str(rows) for rows in found.values()}) == 1
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
