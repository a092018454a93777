"""An evaluation in several processes of one machine, each on a GPU of its own: data parallelism over the batches of one process.

Each process answers the batches that are its share; their answers are put together, and the evaluation itself finds all of them on
record, so that items, order and figures are those of one process. What a process did not answer is asked there.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..stage import RESULT, Event, run_stage

CHILD = "flywheel.eval._child"
ANSWERS = "answers.jsonl"


def answer_shares(contract: dict[str, Any], work: Path, n: int, on_event: Callable[[Event], None]) -> None:
    """Let ``n`` processes answer what an evaluation asks, and leave their answers in its folder.

    Args:
        contract: of the evaluation.
        work: its folder.
        n: how many.
        on_event: called with the events of the first: the others do as much.

    Raises:
        FlywheelError: of the first process that failed; answers of the others are kept.
    """
    if (work / RESULT).is_file():
        return
    over = threading.Event()

    def watch(number: int, event: Event) -> None:
        if over.is_set():
            raise InterruptedError
        if number == 0:
            on_event(event)

    def answer(number: int) -> None:
        env = {"CUDA_VISIBLE_DEVICES": _device(number)}
        run_stage(
            CHILD, {**contract, "share": [number, n]}, work / f"share-{number}", on_event=lambda event: watch(number, event), env=env
        )  # fmt: skip

    with ThreadPoolExecutor(n) as pool:
        try:
            for done in [pool.submit(answer, number) for number in range(n)]:
                done.result()
        except BaseException:
            over.set()
            raise
    _join([work / ANSWERS, *(work / f"share-{number}" / ANSWERS for number in range(n))], work / ANSWERS)


def _join(files: Sequence[Path], into: Path) -> None:
    """Put the whole lines of files together; the last one of a process that was killed may be torn."""
    texts = [file.read_bytes() for file in files if file.is_file()]
    into.write_bytes(b"".join(text[: text.rfind(b"\n") + 1] for text in texts))


def _device(number: int) -> str:
    """Return the GPU of a process, of those that flywheel may use."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = [d.strip() for d in given.split(",") if d.strip()] if given is not None else [str(number)]
    return devices[number % len(devices)] if devices else ""
