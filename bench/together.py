"""Five readers, the page and a run at once: no error, and no half of an iteration visible.

    .venv/bin/python bench/together.py [--minutes 10] [--readers 5]

A miniature recipe turns on the embedded model for as long as it lasts; each reader asks for what a whole store
cannot have (``NEVER``), and has to get nothing. A further process gets the page's addresses one after the other. Prints how often each was asked, the median and the longest time, and every error; ends
with 1 when there was one, or the run did not turn.
"""

import argparse
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS.parent / ".pypath")]

from flywheel.errors import FlywheelError  # noqa: E402
from flywheel.store import Project, run_query  # noqa: E402
from support import make_mini_project, sql, start_cli  # noqa: E402

NEVER = {
    "a sample without its request": "FROM samples WHERE request_id NOT IN (SELECT request_id FROM requests)",
    "a verdict without its sample": "FROM verdicts WHERE sample_id NOT IN (SELECT sample_id FROM samples)",
    "a pair with half its samples": "FROM pairs WHERE chosen_sample_id NOT IN (SELECT sample_id FROM samples) "
    "OR rejected_sample_id NOT IN (SELECT sample_id FROM samples)",
    "a snapshot with some of its rows": "FROM (SELECT s.snapshot_id FROM snapshots s LEFT JOIN snapshot_rows r USING (snapshot_id) "
    "GROUP BY s.snapshot_id, s.n_rows HAVING count(r.snapshot_id) <> s.n_rows)",
    "a score with some of its items": "FROM (SELECT s.score_id FROM scores s LEFT JOIN score_items i USING (score_id) "
    "GROUP BY s.score_id, s.n HAVING count(i.score_id) <> s.n)",
    "a checkpoint whose snapshot is not there": "FROM checkpoints WHERE snapshot_id IS NOT NULL AND "
    "snapshot_id NOT IN (SELECT snapshot_id FROM snapshots)",
    "a decision on a score that is not there": "FROM decisions WHERE score_id NOT IN (SELECT score_id FROM scores)",
    "an iteration that is over and has no champion": "FROM iterations WHERE finished_at IS NOT NULL AND champion_after IS NULL",
    "an iteration that is over and has no measures": "FROM iterations WHERE finished_at IS NOT NULL AND iteration > 0 "
    "AND (run_id, iteration) NOT IN (SELECT (run_id, iteration) FROM iteration_measures)",
    "a champion that was never scored": "FROM iterations WHERE champion_after NOT IN (SELECT checkpoint_id FROM scores)",
}
PAGES = ("/", "/samples", "/samples?q=is&sort=stored", "/pairs", "/judges", "/evals", "/documents", "/live")


def read(folder: str, number: int, until: float, found: "multiprocessing.Queue") -> None:
    """Ask what never has an answer, until the time is over; put (what, seconds, fault or None) for each."""
    questions = list(NEVER.items())
    turn = number
    while time.time() < until:
        what, rest = questions[turn % len(questions)]
        turn += 1
        began = time.monotonic()
        try:
            fault = f"there is {what}" if run_query(Project(Path(folder)), f"SELECT 1 {rest}").rows else None
        except FlywheelError as error:
            fault = str(error)
        found.put(("sql", time.monotonic() - began, fault))
        time.sleep(0.2)


def visit(url: str, until: float, found: "multiprocessing.Queue") -> None:
    """Get the page's addresses, until the time is over."""
    turn = 0
    while time.time() < until:
        path = PAGES[turn % len(PAGES)]
        turn += 1
        began = time.monotonic()
        try:
            with urllib.request.urlopen(url + path, timeout=60) as answer:
                body = answer.read().decode()
            fault = (
                None if answer.status == 200 and (path == "/live" or "</html>" in body) else f"{path}: {answer.status}"
            )
        except OSError as error:
            fault = f"{path}: {error}"
        found.put(("page", time.monotonic() - began, fault))
        time.sleep(0.2)


def main() -> None:
    """Turn, read and visit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--readers", type=int, default=5)
    a = parser.parse_args()
    os.environ["PYTHONPATH"] = str(TESTS.parent / ".pypath")
    folder = make_mini_project(Path(tempfile.mkdtemp(prefix="together-")) / "p", iterations=200)
    said = folder / "run.log"
    run = start_cli(folder, "run", stdout=subprocess.DEVNULL, stderr=said.open("w"))
    while not (folder / "flywheel.duckdb").exists():
        time.sleep(0.1)
    page = start_cli(folder, "ui", "--port", "0", "--no-open", stderr=None)
    url = re.search(r"http://[\d.]+:\d+", page.stdout.readline())[0]
    found: multiprocessing.Queue = multiprocessing.Queue()
    until = time.time() + a.minutes * 60
    at_work = [multiprocessing.Process(target=read, args=(str(folder), i, until, found)) for i in range(a.readers)]
    at_work.append(multiprocessing.Process(target=visit, args=(url, until, found)))
    for process in at_work:
        process.start()
    results = []
    while any(p.is_alive() for p in at_work) or not found.empty():
        while not found.empty():
            results.append(found.get())
        time.sleep(0.1)
    ended_early = run.poll()
    for process in (run, page):
        process.terminate()
        process.wait()
    turned = sql(folder, "select count(*) as n from iterations where finished_at is not null and iteration > 0")[0]["n"]
    print(f"{a.minutes:g} minutes, {a.readers} readers: {turned} iterations were finished meanwhile")
    for kind in ("sql", "page"):
        times = sorted(seconds for what, seconds, _ in results if what == kind)
        print(f"  {kind}: {len(times)} answers, median {statistics.median(times):.2f} s, longest {times[-1]:.2f} s")
    faults = [fault for _, _, fault in results if fault is not None]
    print(f"  faults: {len(faults)}")
    for fault in faults[:10]:
        print(f"    {fault.strip()[:500]}")
    if ended_early is not None:
        print(f"  the run ended early with {ended_early}:\n{said.read_text()[-2000:]}")
    sys.exit(bool(faults) or ended_early is not None or not turned)


if __name__ == "__main__":
    main()
