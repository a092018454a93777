"""A vLLM server as a child process: started, waited for, stopped, and its end explained.

Guarantees: when :meth:`VllmServer.stop` returns, nothing of it is left; when flywheel ends in any way, ``kill -9`` included,
its guard ends it (see ``_guard``). The key is random, goes through the environment, and is stored nowhere.
"""

import asyncio
import contextlib
import logging
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import EndpointError, FlywheelError, MissingExtraError
from ._models import ResolvedModel
from ._vllm_command import HOST, PYTHON_VARIABLE, ServerSettings, find_vllm_python, make_environment, render_command
from ._vllm_log import describe_exit, find_cause, read_log

log = logging.getLogger(__name__)

GUARD = Path(__file__).with_name("_guard.py")
POLL_S = 0.2
GRACE_S = 20.0
"""What a server has to end by itself; then it is killed."""
GUARD_GRACE_S = GRACE_S + 10.0
PROBE_TIMEOUT_S = 5.0
LAST_LINES = 8


class VllmServer:
    """One server for one model, on a free port of this machine.

    Args:
        model: what it serves, under its name.
        settings: how it is run.
    """

    def __init__(self, model: ResolvedModel, settings: ServerSettings) -> None:
        self._model = model
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._log_start = 0
        self.api_key = secrets.token_urlsafe(24)
        self.log_path: Path | None = None

    @property
    def base_url(self) -> str:
        """Where it is, once it has been started."""
        return f"http://{HOST}:{self._port}/v1"

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    async def start(self, on_wait: Callable[[float], None] = lambda waited_s: None) -> None:
        """Start it and wait until it answers. Started again, it keeps its port and its log.

        Args:
            on_wait: called meanwhile, with the seconds so far.

        Raises:
            NotFoundError: there is no such interpreter.
            MissingExtraError: the interpreter has no vLLM.
            EndpointError: it ended, or was not ready in time; with the telling line of its log.
        """
        await self.stop()
        try:
            self._launch()
            await self._wait_until_ready(on_wait)
        except BaseException:
            await self.stop()
            raise

    async def wait_for_end(self) -> None:
        """Return when the process has ended."""
        while self.is_running:
            await asyncio.sleep(POLL_S)

    async def stop(self) -> None:
        """Stop it, and wait until nothing of it is left."""
        await asyncio.to_thread(self.end)

    def end(self) -> None:
        """Do as :meth:`stop` does, where no event loop runs."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(GUARD_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._process = None

    def explain_end(self, what: str) -> FlywheelError:
        """Return the error that says why the process ended.

        Args:
            what: what it was doing: ``did not start``.
        """
        code = self._process.poll() if self._process is not None else None
        told = read_log(self.log_path, self._log_start) if self.log_path else ""
        finding = find_cause(told)
        if finding is not None and finding.is_no_vllm:
            return MissingExtraError(
                "engine: vllm", expected=f"an interpreter that has vLLM; this is {self._python}", received=finding.line,
                cure=f"set engine.python or {PYTHON_VARIABLE} to the Python of an environment with vLLM",
            )  # fmt: skip
        ended = "it does not run" if code is None else describe_exit(code)
        line = finding.line if finding is not None else "its log is empty"
        cure = finding.cure if finding is not None else ""
        if not cure:
            cure = "it was probably out of memory" if code == 137 else "read the log"
        return EndpointError(
            f"vLLM server for {self._model.name} ({self.log_path})", expected="a server that runs",
            received=self._redact(f"{what}, {ended}: {line}"),
            cure=f"{cure}; then give the same command again: answered requests are kept",
        )  # fmt: skip

    def explain_silence(self, told: str) -> EndpointError:
        """Return the error of a server that runs and does not answer."""
        return EndpointError(
            f"vLLM server for {self._model.name} ({self.log_path})", expected="a server that answers", received=told,
            cure="read the log; then give the same command again: answered requests are kept",
        )  # fmt: skip

    # --- inside ------------------------------------------------------------------------------------------------

    def _launch(self) -> None:
        settings = self._settings
        self._python = find_vllm_python(settings.python, settings.base)
        self._port = self._port or _find_free_port()
        command = render_command(self._python, self._model, self._port, settings.server_args)
        self.log_path = self.log_path or _make_log(settings.logs)
        with self.log_path.open("ab") as stream:
            stream.write(f"# {_now()} flywheel starts: {' '.join(command)}\n".encode())
            stream.flush()
            self._log_start = stream.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), str(GRACE_S), *command],
                stdin=subprocess.PIPE, stdout=stream, stderr=stream, start_new_session=True, cwd=settings.base,
                env=make_environment(self._python, self.api_key, settings.env),
            )  # fmt: skip
        log.info("vLLM starts (log: %s)", self.log_path)

    async def _wait_until_ready(self, on_wait: Callable[[float], None]) -> None:
        import aiohttp

        began = time.monotonic()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PROBE_TIMEOUT_S)) as session:
            while not (await self._is_ready(session) and self.is_running):
                waited_s = time.monotonic() - began
                if not self.is_running:
                    raise self.explain_end("did not start")
                if waited_s > self._settings.startup_s:
                    raise self._explain_delay()
                on_wait(waited_s)
                await asyncio.sleep(POLL_S)
        log.info("vLLM is ready after %.0f s", time.monotonic() - began)

    async def _is_ready(self, session: Any) -> bool:
        """Ask for its health, then whether it serves our model: the port may be another program's by now."""
        import aiohttp

        try:
            async with session.get(f"http://{HOST}:{self._port}/health") as reply:
                if reply.status != 200:
                    return False
            headers = {"Authorization": f"Bearer {self.api_key}"}
            async with session.get(f"{self.base_url}/models", headers=headers) as reply:
                body = await reply.json() if reply.status == 200 else {}
            return any(m["id"] == self._model.name for m in body.get("data", ()))
        except (aiohttp.ClientError, OSError, ValueError, TypeError, KeyError, AttributeError):
            return False

    def _explain_delay(self) -> EndpointError:
        lines = read_log(self.log_path, self._log_start).splitlines()[-LAST_LINES:] if self.log_path else []
        return EndpointError(
            f"vLLM server for {self._model.name} ({self.log_path})",
            expected=f"a server that is ready within engine.startup_s = {self._settings.startup_s:g} s",
            received=self._redact("it still starts; the last lines of its log:\n    " + "\n    ".join(lines)),
            cure="read the log; raise engine.startup_s if it only needs longer (the first start compiles)",
        )  # fmt: skip

    def _redact(self, text: str) -> str:
        return text.replace(self.api_key, "***")


def _make_log(folder: Path) -> Path:
    """Create an empty log, named by the time."""
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(1000):
        path = folder / f"vllm-{_now()}{f'-{n}' if n else ''}.log"
        with contextlib.suppress(FileExistsError):
            path.touch(exist_ok=False)
            return path
    raise FileExistsError(folder)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
