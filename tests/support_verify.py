"""``flywheel judge`` in the process of the tests, and what it printed, as they read it."""

import signal
from types import SimpleNamespace

from click.testing import CliRunner
from flywheel.cli import cli


def run_here(folder, *args, check=None):
    """Run the real command without a process of its own: starting many takes long."""
    handler = signal.getsignal(signal.SIGTERM)  # the command line sets its own
    try:
        done = CliRunner().invoke(cli, ["-C", str(folder), *map(str, args)])
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    if check is not None:
        assert done.exit_code == check, f"exit {done.exit_code}\n{done.stdout}\n{done.stderr}"
    return SimpleNamespace(returncode=done.exit_code, stdout=done.stdout, stderr=done.stderr)


def figures(stdout):
    """Return the cells of all tables: first cell of a row to the others; of equal first cells the first row's."""
    rows = [
        [cell.strip() for cell in line.strip("│ ").split("│")] for line in stdout.splitlines() if line.startswith("│")
    ]
    return {row[0]: row[1:] for row in reversed(rows)}


def confusion(stdout):
    """Return ``predicted|gold`` to count, of the matrix that is printed last."""
    lines = [line for line in stdout.splitlines() if line.startswith(("│", "┃"))]
    start = max(i for i, line in enumerate(lines) if "predicted" in line and "gold" in line)
    gold = [cell.strip() for cell in lines[start].strip("┃ ").split("┃")][1:]
    found = {}
    for line in lines[start + 1 :]:
        name, *counts = [cell.strip() for cell in line.strip("│ ").split("│")]
        found |= {f"{name}|{label}": int(count) for label, count in zip(gold, counts, strict=True)}
    return found
