"""The child's side: one JSON line in, one out. A job that takes too much processor time ends the process.

The kernel ends it (SIGPROF as it comes), so that the limit holds inside C code too, whichever thread of the parent asked.
"""

import importlib
import json
import resource
import signal
import sys
from typing import Any

MEMORY_BYTES = 3 * 2**30


def main() -> None:
    """Answer jobs from standard input until it is closed; ``argv``: the module of the task, the limit in seconds."""
    task, limit_s = sys.argv[1], float(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF])
    _limit_memory()
    try:
        work = importlib.import_module(f".{task}", __package__).work
    except ImportError as error:
        _tell({"fault": f"{type(error).__name__}: {error}"})
        return
    _tell({"value": None})
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, limit_s)
        reply = _do(work, json.loads(line))
        signal.setitimer(signal.ITIMER_PROF, 0)
        _tell(reply)


def _limit_memory() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(MEMORY_BYTES, most)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, most))


def _do(work: Any, job: list[Any]) -> dict[str, Any]:
    try:
        return {"value": work(*job)}
    except (MemoryError, RecursionError):
        return {"value": None, "too_large": True}
    except Exception as error:  # noqa: BLE001  # told to the parent, which abstains
        return {"fault": f"{type(error).__name__}: {error}"[:500]}


def _tell(reply: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()
