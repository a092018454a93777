"""Several machines that train together: the first, where the command is, says what is trained; the others have joined and take part.

Each runs ``accelerate launch`` with its number. What is trained is announced in a file of the project's folder, which all of them see;
it is written anew while the training lasts, so that nobody takes part in one that is over, and what was started ends when its first
machine is gone. No clocks are compared.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from ..errors import RecipeError
from ..stage import leave_failure, write_json
from ._python import environment

ANNOUNCED = "training.json"
BEAT_S = 1.0
LOST_S = 60.0
"""A first machine that was not heard of for so long is gone; shared folders may show a file late."""
POLL_S = 0.5
PATIENCE_S = 10.0
"""How long the processes of a training that is over have to end by themselves."""
PORT = 29500


@dataclass(frozen=True)
class Launch:
    """How ``accelerate launch`` is started on each machine.

    Attributes:
        config: the user's accelerate config.
        machines: how many there are.
        processes: of all machines together.
        address: of the first machine.
        port: on which the processes of all meet there.
    """

    config: Path
    machines: int
    processes: int
    address: str
    port: int

    def command(self, number: int) -> list[str]:
        """Return what stands before the module on machine ``number``, the first being 0."""
        words = ["accelerate.commands.launch", "--config_file", str(self.config)]
        if self.machines == 1:
            return words
        return [
            *words,
            "--machine_rank",
            str(number),
            "--main_process_ip",
            self.address,
            "--main_process_port",
            str(self.port),
        ]


def read_launch(config: Path, env: Mapping[str, str] = os.environ) -> Launch:
    """Return how a training is started by an accelerate config; where machines meet may stand in MASTER_ADDR and MASTER_PORT.

    Raises:
        RecipeError: it is none.
    """
    try:
        found = yaml.safe_load(config.read_text(encoding="utf-8"))
        machines, processes = int(found.get("num_machines") or 1), int(found.get("num_processes") or 1)
        address = found.get("main_process_ip") or env.get("MASTER_ADDR") or socket.gethostname()
        port = int(found.get("main_process_port") or env.get("MASTER_PORT") or PORT)
        launcher = (found.get("deepspeed_config") or {}).get("deepspeed_multinode_launcher", "pdsh")
        by_ssh = machines > 1 and found.get("distributed_type") == "DEEPSPEED" and launcher != "standard"
    except (yaml.YAMLError, AttributeError, ValueError, TypeError) as error:
        raise RecipeError(
            f"accelerate config {config}", expected="what accelerate config writes", received=str(error).split("\n")[0],
            cure=f"write it with: accelerate config --config_file {config}",
        ) from None  # fmt: skip
    if by_ssh:
        raise RecipeError(
            f"accelerate config {config}", expected="a launcher that each machine starts itself", received=f"deepspeed_multinode_launcher: {launcher}",
            cure="set deepspeed_multinode_launcher: standard under deepspeed_config",
        )  # fmt: skip
    if processes % machines:
        raise RecipeError(
            f"accelerate config {config}", expected="num_processes of all machines together, as many on each",
            received=f"num_processes: {processes}, num_machines: {machines}", cure=f"set num_processes to a multiple of {machines}",
        )  # fmt: skip
    return Launch(config, machines, processes, str(address), port)


@contextmanager
def announced(work: Path, launch: Launch, module: str, folder: Path, python: str | None) -> Iterator[None]:
    """Tell the other machines what is trained while the block lasts.

    Args:
        work: the project's folder of stages.
        launch: how it is started.
        module: the training process.
        folder: the stage's own.
        python: the recipe's interpreter; None = the one that runs flywheel.
    """
    told = {
        "attempt": uuid.uuid4().hex, "module": module, "folder": str(folder.resolve()), "python": python, "cwd": str(Path.cwd()),
        "launch": asdict(launch) | {"config": str(launch.config.resolve())},
    }  # fmt: skip
    over = threading.Event()

    def beat() -> None:
        n = 0
        while not over.is_set():
            with suppress(OSError):  # a folder that comes back; the next beat is soon
                write_json(work / ANNOUNCED, {**told, "beat": n})
            n += 1
            over.wait(BEAT_S)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        (work / ANNOUNCED).unlink(missing_ok=True)


class _Heard:
    """What the first machine says, and whether it is still there."""

    def __init__(self, work: Path) -> None:
        self._file = work / ANNOUNCED
        self._last: tuple[str, int] | None = None
        self._at = 0.0
        self._is_alive = False

    def listen(self) -> dict[str, Any] | None:
        """Return what is trained; None where nothing is, or who said so has not been heard of since."""
        try:
            told: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._last, self._is_alive = None, False
            return None
        beat = (told["attempt"], told["beat"])
        if beat != self._last:  # the first time it may be one that a kill left behind
            self._is_alive = self._last is not None and self._last[0] == beat[0]
            self._last, self._at = beat, time.monotonic()
        elif time.monotonic() - self._at > LOST_S:
            self._is_alive = False
        return told if self._is_alive else None


def join_trainings(work: Path, number: int, on_note: Callable[[str], None]) -> NoReturn:
    """Take part, as machine ``number``, in whatever the first machine trains, one training after the other, without end.

    Args:
        work: the project's folder of stages.
        number: of this machine, from 1.
        on_note: told what is taken part in, and what came of it.
    """
    heard, done = _Heard(work), ""
    while True:
        told = heard.listen()
        if told is not None and told["attempt"] != done:
            done = told["attempt"]
            _take_part(heard, told, work, number, on_note)
        time.sleep(POLL_S)


def _take_part(heard: _Heard, told: dict[str, Any], work: Path, number: int, on_note: Callable[[str], None]) -> None:
    launch = Launch(**{**told["launch"], "config": Path(told["launch"]["config"])})
    folder, what = Path(told["folder"]), f"machine {number} of {launch.machines}"
    if number >= launch.machines:
        on_note(f"{what}: not needed")
        return
    on_note(f"{what} takes part in {folder.name}")
    log = folder / f"machine-{number}.log"
    command = [
        told["python"] or sys.executable, "-P", "-m", *launch.command(number), "-m", told["module"], str(folder), str(os.getpid())
    ]  # fmt: skip
    env = {**os.environ, "PYTHONSAFEPATH": "1", **environment(told["python"], work / f"machine-{number}")}
    with log.open("ab") as stream:
        child = subprocess.Popen(
            command, stdout=stream, stderr=stream, stdin=subprocess.DEVNULL, env=env, cwd=told["cwd"]
        )
    try:
        code = _attend(child, heard, told["attempt"])
    finally:
        _end(child)
    now = heard.listen()
    if (
        code and folder.is_dir() and now is not None and now["attempt"] == told["attempt"]
    ):  # a later attempt has nothing to do with it
        leave_failure(folder, number, f"{what} ({log})", log, code)
    on_note(f"{what}: " + (f"failed, exit code {code}; see {log}" if code else "done"))


def _attend(child: subprocess.Popen[bytes], heard: _Heard, attempt: str) -> int:
    """Wait for a training's part; return its exit code, 0 also where it was ended since the whole is over."""
    left = PATIENCE_S
    while (code := child.poll()) is None:
        told = heard.listen()
        left = PATIENCE_S if told is not None and told["attempt"] == attempt else left - POLL_S
        if left <= 0:
            return 0
        time.sleep(POLL_S)
    return code


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
