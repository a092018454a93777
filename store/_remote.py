"""Files at an address that fsspec knows."""

import uuid
from pathlib import Path
from typing import Any


def put_whole(files: Any, file: Path, path: str) -> None:
    """Put a file at ``path`` of one of fsspec's file systems: under another name first, so that what has the name is whole."""
    unfinished = f"{path}.{uuid.uuid4().hex[:8]}.part"
    files.put_file(str(file), unfinished)
    files.mv(unfinished, path)


def try_to_write(files: Any, folder: str) -> None:
    """Write a small file into a folder of one of fsspec's file systems, and remove it; errors are of the file system's own kind."""
    probe = f"{folder}/{uuid.uuid4().hex}.part"
    files.pipe_file(probe, b"flywheel")
    files.rm_file(probe)
