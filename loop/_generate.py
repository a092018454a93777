"""``generate`` of a recipe with steps: documents, problems or imported rows to samples, through the flow."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..config import Recipe
from ..errors import RecipeError
from ..gen import Estimate, Flow, Meter, Progress, Stage, Step, estimate_steps, make_stages, retire
from ..llm import Engine, ModelIdentity
from ..store import Store
from ._report_to import Reporter

try:
    import uvloop
except ImportError:  # not on Windows
    uvloop = None  # type: ignore[assignment]

T = TypeVar("T")


class Generation:
    """The steps of one recipe in one project.

    Args:
        connect: returns the engine, ready to answer.
        identity: of that engine, known without connecting.
    """

    def __init__(
        self, store: Store, recipe: Recipe, base: Path, reporter: Reporter, connect: Callable[[], Coroutine[Any, Any, Engine]],
        *, run_id: str, iteration: int,
    ) -> None:  # fmt: skip
        self._store = store
        self._recipe = recipe
        self._reporter = reporter
        self._connect = connect
        self._run_id = run_id
        self._iteration = iteration
        self._base = base
        self.stages = make_stages(recipe.generate, store.project.root, base)

    def run(self, *, only: dict[str, list[str]] | None = None, max_tokens: int | None = None) -> Progress:
        """Bring every input to its outcome, or stop cleanly.

        Args:
            only: inputs by step, to do nothing else.
            max_tokens: instead of the steps'.
        """
        if max_tokens is not None:
            self.stages = [stage.with_max_tokens(max_tokens) for stage in self.stages]
            link_followers(self.stages)
        self._reporter.begin(f"[{self._iteration}] generate", unit="inputs")
        progress = run_loop(self._run(only))
        self._reporter.end(describe_progress(progress))
        return progress

    async def _run(self, only: dict[str, list[str]] | None) -> Progress:
        engine = await self._connect()
        try:
            meter = Meter(self._recipe.budget, self._recipe.prices).load(self._store, self._run_id)
            flow = Flow(
                self._store, engine, self.stages, run_id=self._run_id, iteration=self._iteration, seed=self._recipe.seed,
                concurrency=self._recipe.engine.concurrency, meter=meter, on_progress=self._show,
            )  # fmt: skip
            flow.plan(only)
            self._show(flow.progress)
            return await flow.run()
        finally:
            await engine.close()

    def retry(self, kinds: Sequence[str], max_tokens: int | None) -> Progress:
        """Do over the inputs whose requests failed or were cut off, and only these.

        Raises:
            RecipeError: there are none.
        """
        only: dict[str, list[str]] = {}
        for stage in self.stages:
            if inputs := retire(self._store, Step(self._run_id, self._iteration, stage.name), kinds):
                only[stage.name] = inputs
        if not only:
            raise RecipeError(
                f"flywheel generate --retry {','.join(kinds)}", expected="rows that failed or were cut off",
                received="none", cure="flywheel status shows what there is",
            )  # fmt: skip
        return self.run(only=only, max_tokens=max_tokens)

    def estimate(self, identity: ModelIdentity) -> list[Estimate]:
        """Return what the steps would ask and cost, without asking."""

        async def work() -> list[Estimate]:
            flow = Flow(
                self._store, _Nobody(identity), self.stages, run_id=self._run_id, iteration=self._iteration,
                seed=self._recipe.seed, concurrency=1, meter=Meter(self._recipe.budget, self._recipe.prices),
            )  # fmt: skip
            flow.plan()
            return await estimate_steps(
                self._store, self.stages, identity, flow.progress.planned, run_id=self._run_id, iteration=self._iteration,
                seed=self._recipe.seed, concurrency=self._recipe.engine.concurrency, prices=self._recipe.prices,
            )  # fmt: skip

        return asyncio.run(work())

    def _show(self, progress: Progress) -> None:
        note = f"{progress.samples} samples" + (f", {progress.drops} drops" if progress.drops else "")
        self._reporter.update(
            done=sum(progress.done.values()), total=sum(progress.planned.values()) or None,
            tokens=progress.take_tokens(), note=note,
        )  # fmt: skip


class _Nobody:
    """An engine that is never asked."""

    is_batched = False

    def __init__(self, identity: ModelIdentity) -> None:
        self.identity = identity

    def stream(self, requests: Any, answered: Any) -> Any:
        """Nothing comes."""
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing to free."""


def link_followers(stages: Sequence[Stage]) -> None:
    """Let each step know the steps that consume its samples."""
    for stage in stages:
        stage.followers = [s for s in stages if s.config.source == stage.name]


def describe_progress(progress: Progress) -> str:
    """Return one line for a person."""
    reused = f", {progress.reused} answers from the store" if progress.reused else ""
    stopped = f"; stopped early: {progress.stopped}" if progress.stopped else ""
    return f"{progress.requests} requests{reused}, {progress.samples} samples, {progress.drops} drops{stopped}"


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop where it is installed, else on asyncio's own loop.

    Raises:
        KeyboardInterrupt: it was told to stop at once.
    """
    try:
        return asyncio.run(work) if uvloop is None else uvloop.run(work)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
