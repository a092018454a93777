"""What the loop tells whoever watches: the command line draws it, a test records it, nobody may ignore it silently."""

from typing import Protocol


class Reporter(Protocol):
    """Follows a run. All methods may be called from another thread."""

    def begin(self, what: str, *, unit: str, total: int | None = None) -> None:
        """A stage starts; ``total`` units are due."""
        ...

    def update(self, *, done: int | None = None, total: int | None = None, tokens: int = 0, note: str = "") -> None:
        """``done`` units so far, ``tokens`` more of them since the last call."""
        ...

    def end(self, result: str) -> None:
        """The stage is over; one line says what came of it."""
        ...

    def say(self, line: str) -> None:
        """Something worth a line of its own."""
        ...

    def close(self) -> None:
        """Nothing more will come; also after an error."""
        ...


class SilentReporter:
    """Says nothing."""

    def begin(self, what: str, *, unit: str, total: int | None = None) -> None:
        """Ignore."""

    def update(self, *, done: int | None = None, total: int | None = None, tokens: int = 0, note: str = "") -> None:
        """Ignore."""

    def end(self, result: str) -> None:
        """Ignore."""

    def say(self, line: str) -> None:
        """Ignore."""

    def close(self) -> None:
        """Ignore."""
