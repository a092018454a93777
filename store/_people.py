"""What people say of rows, safe on disk before they are told so, also while a run holds the store.

Each decision is a file of its own, written whole under another name, synced and then renamed: after a crash or a power cut it is
there or it was never acknowledged. Any process may fold the files, and several at once: rows whose id is in the store already
are left out, inside the transaction, and a file is removed only after its rows are in.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from ..errors import DiskFullError
from ..schema import TABLE_OF, SampleRow, VerdictRow

SUFFIX = ".json"
_KEYS = {"samples": "sample_id", "verdicts": "verdict_id"}
_number = count()

PeopleRow = SampleRow | VerdictRow


def put_aside(folder: Path, rows: Sequence[PeopleRow]) -> Path:
    """Put rows that belong together on record, all or none; they are on disk when this returns.

    Raises:
        DiskFullError: there was no room; nothing is on record.
    """
    name = f"{time.time_ns():020d}-{os.getpid()}-{next(_number)}"
    body = orjson.dumps([{"table": TABLE_OF[type(row)], "row": asdict(row)} for row in rows])
    fresh, file = folder / f"{name}.new", folder / f"{name}{SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.rename(file)
        _sync_folder(folder)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise DiskFullError(
            f"decisions of people in {folder}", expected=f"room for {len(body)} bytes, and a folder that may be written to",
            received=error.strerror or str(error), cure="free some space, or make the folder writable, then decide again",
        ) from error  # fmt: skip
    return file


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def list_aside(folder: Path) -> list[Path]:
    """Return the files that are not folded yet, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def read_aside(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Return a file's rows by table; none when another process has folded it meanwhile."""
    try:
        lines = orjson.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    rows: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        rows.setdefault(line["table"], []).append(line["row"])
    return rows


def key_of(table: str) -> str:
    """Return the id column of a table that people's rows go to."""
    return _KEYS[table]
