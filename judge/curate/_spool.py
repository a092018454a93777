"""Texts of a set in a temporary Arrow file: written once, read again and again through a memory map, in bounded memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from .._tokens import Array

BATCH_ROWS = 10_000
Texts = tuple[str, str, str]
"""Prompt, completion and rejected."""


class Spool:
    """Rows of three texts, prompt, completion and rejected (empty for most); a context manager, since it holds a temporary
    folder.
    """

    _SCHEMA = pa.schema([(name, pa.large_string()) for name in ("prompt", "completion", "rejected")])

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="flywheel-curate-")
        self._path = Path(self._folder.name) / "texts.arrow"
        self._writer: Any = pa.ipc.new_stream(str(self._path), self._SCHEMA)
        self._rows: list[Texts] = []
        self.n = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        self._folder.cleanup()

    def append(self, prompt: str, completion: str, rejected: str = "") -> None:
        """Add a row."""
        self._rows.append((prompt, completion, rejected))
        self.n += 1
        if len(self._rows) >= BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        columns = [pa.array([_storable(r[i]) for r in self._rows], pa.large_string()) for i in (0, 1, 2)]
        self._writer.write_batch(pa.record_batch(columns, schema=self._SCHEMA))
        self._rows = []

    def finish(self) -> None:
        """End writing; reading begins."""
        self._flush()
        self._writer.close()

    def read(self, alive: Array | None = None) -> Iterator[Texts]:
        """Yield the texts of the rows that are alive, bool, in order; of all rows for None."""
        row = 0
        with pa.memory_map(str(self._path)) as source:
            for batch in pa.ipc.open_stream(source):
                if alive is not None:
                    wanted = np.flatnonzero(alive[row : row + batch.num_rows])
                    row += batch.num_rows
                    batch = batch.take(pa.array(wanted))
                yield from zip(*(batch.column(i).to_pylist() for i in (0, 1, 2)), strict=True)


def join_texts(texts: Texts) -> str:
    """Return the texts of a row as one, the empty ones left out."""
    prompt, completion, rejected = texts
    return f"{prompt}\n{completion}\n{rejected}" if rejected else f"{prompt}\n{completion}"


def _storable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
