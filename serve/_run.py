"""A server's life: it listens, loads the champion, follows promotions and rollbacks, and ends when it is told to."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from ..config import Recipe
from ..errors import FlywheelError, RecipeError, StoreError, SystemRefusedError
from ..llm import ResolvedModel, ServerSettings
from ..loop import ChampionWatch
from ..net import Told, listen, read_token, run_until_signal
from ..store import Project
from ._app import App
from ._figures import Figures
from ._guard import Guard
from ._local import LocalBackend
from ._record import ServedLog
from ._switch import Backend, Switch
from ._vllm import VllmBackend

log = logging.getLogger(__name__)

COMMAND, TOKEN_VARIABLE = "flywheel serve", "FLYWHEEL_SERVE_TOKEN"
RETRY_S = 60.0
"""A champion that could not be loaded is tried again after so long."""
LOCAL_BATCH = 64
Say = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """Where a server listens, and how often it looks for a new champion.

    Attributes:
        port: 0 = any free one.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    poll_s: float = 2.0


def serve(project: Project, recipe: Recipe, base: Path, place: Place, say: Say, *, run: str = "") -> int:
    """Serve the champion until a signal comes; return the signal.

    What is in flight then is finished; a second signal ends it at once.

    Args:
        base: folder that the recipe's paths start from.
        say: told in one line what changes.
        run: only the champion of this run (an id or its beginning).

    Raises:
        RecipeError: an address that is open to others, and no token; or an engine that is not ours.
        NotFoundError: there is no such run, or the first model cannot be found.
        SystemRefusedError: the address cannot be listened on.
    """
    token = read_token(COMMAND, place.host, TOKEN_VARIABLE)
    if recipe.engine.kind == "openai":
        raise RecipeError(
            "flywheel serve", expected="engine: local or vllm, which have the champion", received="engine: openai",
            cure="ask that endpoint itself, or name another recipe with --recipe",
        )  # fmt: skip
    watch = ChampionWatch(project, recipe, base, run)
    watch.find()  # a run that is not there is told before an address is
    server = _Server(project, recipe, base, place, token, say, watch)
    return run_until_signal(server.run)


class _Server:
    def __init__(
        self, project: Project, recipe: Recipe, base: Path, place: Place, token: str, say: Say, watch: ChampionWatch
    ) -> None:
        self._project, self._recipe, self._base, self._place = project, recipe, base, place
        self._say, self._watch, self._has_token = say, watch, bool(token)
        self._figures, self._switch = Figures(), Switch()
        self._record = ServedLog(project.root) if recipe.serve.log else None
        self._app = App(self._switch, recipe.serve, Guard(place.host, token), self._figures, self._record)
        self._refused: tuple[str, float] = ("", 0.0)

    async def run(self, told: Told) -> int:
        runner = web.AppRunner(self._app.make(), access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await runner.setup()
        following = asyncio.create_task(self._follow())
        try:
            url = await listen(runner, COMMAND, self._place.host, self._place.port, SystemRefusedError)
            self._say(f"{url}/v1 (model: champion)" + ("; a token is needed" if self._has_token else ""))
            stopped_by = asyncio.create_task(told.get())
            await asyncio.wait({stopped_by, following}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                stopped_by.cancel()
                following.result()
            await stopped_by
            await self._finish(told)
            return stopped_by.result()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await runner.cleanup()
            await self._switch.close()
            if self._record is not None:
                self._record.close()

    async def _finish(self, told: Told) -> None:
        """Take nothing more, and wait until what is in flight is answered, or until a second signal."""
        self._app.is_ending = True
        if self._app.in_flight:
            self._say(f"{self._app.in_flight} in flight are finished first; again to end at once")
        at_once = asyncio.create_task(told.get())
        while self._app.in_flight and not at_once.done():
            await asyncio.sleep(0.02)
        at_once.cancel()

    # --- the champion ------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Load the champion, and from then on whoever takes its place.

        Raises:
            FlywheelError: the first one cannot be found or loaded.
        """
        await self._change(await asyncio.to_thread(self._watch.find))
        while True:
            await asyncio.sleep(self._place.poll_s)
            try:
                await self._look()
            except FlywheelError as error:
                self._figures.failures.labels(what="watch" if isinstance(error, StoreError) else "switch").inc()
                log.error("%s", error)

    async def _look(self) -> None:
        current = self._switch.current
        assert current is not None
        found = await asyncio.to_thread(self._watch.find)
        if found.name != current.checkpoint_id and not self._is_resting(found.name):
            try:
                await self._change(found)
            except FlywheelError:
                self._refused = (found.name, time.monotonic())
                raise
        elif not current.is_running and not self._is_resting(current.checkpoint_id):
            await self._restart(current)

    async def _restart(self, current: Backend) -> None:
        self._say(f"{current.checkpoint_id}: its server ended and is started again")
        self._figures.failures.labels(what="engine").inc()
        self._refused = (current.checkpoint_id, time.monotonic())
        await current.start()
        self._refused = ("", 0.0)

    def _is_resting(self, checkpoint_id: str) -> bool:
        name, since = self._refused
        return name == checkpoint_id and time.monotonic() - since < RETRY_S

    async def _change(self, model: ResolvedModel) -> None:
        former = self._switch.current
        self._say(f"{model.name} is being loaded")
        await self._switch.switch_to(self._make(model))
        self._figures.set_champion(model.name)
        if former is not None:
            self._figures.switches.inc()
        self._say(f"{model.name} answers" + (f" in the place of {former.checkpoint_id}" if former else ""))

    def _make(self, model: ResolvedModel) -> Backend:
        engine = self._recipe.engine
        if engine.kind != "vllm":
            return LocalBackend(model, min(engine.batch_size, LOCAL_BATCH))
        settings = ServerSettings(
            logs=self._project.logs, base=self._base, python=engine.python, server_args=engine.server_args, env=engine.env,
            startup_s=engine.startup_s, max_restarts=0,
        )  # fmt: skip
        return VllmBackend(model, settings, engine.timeout_s)
