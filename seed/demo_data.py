"""Writes the problem files of the demo recipe: ``python -m flywheel.seed.demo_data FOLDER``."""

import json
import sys
from pathlib import Path

from .world import generate_distinct

FILES = {
    "problems.jsonl": ("loop", 11, 8000),
    "heldout_gate.jsonl": ("gate", 12, 800),
    "heldout_report.jsonl": ("report", 13, 500),
}
"""File to (split, seed, number of problems)."""

STEPS = {2: 0.5, 3: 0.5}


def write_files(folder: Path) -> None:
    """Write each of :data:`FILES` as JSON lines in GSM8K's format."""
    for name, (split, seed, n) in FILES.items():
        rows = ({"question": p.question, "answer": p.answer} for p in generate_distinct(split, seed, STEPS, n))
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    write_files(Path(sys.argv[1]))
