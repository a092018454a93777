"""The states that a training saved, for going on from after a crash."""

import json
import shutil
from pathlib import Path

STATE = "trainer_state.json"


def find_state(folder: Path) -> Path | None:
    """Return the newest whole state in a trainer's folder, and remove what a kill left half written; None for none.

    The trainer writes its own state's file last.
    """
    for path in sorted(folder.glob("checkpoint-*"), key=_step_of, reverse=True):
        try:
            json.loads((path / STATE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(path, ignore_errors=True)
        else:
            return path
    return None


def _step_of(path: Path) -> int:
    number = path.name.rpartition("-")[2]
    return int(number) if number.isdigit() else -1


def steps_of(state: Path) -> int:
    """Return how many steps were done when a state was saved."""
    return int(json.loads((state / STATE).read_text(encoding="utf-8"))["global_step"])
