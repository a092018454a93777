r"""The journal: finished work on disk before it is used, in one appended line per group of rows.

A line is a checksum (crc32, 8 hex digits) and then, for each row of the group, its table and its JSON, all separated by
tabs (JSON has none of its own). A line counts only when its checksum holds, so a group of rows is on record whole or not
at all: after a ``kill -9`` the torn last line of a segment is ignored. Rows stay JSON bytes all the way into Arrow: no
Python object is made of them again. Lines reach the disk itself within ``FSYNC_INTERVAL_S``: a
power cut (not a kill) may cost that much.
"""

import errno
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from ..errors import DiskFullError, FlywheelError, StoreError
from ..schema import TABLE_OF, JournaledRow

FSYNC_INTERVAL_S = 1.0
SEGMENT_BYTES = 32 << 20
SUFFIX = ".jsonl"
FREE_SPACE = "free some space, then give the same command again: everything before this is kept"

_TABLES = {row_type: table.encode() for row_type, table in TABLE_OF.items()}

Rows = dict[str, list[bytes]]
"""Rows by table, each as JSON."""


@dataclass(frozen=True)
class Frame:
    """One line of a segment; ``rows`` is None when the checksum fails."""

    end: int
    rows: Rows | None
    raw: bytes


class JournalWriter:
    """Appends to a segment of its own; a new process starts a new segment.

    Args:
        folder: where segments are.
        tag: what tells the writer apart in its segments' names; default: the number of this process.
    """

    def __init__(self, folder: Path, tag: str = "") -> None:
        self._folder = folder
        self._tag = tag or str(os.getpid())
        self._fd: int | None = None
        self._size = 0
        self._synced_at = 0.0
        self.path: Path | None = None

    def append(self, *groups: Sequence[JournaledRow]) -> None:
        """Put each group of rows on record; one system call for all.

        Raises:
            DiskFullError: there was no room; the last groups are not on record.
            StoreError: the folder cannot be written to.
        """
        self._write(b"".join(_encode(g) for g in groups if g))

    def close(self) -> None:
        """Flush to disk and close the segment."""
        if self._fd is not None:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = None
            self.path = None

    def _write(self, line: bytes) -> None:
        fd = self._descriptor()
        try:
            written = os.write(fd, line)
            if written < len(line):
                raise OSError(errno.ENOSPC, "no space left on device")
        except OSError as error:
            place = f"journal {self.path}"
            self._start_line_over()
            raise DiskFullError(
                place,
                expected=f"room for {len(line)} bytes",
                received=error.strerror or str(error),
                cure=FREE_SPACE,
            ) from error
        self._size += len(line)
        now = time.monotonic()
        if now - self._synced_at > FSYNC_INTERVAL_S:
            os.fsync(fd)
            self._synced_at = now

    def _start_line_over(self) -> None:
        """Leave a half-written line behind in its segment, where its checksum marks it as void."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = self.path = None

    def _descriptor(self) -> int:
        if self._fd is not None and self._size > SEGMENT_BYTES:
            self.close()
        if self._fd is None:
            self.path = self._folder / f"{time.time_ns():020d}-{self._tag}{SUFFIX}"
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            except OSError as error:
                raise _cannot_open(self._folder, error) from error
            self._size = 0
        return self._fd


def _cannot_open(folder: Path, error: OSError) -> FlywheelError:
    place, received = f"journal {folder}", error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(place, expected="room for a file", received=received, cure=FREE_SPACE)
    return StoreError(
        place,
        expected="a folder that this user may write to",
        received=received,
        cure="make it writable, or copy the project to a place that is; everything on record is kept",
    )


def _encode(rows: Sequence[JournaledRow]) -> bytes:
    parts: list[bytes] = []
    for row in rows:
        parts += (_TABLES[type(row)], orjson.dumps(row))
    body = b"\t".join(parts)
    return b"%08x\t%b\n" % (zlib.crc32(body), body)


def list_segments(folder: Path) -> list[Path]:
    """Return the segments of ``folder``, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def list_workers_segments(folder: Path) -> list[Path]:
    """Return the segments of workers, each of which has a folder of its own under ``folder``."""
    return sorted(folder.glob(f"*/*{SUFFIX}"))


def read_frames(segment: Path, offset: int) -> Iterator[Frame]:
    """Yield the complete lines of ``segment`` from byte ``offset`` on; an unfinished last line is left alone."""
    with segment.open("rb") as stream:
        stream.seek(offset)
        for line in stream:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            yield Frame(offset, _decode(line), line)


def _decode(line: bytes) -> Rows | None:
    try:
        crc, body = int(line[:8], 16), line[9:-1]
    except ValueError:
        return None
    if zlib.crc32(body) != crc:
        return None
    rows: Rows = {}
    parts = body.split(b"\t")
    for table, row in zip(parts[::2], parts[1::2], strict=True):
        rows.setdefault(table.decode(), []).append(row)
    return rows
