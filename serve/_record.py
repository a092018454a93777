"""What was served, line by line on disk before its reply ends.

The lines lie beside the store, not in it: a run that holds it is not disturbed. Each server writes a file of its own, so that a
line which a crash cut off is the last one of its file, and everything before it stands. A line's key is ``prompt``, in TRL's
form, without the replies: these stand beside it and are no completion that anybody could train on unjudged.
"""

import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from ..errors import SystemRefusedError, explain_os_error
from ..loop import SERVED_FOLDER
from ..schema import Message


class ServedLog:
    """Appends to one file, named by time and process; it is made with the first line.

    Args:
        root: the project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root / SERVED_FOLDER
        self._writing = threading.Lock()
        self._fd: int | None = None
        self._is_torn = False
        self.path = self._folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}.jsonl"

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Put rows on the disk itself.

        Raises:
            SystemRefusedError: they could not be written.
        """
        lines = b"".join(orjson.dumps(row) + b"\n" for row in rows)
        with self._writing:
            try:
                self._append(lines)
            except OSError as error:
                raise SystemRefusedError(str(self.path), **explain_os_error(error)._asdict()) from error

    def close(self) -> None:
        """Close the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _append(self, lines: bytes) -> None:
        if self._fd is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        lines = b"\n" + lines if self._is_torn else lines
        self._is_torn = True
        while lines:
            lines = lines[os.write(self._fd, lines) :]
        os.fsync(self._fd)
        self._is_torn = False


def as_row(prompt: Sequence[Message], replies: Sequence[str], model: str, tools: Any) -> dict[str, Any]:
    """Return the line of one prompt."""
    row: dict[str, Any] = {"prompt": list(prompt)}
    if tools:
        row["tools"] = tools
    return row | {
        "served_replies": list(replies), "served_by": model, "served_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }  # fmt: skip
