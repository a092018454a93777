"""The name by which a file is on record: the same whichever folder a command is given in."""

import os
from pathlib import Path

from ..store import Project


def name_source(path: Path, project: Project) -> str:
    """Return the real path of a file's folder and its own name, relative to the project folder for what lies in it."""
    real = Path(os.path.realpath(path.parent)) / path.name
    root = Path(os.path.realpath(project.root))
    return os.fsencode(real.relative_to(root) if real.is_relative_to(root) else real).decode(
        "utf-8", "backslashreplace"
    )
