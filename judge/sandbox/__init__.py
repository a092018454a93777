"""A sandbox for programs that nobody has read.

Defended, at every rung but ``none`` (each rung is tried by :func:`probe` before it is used):

* **files**: a program reads its interpreter's library, the system's shared libraries and its scratch folder. It writes
  the scratch folder alone, which is gone after the run.
* **secrets**: nothing of the parent's environment, memory or descriptors is there to be read.
* **network**: nothing is reached, by DNS and unix sockets neither; only pairs of streams within the run.
* **processes**: it cannot see, signal, trace or slow by limits any process that is not its own; its whole tree ends
  with the run, with the time limit, and with the parent, ``kill -9`` included.
* **resources**: CPU and wall seconds, memory, processes and threads, file size, bytes and files of the scratch folder, descriptors,
  output.

Not defended: faults of the kernel (a virtual machine is the wall against these); side channels, such as timing and
caches; load below the limits (n runs use n times the limits, the disk's included at ``landlock``). At ``landlock``
further: the names, sizes and dates of files outside can be learned (``stat``, not ``open``), and the scratch folder is
measured, not bounded by the kernel. Of earlier programs no text stays in reach; that a program ran before can be guessed.
"""

from ._launcher import POOL
from ._probe import choose, probe
from ._run import count_cores, may_start_processes, run_command, run_entries, run_many, run_python
from ._types import ISOLATIONS, Isolation, Limits, Outcome, Program, Report, RungReport

__all__ = [
    "ISOLATIONS",
    "POOL",
    "Isolation",
    "Limits",
    "Outcome",
    "Program",
    "Report",
    "RungReport",
    "choose",
    "count_cores",
    "may_start_processes",
    "probe",
    "run_command",
    "run_entries",
    "run_many",
    "run_python",
]
