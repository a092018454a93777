"""A soak: twelve iterations of a miniature recipe under random faults, against the same run undisturbed.

    .venv/bin/python bench/soak.py [--iterations 12] [--seed 1] [--gap 5 20]

Faults come one after the other at random moments until the run has ended: ``kill -9`` of the whole run and of one of its
children, SIGTERM, the endpoint gone for a while and slow for a while (with 429s, 500s and resets all the time), the disk full,
the clock jumping a day to and fro, the store's file held by another program. The same command is given again whenever it
ended. Prints each fault as it happens; ends with 0 when both projects have the same rows (see ``FINAL``), else with 1 and the
tables that differ. The full disk needs the right to mount one: without it that fault is left out, and said so.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS.parent / ".pypath")]

import psutil  # noqa: E402
from support import FINAL, HOLD, JUMPS, FakeEndpoint, make_mini_project, sql, start_cli  # noqa: E402

CHANGES = {
    "engine": {"kind": "openai", "concurrency": 4, "batch_size": 64, "max_attempts": 20, "patience_s": 60},
    "solve": {"draws": 4, "problems": 40, "max_tokens": 64},
}
FLAKY = "429=0.05,500=0.03,reset=0.02"
DISK_MB = 2000
MOST_FAILURES = 5
"""Ends in a row with no fault between them, after which the soak is given up."""
ATTEMPTS = FINAL["requests"].replace("attempts, ", "")
"""How often a request was tried is what faults change; nothing else may differ."""


class Soak:
    """A run that is given again and again until it ends well, and what happens to it meanwhile."""

    def __init__(self, folder: Path, iterations: int, seed: int, gap: tuple[float, float], can_fill: bool) -> None:
        self.folder, self.iterations, self.gap = folder, iterations, gap
        self.rng = random.Random(seed)
        self.settings = {"latency": 0.05, "faults": FLAKY}
        self.problems = folder / "problems.jsonl"
        self.endpoint = FakeEndpoint(folder.parent / "disturbed-endpoint", self.problems, **self.settings)
        self.port = self.endpoint.url.rsplit(":", 1)[1].removesuffix("/v1")
        self.env = dict(self.endpoint.env)
        self.clock = folder.parent / "clock"
        self.clock.mkdir()
        (self.clock / "sitecustomize.py").write_text(JUMPS)
        self.faults = [self.kill_run, self.kill_child, self.terminate, self.endpoint_down, self.endpoint_slow, self.hold_store,
                       self.jump_clock, *([self.fill_disk] if can_fill else [])]  # fmt: skip
        self.done, self.ended = Counter(), Counter()
        self.since_fault = 0
        self.is_over = threading.Event()
        self.jumps_next = False
        self.run: subprocess.Popen | None = None
        self.stage = ""
        self.began = time.monotonic()

    def go(self) -> None:
        """Give the command until it ends with 0; disturb it meanwhile."""
        disturber = threading.Thread(target=self.disturb, daemon=True)
        disturber.start()
        try:
            while (code := self.live()) != 0:
                self.ended[code] += 1
                self.since_fault += 1
                if self.since_fault > MOST_FAILURES:
                    raise SystemExit(
                        f"the run ended {self.since_fault} times in a row with no fault between:\n{self.said}"
                    )
                time.sleep(0.5)
        finally:
            self.is_over.set()
            disturber.join()
            self.endpoint.stop()

    def live(self) -> int:
        """Run the command once; return its exit status."""
        env = dict(self.env)
        if self.jumps_next:
            self.jumps_next = False
            env["PYTHONPATH"] = f"{self.clock}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        self.run = start_cli(
            self.folder, "run", "--iterations", str(self.iterations), env=env, stdout=subprocess.DEVNULL
        )
        lines = []
        for line in self.run.stderr:
            lines = [*lines[-30:], line]
            if ": started" in line:
                self.stage = line.split(":")[0]
        self.said = "".join(lines)
        return self.run.wait()

    def disturb(self) -> None:
        """Make a fault at random moments; every kind in turn, in a random order."""
        waiting = []
        while not self.is_over.wait(self.rng.uniform(*self.gap)):
            waiting = waiting or self.rng.sample(self.faults, len(self.faults))
            fault = waiting.pop()
            if self.run is None or self.run.poll() is not None:
                continue
            stage, at = self.stage, time.monotonic() - self.began
            said = fault()
            if said is None:  # there was nothing to do it to
                continue
            self.since_fault = 0
            self.done[fault.__name__] += 1
            print(f"{at:6.0f} s  {stage:<22} {fault.__name__.replace('_', ' ')}{said}", flush=True)

    def _pause(self, low: float, high: float) -> str:
        seconds = self.rng.uniform(low, high)
        self.is_over.wait(seconds)
        return f", {seconds:.1f} s"

    # --- the faults: each returns what is to be said of it, None when it did not happen ------------------------------

    def kill_run(self) -> str | None:
        """Kill the run and all its children."""
        return self._signal_group(signal.SIGKILL)

    def terminate(self) -> str | None:
        """Ask the run to end."""
        self.run.send_signal(signal.SIGTERM)
        return ""

    def kill_child(self) -> str | None:
        """Kill one of the processes that the run started."""
        try:
            children = psutil.Process(self.run.pid).children(recursive=True)
            child = self.rng.choice(children) if children else None
            words = child.cmdline() if child is not None else []
            if child is not None:
                child.kill()
        except psutil.NoSuchProcess:
            return None
        return None if child is None else f": {' '.join(Path(w).name for w in words[1:4])}"

    def jump_clock(self) -> str | None:
        """Kill the run; the next life has a clock that jumps."""
        self.jumps_next = True
        return self._signal_group(signal.SIGKILL)

    def endpoint_down(self) -> str:
        """Let nobody listen for some seconds."""
        self.endpoint.stop()
        said = self._pause(2, 8)
        self._restart()
        return said

    def endpoint_slow(self) -> str:
        """Let each answer take seconds for a while."""
        self.endpoint.stop()
        self._restart(latency=1.5)
        said = self._pause(4, 10)
        self.endpoint.stop()
        self._restart()
        return said

    def hold_store(self) -> str | None:
        """Hold the file as another program would."""
        store = self.folder / "flywheel.duckdb"
        if not store.exists():
            return None
        seconds = self.rng.uniform(2, 10)
        subprocess.run([sys.executable, "-c", HOLD, str(store), str(seconds)], stdout=subprocess.DEVNULL, check=False)
        return f", {seconds:.1f} s"

    def fill_disk(self) -> str:
        """Leave no byte free for some seconds."""
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as stream:
            try:
                while stream.write(bytes(1 << 20)):
                    pass
            except OSError:
                pass
            said = self._pause(2, 8)
        ballast.unlink()
        return said

    def _restart(self, **settings: object) -> None:
        self.endpoint = FakeEndpoint(
            self.folder.parent / "disturbed-endpoint", self.problems, **{**self.settings, "port": self.port, **settings}
        )

    def _signal_group(self, number: int) -> str | None:
        try:
            os.killpg(self.run.pid, number)
        except ProcessLookupError:
            return None
        return ""


def run_undisturbed(folder: Path, iterations: int) -> float:
    """Run a project from beginning to end; return the seconds."""
    endpoint = FakeEndpoint(folder.parent / "whole-endpoint", folder / "problems.jsonl", latency=0.05)
    began = time.monotonic()
    command = [sys.executable, "-m", "flywheel", "-C", str(folder), "run", "--iterations", str(iterations)]
    done = subprocess.run(command, env={**os.environ, **endpoint.env}, capture_output=True, text=True, check=False)
    endpoint.stop()
    if done.returncode:
        raise SystemExit(f"the undisturbed run ended with {done.returncode}:\n{done.stderr}")
    return time.monotonic() - began


def compare(whole: Path, disturbed: Path) -> list[str]:
    """Return the tables in which the projects differ, with how many rows of each side the other has not."""
    wrong = []
    for name, query in {**FINAL, "requests": ATTEMPTS}.items():
        mine, theirs = ([str(row) for row in sql(folder, query)] for folder in (disturbed, whole))
        more, less = Counter(mine) - Counter(theirs), Counter(theirs) - Counter(mine)
        print(f"  {name:<12} {len(theirs):>6} rows, {'equal' if not more and not less else 'NOT equal'}")
        if more or less:
            wrong.append(f"{name}: {sum(more.values())} more, {sum(less.values())} less")
            for row in [*list(more)[:2], *list(less)[:2]]:
                print(f"    {row[:300]}")
    return wrong


def mount_small_disk(folder: Path) -> bool:
    """Put ``folder`` on a disk of its own that can be filled; return False where that is not allowed."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    return done.returncode == 0


def main() -> None:
    """Soak, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gap", type=float, nargs=2, default=(5.0, 20.0), metavar=("LOW", "HIGH"), help="seconds")
    parser.add_argument("--folder", type=Path, default=None, help="default: a temporary one")
    a = parser.parse_args()
    if os.environ.get("FLYWHEEL_SOAK") != "mounted" and not subprocess.run(["unshare", "--mount", "true"]).returncode:
        os.execvpe(
            "unshare", ["unshare", "--mount", sys.executable, *sys.argv], {**os.environ, "FLYWHEEL_SOAK": "mounted"}
        )
    os.environ["PYTHONPATH"] = str(TESTS.parent / ".pypath")
    work = a.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    work.mkdir(exist_ok=True)
    can_fill = mount_small_disk(work / "disturbed")
    if not can_fill:
        print("left out: the full disk, since this user may not mount one")
    whole, disturbed = (make_mini_project(work / name, **CHANGES) for name in ("whole", "disturbed"))
    soak = Soak(disturbed, a.iterations, a.seed, tuple(a.gap), can_fill)
    soak.go()
    took = time.monotonic() - soak.began
    print(f"\ndisturbed: {a.iterations} iterations in {took:.0f} s, {sum(soak.done.values())} faults: "
          + ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in soak.done.most_common()))  # fmt: skip
    print("ended with: " + ", ".join(f"{code} ({n} times)" for code, n in soak.ended.most_common()) + ", at last 0")
    print(f"undisturbed: {run_undisturbed(whole, a.iterations):.0f} s\n")
    wrong = compare(whole, disturbed)
    champion = "select champion_after as c from iterations order by iteration desc limit 1"
    mine, theirs = (sql(folder, champion) for folder in (disturbed, whole))
    print(f"champion: {mine[0]['c']} and {theirs[0]['c']}")
    raise SystemExit(f"they differ: {'; '.join(wrong)}" if wrong or mine != theirs else 0)


if __name__ == "__main__":
    main()
