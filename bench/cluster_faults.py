"""What faults cost a cluster: one worker node killed, one added, the driver killed with -9 and run again; then compared with one machine row by row.

    python bench/cluster_faults.py [--items 20000] [--latency 0.2] [--slots 256] [--workers 4]

The cluster is Ray's own of several nodes on this machine (`ray.cluster_utils.Cluster`). Each input is one prompt whose two draws lead to a follow-up
each. Prints what was sent again beside what was in flight, and ends with 1 where a table or the funnel differs.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from support import FakeEndpoint, kill_group, run_cli, start_cli, wait_for
from support_flow import final_state, make_flow_project

SMALL = {"object_store_memory": 100_000_000}
LONGEST_S = 3600


def main() -> int:
    """Run, disturb, compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=20_000, help="prompts")
    parser.add_argument("--latency", type=float, default=0.2)
    parser.add_argument("--slots", type=int, default=256, help="requests in flight, all workers together")
    parser.add_argument("--workers", type=int, default=4)
    given = parser.parse_args()
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "none").write_text("")
        server = FakeEndpoint(root / "server", root / "none", latency=given.latency)
        shape = {"n": given.items, "engine": {"concurrency": given.slots}}
        alone = make_flow_project(root / "alone", **shape)
        began = time.monotonic()
        run_cli(alone, "generate", env=server.env, check=0, timeout=LONGEST_S)
        alone_s, n = time.monotonic() - began, len(server.answered())

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **SMALL})
        first, *_ = [cluster.add_node(num_cpus=1, **SMALL) for _ in range(given.workers)]
        executor = {"kind": "ray", "address": cluster.address, "workers": given.workers}
        shared = make_flow_project(root / "shared", executor=executor, **shape)
        began = time.monotonic()
        run = start_cli(
            shared, "generate", env=server.env, stdout=subprocess.DEVNULL, stderr=(root / "stderr").open("w")
        )
        for share, disturb in (
            (0.3, lambda: cluster.remove_node(first, allow_graceful=False)),
            (0.5, lambda: cluster.add_node(num_cpus=1, **SMALL)),
            (0.7, lambda: kill_group(run)),
        ):
            wait_for(lambda share=share: len(server.answered()) > (1 + share) * n or run.poll() is not None, LONGEST_S)
            assert run.poll() is None, (
                f"it ended before it was disturbed: {run.poll()} {(root / 'stderr').read_text()[-2000:]}"
            )
            disturb()
        time.sleep(2)
        run_cli(shared, "generate", env=server.env, check=0, timeout=LONGEST_S)
        shared_s, again = time.monotonic() - began, len(server.answered()) - 2 * n
        server.stop()
        cluster.shutdown()
        one, many = final_state(alone), final_state(shared)
        rows = {table: len(found) for table, found in one.items()}
    differ = [table for table in one if one[table] != many[table]]
    at_most = given.slots // given.workers + given.slots
    print(
        f"{given.items:,} prompts, {n:,} requests: {alone_s:.0f} s by one machine, {shared_s:.0f} s by {given.workers} workers with the faults"
    )
    print(f"sent again: {again} of at most {at_most} in flight on the killed node and at the kill of the driver")
    print(f"rows {rows}: {'equal' if not differ else 'DIFFERENT in ' + ', '.join(differ)}")
    return 1 if differ or not 0 <= again <= at_most else 0


if __name__ == "__main__":
    sys.exit(main())
