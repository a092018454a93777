"""Which engine serves a checkpoint, and which the endpoint."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..config import EngineConfig, Recipe
from ..llm import Engine, LocalEngine, ModelIdentity, OpenAIEngine, ServerSettings, VllmEngine, VllmServer
from ..store import Project
from ..train import Checkpoint
from ._checkpoints import Checkpoints
from ._generate import OnTokens
from ._report_to import Reporter


class Engines:
    """Makes the engines of one run, as its recipe has them.

    Args:
        base: folder that the recipe's paths start from.
    """

    def __init__(
        self, recipe: Recipe, base: Path, project: Project, checkpoints: Checkpoints, reporter: Reporter
    ) -> None:
        self._config = recipe.engine
        self._base = base
        self._project = project
        self._checkpoints = checkpoints
        self._reporter = reporter
        self._server: VllmServer | None = None

    def with_config(self, config: EngineConfig) -> "Engines":
        """Return the engines of the same run by another configuration: a judge's own."""
        other = copy.copy(self)
        other._config, other._server = config, None
        return other

    def identity(self, checkpoint: Checkpoint | None) -> ModelIdentity:
        """Return which model would answer, as far as is known without asking it; None for the endpoint's."""
        return (self._make_remote() if checkpoint is None else self._make_own(checkpoint, lambda n: None)).identity

    async def connect(self, checkpoint: Checkpoint | None, on_tokens: OnTokens) -> Engine:
        """Return the engine of a checkpoint, or for None the endpoint's, ready to answer.

        Of a checkpoint nothing is loaded or started before the first request.

        Raises:
            EndpointError: the endpoint does not answer, or refuses.
        """
        if checkpoint is not None:
            return self._make_own(checkpoint, on_tokens)
        return await self._make_remote().connect()

    @contextmanager
    def one_server(self, checkpoint: Checkpoint | None) -> Iterator[None]:
        """While the block runs, let all its steps share one vLLM server; it starts when the first of them needs it."""
        if checkpoint is None or self._config.kind != "vllm" or self._server is not None:
            yield
            return
        self._server = VllmServer(self._checkpoints.resolve(checkpoint), self._server_settings())
        try:
            yield
        finally:
            self._server.end()
            self._server = None

    def describe(self, kind: str) -> dict[str, Any]:
        """Return what an evaluation process needs to make an engine of ``kind``, as JSON holds it."""
        if kind == "local":
            return describe_local(self._config)
        found: dict[str, Any] = {"kind": kind, "batch_size": self._config.batch_size, "manners": self._manners()}
        if kind == "openai":
            return {**found, "base_url": self._config.base_url, "model": self._config.model}
        return {
            **found,
            "server": {k: str(v) if isinstance(v, Path) else v for k, v in asdict(self._server_settings()).items()},
        }

    async def find_model(self) -> ModelIdentity:
        """Return which model the endpoint serves, asking it where the recipe does not say.

        Raises:
            EndpointError: it does not answer, or refuses.
        """
        engine = await self._make_remote().connect()
        await engine.close()
        return engine.identity

    def _make_own(self, checkpoint: Checkpoint, on_tokens: OnTokens) -> LocalEngine | VllmEngine:
        config, model = self._config, self._checkpoints.resolve(checkpoint)
        if config.kind != "vllm":
            return LocalEngine(model, batch_size=config.batch_size, on_tokens=on_tokens, folder=self._project.root)
        return VllmEngine(
            model, self._server_settings(), server=self._server, on_note=lambda note: self._reporter.update(note=note),
            folder=self._project.root, **self._manners(),
        )  # fmt: skip

    def _make_remote(self) -> OpenAIEngine:
        return OpenAIEngine(
            base_url=self._config.base_url, model=self._config.model, folder=self._project.root, **self._manners()
        )

    def _manners(self) -> dict[str, Any]:
        """Return how servers are asked, one's own and others', as JSON holds it."""
        asking = {"concurrency", "timeout_s", "max_attempts", "send_seed", "patience_s", "extra_body"}
        return {name: getattr(self._config, name) for name in sorted(asking)}

    def _server_settings(self) -> ServerSettings:
        config = self._config
        return ServerSettings(
            logs=self._project.logs, base=self._base, python=config.python, server_args=config.server_args,
            env=config.env, startup_s=config.startup_s, max_restarts=config.max_restarts,
        )  # fmt: skip


def describe_local(engine: EngineConfig) -> dict[str, Any]:
    """Return what an evaluation process needs to score weights in process, as JSON holds it."""
    found: dict[str, Any] = {"kind": "local", "batch_size": engine.batch_size}
    return found if engine.eval_processes == 1 else {**found, "processes": engine.eval_processes}
