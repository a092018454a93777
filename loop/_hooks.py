"""Hooks: commands and addresses that are told what the gate decided, and when a run fails.

A hook that fails, hangs or is missing is told and put on record, and never touches the run. An event of the gate is told
once, also when the run is interrupted and goes on; a kill in the moment between telling and recording may tell it twice:
``event_id`` is then the same.
"""

import json
import logging
import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..config import HookConfig
from ..errors import FlywheelError, RunInProgressError, StoppedError
from ..schema import content_id, utc_now
from ..store import Store
from ._report_to import Reporter

log = logging.getLogger(__name__)

LONGEST_MESSAGE = 500
_NAMED = re.compile(r"\$\{(\w+)\}")

_DECIDED = """
    SELECT d.iteration, d.stage, d.checkpoint_id, d.champion_id, d.promoted, d.reason, s.suite, s.split, s.metric, s.score,
           s.stderr, d.n, d.delta, d.low, d.high, d.p_value, d.level, d.test, k.path, d.created_at::VARCHAR AS decided_at
    FROM decisions d JOIN scores s USING (score_id) JOIN checkpoints k ON k.checkpoint_id = d.checkpoint_id
    WHERE d.run_id = ? AND d.iteration = ? AND d.stage = ? AND d.role = 'gate'
"""

Body = dict[str, Any]


class Hooks:
    """The hooks of a recipe.

    Args:
        base: folder that commands start in.
        about: what every event says: the recipe's name, the project.
    """

    def __init__(
        self, config: HookConfig, store: Store, reporter: Reporter, base: Path, about: Mapping[str, Any]
    ) -> None:
        self._config = config
        self._store = store
        self._reporter = reporter
        self._base = base
        self._about = dict(about)
        self.run_id = ""

    def decided(self, iteration: int, stage: str) -> None:
        """Tell what the gate decided on the challenger of a stage."""
        if not (self._config.promote or self._config.keep):
            return
        row = self._store.query_rows(_DECIDED, [self.run_id, iteration, stage])[0]
        body = {**row, "path": str(self._store.project.root / row["path"])}
        self._tell("promote" if row["promoted"] else "keep", iteration, [stage, row["checkpoint_id"]], body)

    @contextmanager
    def telling_failures(self) -> Iterator[None]:
        """Tell of an error that ends the block; being stopped is none, nor is another run that is on, nor a reader who has gone."""
        try:
            yield
        except (StoppedError, RunInProgressError, BrokenPipeError):
            raise
        except Exception as error:
            if self._config.fail:
                self._failed(error)
            raise

    def _failed(self, error: Exception) -> None:
        said = {"kind": type(error).__name__, "message": str(error)}
        if isinstance(error, FlywheelError):
            said |= {k: str(getattr(error, k)) for k in ("place", "expected", "received", "cure")}
        try:
            self._tell("fail", self._iteration(), [utc_now(), said["message"]], {"error": said})
        except Exception as another:  # noqa: BLE001 — the first error is the one to report
            log.warning("hooks.fail: %s", another)

    def _iteration(self) -> int:
        if not self.run_id:
            return 0
        sql = "SELECT coalesce(max(iteration), 0) FROM iterations WHERE run_id = ?"
        ((iteration,),) = self._store.query(sql, [self.run_id])
        return int(iteration)

    def _tell(self, event: str, iteration: int, key: list[Any], body: Body) -> None:
        for target in self._config.of(event):
            call_id = content_id("hook", [self.run_id, event, iteration, *key, target])
            if self.run_id and self._store.query("SELECT 1 FROM hook_calls WHERE call_id = ?", [call_id]):
                continue
            whole = {
                "event": event,
                "event_id": call_id,
                "run_id": self.run_id,
                "iteration": iteration,
                **self._about,
                **body,
            }
            ok, message = call_hook(target, whole, self._base, self._config.timeout_s)
            if not ok:
                self._reporter.say(f"[{iteration}] hooks.{event}: {target}: {message}; the run goes on")
            if self.run_id:
                row = {
                    "call_id": call_id, "run_id": self.run_id, "iteration": iteration, "event": event, "target": target,
                    "body": json.dumps(whole), "ok": ok, "message": message, "created_at": utc_now(),
                }  # fmt: skip
                self._store.insert("hook_calls", [row], key="call_id")


def call_hook(target: str, body: Mapping[str, Any], folder: Path, timeout_s: float) -> tuple[bool, str]:
    """Tell a command or an address; return whether it took it, and what it said.

    Args:
        target: as the recipe has it.
        body: sent as JSON.
        folder: where a command starts.
    """
    missing = [name for name in _NAMED.findall(target) if name not in os.environ]
    if missing:
        return False, f"the environment has no {missing[0]}"
    whole = json.dumps(body).encode()
    if _NAMED.sub(_from_environment, target).startswith(("http://", "https://")):
        return _post(_NAMED.sub(_from_environment, target), whole, timeout_s)
    try:
        command = [_NAMED.sub(_from_environment, part) for part in shlex.split(target)]
    except ValueError as error:
        return False, f"not a command line: {error}"
    return _run(command, whole, folder, timeout_s, str(body["event"]))


def _from_environment(match: re.Match[str]) -> str:
    return os.environ[match[1]]


def _run(command: list[str], body: bytes, folder: Path, timeout_s: float, event: str) -> tuple[bool, str]:
    env = {**os.environ, "FLYWHEEL_EVENT": event}
    try:
        done = subprocess.run(
            command, input=body, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder, env=env, timeout=timeout_s,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False, f"no end within {timeout_s:g} s"
    except OSError as error:
        return False, error.strerror or type(error).__name__
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    said = lines[-1][:LONGEST_MESSAGE] if lines else ""
    return done.returncode == 0, said if done.returncode == 0 else f"exit code {done.returncode}: {said}"


def _post(url: str, body: bytes, timeout_s: float) -> tuple[bool, str]:
    import urllib.error
    import urllib.request

    try:
        request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=timeout_s) as reply:
            return True, f"HTTP {reply.status}"
    except urllib.error.HTTPError as error:
        return False, f"HTTP {error.code}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return False, f"not reached: {type(reason).__name__}"  # its words may hold the address, which may be secret
