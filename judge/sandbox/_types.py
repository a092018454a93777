"""What goes into the sandbox and what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Isolation = Literal["auto", "user-namespace", "root-namespace", "landlock", "none"]
"""``auto`` = the first of the next three that works here; ``none`` = no walls, limits alone."""

RUNGS: tuple[Isolation, ...] = ("user-namespace", "root-namespace", "landlock")
"""Isolations, best first."""

ISOLATIONS: tuple[Isolation, ...] = ("auto", *RUNGS, "none")

Reason = Literal["ok", "error", "timeout", "memory", "processes", "files", "output", "killed", "sandbox"]


@dataclass(frozen=True)
class Limits:
    """What one run may use. Every limit is for the whole run where the comment says so, else for each process.

    Attributes:
        cpu_s: seconds of CPU time, rounded up.
        wall_s: seconds from start to end, of the whole run.
        memory_mb: MiB of address space of each process, the interpreter's own (about 40) included; and of memory of the
            whole run.
        processes: processes and threads of the whole run, the program's first included. One more is refused by the
            kernel. At ``landlock`` there are threads only. Where the kernel does not count for us (``none``, and
            ``landlock`` without a user of its own), the run is ended instead.
        file_mb: MiB of the largest file.
        scratch_mb: MiB of the scratch folder, of the whole run. It is no part of ``memory_mb``, though it is in memory where
            there are namespaces; at ``landlock`` and ``none`` the folder is measured, and the run is ended.
        files: files and folders in the scratch folder; kept as ``scratch_mb`` is.
        open_files: descriptors.
        output_bytes: of stdout and of stderr each that are kept, half from the start and half from the end. A program
            that writes 16 times as much is ended.
    """

    cpu_s: float = 10.0
    wall_s: float = 10.0
    memory_mb: int = 512
    processes: int = 16
    file_mb: int = 16
    scratch_mb: int = 64
    files: int = 5_000
    open_files: int = 64
    output_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        wrong = [name for name, value in vars(self).items() if value <= 0]
        if wrong:
            raise ValueError(f"Limits: expected more than 0, received {wrong[0]}={getattr(self, wrong[0])}")


@dataclass(frozen=True)
class Program:
    """One program of a batch.

    Attributes:
        source: Python, run as ``__main__``.
        stdin: what it reads.
        files: what lies in its scratch folder, by relative path.
    """

    source: str
    stdin: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes:
        reason: ``ok`` exit status 0 · ``error`` another one · ``timeout`` wall or CPU time · ``memory`` · ``processes``
            too many · ``files`` too many or too large together · ``output`` too much of it · ``killed`` by a signal of its own making · ``sandbox`` a fault of ours, of which the program is
            not to blame.
        exit_code: None when a signal or a limit ended it.
        signal: number of the signal that ended it; None = none.
        stdout, stderr: what is kept, with ``… n bytes left out …`` in the middle of what is not.
        seconds: wall time.
        peak_memory_mb: of the largest process, in MiB, the interpreter's own included.
        isolation: the rung it ran at.
    """

    reason: Reason
    exit_code: int | None
    signal: int | None
    stdout: str
    stderr: str
    seconds: float
    peak_memory_mb: float
    isolation: Isolation
    channel: bytes = b""

    @property
    def ok(self) -> bool:
        """Exit status 0 within all limits."""
        return self.reason == "ok"


@dataclass(frozen=True)
class RungReport:
    """What one isolation does here, as tried.

    Attributes:
        isolation: its name.
        files: nothing outside is read or written.
        network: nothing is reached.
        processes: no other process is seen, signalled or outlived.
        fault: why it does not work; empty when it does.
    """

    isolation: Isolation
    files: bool
    network: bool
    processes: bool
    fault: str = ""

    @property
    def works(self) -> bool:
        """All three hold."""
        return self.files and self.network and self.processes


@dataclass(frozen=True)
class Report:
    """What isolations this machine has, best first; see :func:`flywheel.judge.sandbox.probe`."""

    rungs: tuple[RungReport, ...]

    @property
    def best(self) -> RungReport | None:
        """The first that works; None = programs are refused."""
        return next((rung for rung in self.rungs if rung.works), None)
