"""Where the parts of a computation over many rows are done: in this process, or by tasks on other machines.

A function that is mapped rests on its arguments alone and writes nothing but files that have the same content whoever writes
them: it may be done anywhere, and again. So where it is done makes no difference to what comes of it.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

PART_CHARS = 4 << 20
"""Characters of texts in a part: a second or two of work, some 20,000 rows, 7 MB of their sketches."""


class Mapper(Protocol):
    """Does parts of work.

    Attributes:
        part_chars: characters of texts that make a part.
    """

    part_chars: int

    def map(self, function: Callable[..., Any], parts: Iterable[Any], *shared: Any) -> Iterator[Any]:
        """Yield ``function(part, *shared)`` of each part, in their order; a bounded number of parts is held.

        ``function`` is one of a module, and everything can be pickled.
        """

    def folder(self) -> AbstractContextManager[Path]:
        """Have a temporary folder that every task sees under this path."""

    def held(self) -> AbstractContextManager[None]:
        """Keep what a first use made ready (a cluster) until the block ends."""


class Here:
    """Does one part after the other in this process."""

    def __init__(self, part_chars: int = PART_CHARS) -> None:
        self.part_chars = part_chars

    def map(self, function: Callable[..., Any], parts: Iterable[Any], *shared: Any) -> Iterator[Any]:
        """See :class:`Mapper`."""
        return (function(part, *shared) for part in parts)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """See :class:`Mapper`."""
        with tempfile.TemporaryDirectory(prefix="flywheel-parts-") as name:
            yield Path(name)

    def held(self) -> AbstractContextManager[None]:
        """See :class:`Mapper`."""
        return nullcontext()


HERE = Here()
