"""Files at an address that fsspec knows."""

import uuid
from pathlib import Path
from typing import Any

BUCKETS = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"})
"""Protocols of buckets: they have no folders, and a put is there whole or not at all."""


def is_bucket(files: Any) -> bool:
    """Return whether one of fsspec's file systems is of buckets."""
    return not BUCKETS.isdisjoint((files.protocol,) if isinstance(files.protocol, str) else files.protocol)


def make_folder(files: Any, path: str) -> None:
    """Have a folder in one of fsspec's file systems; a bucket has none, and is itself never made."""
    if not is_bucket(files):
        files.makedirs(path, exist_ok=True)


def put_whole(files: Any, file: Path, path: str) -> None:
    """Put a file at ``path`` of one of fsspec's file systems; what has the name is whole."""
    if is_bucket(files):
        files.put_file(str(file), path)
        return
    unfinished = f"{path}.{uuid.uuid4().hex[:8]}.part"
    files.put_file(str(file), unfinished)
    files.mv(unfinished, path)


def try_to_write(files: Any, folder: str) -> None:
    """Write a small file into a folder of one of fsspec's file systems, and remove it; errors are of the file system's own kind."""
    probe = f"{folder}/{uuid.uuid4().hex}.part"
    files.pipe_file(probe, b"flywheel")
    files.rm_file(probe)
