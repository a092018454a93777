"""Steps through the flow: documents, problems or imported rows to samples."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ..config import BudgetConfig, Recipe
from ..errors import RecipeError, StoppedError
from ..gen import (
    Estimate,
    Flow,
    HeadFlow,
    Meter,
    Progress,
    Stage,
    Step,
    Stop,
    check_imported,
    check_sources,
    estimate_steps,
    find_retries,
    retire,
)
from ..llm import Engine, ModelIdentity, OpenAIEngine, VllmEngine
from ..store import Store, bucket_of
from ._report_to import Reporter
from ._shards import move_full_shards
from ._words import count

try:
    import uvloop
except ImportError:  # not on Windows
    uvloop = None  # type: ignore[assignment]

T = TypeVar("T")


OnTokens = Callable[[int], None]
Connect = Callable[[OnTokens], Coroutine[Any, Any, Engine]]
"""Returns an engine, ready to answer; one that decodes in this process tells its tokens as they come."""


class Generation:
    """Steps of one iteration of a run, and the engine that they ask."""

    def __init__(
        self, store: Store, recipe: Recipe, stages: Sequence[Stage], reporter: Reporter, connect: Connect, *, run_id: str,
        iteration: int,
    ) -> None:  # fmt: skip
        self._store = store
        self._recipe = recipe
        self._reporter = reporter
        self._connect = connect
        self._run_id = run_id
        self._iteration = iteration
        self._stages = list(stages)

    def run(
        self, *, only: dict[str, list[str]] | None = None, max_tokens: int | None = None, sample: int | None = None
    ) -> Progress:  # fmt: skip
        """Bring every input to its outcome, or stop cleanly.

        Args:
            only: inputs by step, to do nothing else.
            max_tokens: instead of the steps'.
            sample: only so many inputs of each first step, and what follows from them.

        Raises:
            RecipeError: a step has no rows to begin with.
        """
        stages = self._stages
        if max_tokens is not None:
            stages = [stage.with_max_tokens(max_tokens) for stage in stages]
            link_followers(stages)
        check_sources(self._store, stages)
        check_imported(self._store, self._recipe.select.imported)
        progress = run_loop(self._run(stages, only, sample))
        if progress.stopped is None or progress.stopped.signal is None:
            move_full_shards(self._store, self._recipe, self._reporter)
        return progress

    async def _run(
        self, stages: Sequence[Stage], only: dict[str, list[str]] | None, sample: int | None
    ) -> Progress:  # fmt: skip
        engine = await self._connect(lambda n: self._reporter.update(tokens=n))
        try:
            with self._executor(stages, engine) as flow_of:
                with self._store.kept_open(will_write=True):
                    flow = flow_of(
                        self._store, engine, stages, run_id=self._run_id, iteration=self._iteration, seed=self._recipe.seed,
                        concurrency=self._recipe.engine.concurrency, meter=self._meter(engine),
                        on_progress=lambda progress: self._show(progress, engine),
                    )  # fmt: skip
                    flow.plan(only, sample=sample)
                self._show(flow.progress, engine)
                return await flow.run()
        finally:
            await engine.close()

    @contextmanager
    def _executor(self, stages: Sequence[Stage], engine: Engine) -> Iterator[Callable[..., Flow]]:
        """Have what does the asking while the block runs: this process, or workers."""
        config = self._recipe.executor
        if config.kind == "local" or not isinstance(engine, OpenAIEngine | VllmEngine):
            yield Flow
            return
        from ._cluster import Assignment, RayCrew, connected, pickle_stages, require_gpus

        project = self._store.project
        bucket = bucket_of(project, config.journals) if config.journals else None
        with self._store.gathering(bucket), connected(config):
            share = self._recipe.engine.concurrency
            if engine.is_shared:
                share = -(-share // config.workers)
            else:
                require_gpus(config)
            assignment = Assignment(
                pickle_stages(stages), bucket or project.workers.resolve(), self._run_id, self._iteration, self._recipe.seed,
                share, Path.cwd(), type(engine), engine.elsewhere(config.workers),
            )  # fmt: skip
            yield partial(HeadFlow, crew=RayCrew(config, assignment), is_shared=engine.is_shared)

    def _meter(self, engine: Engine) -> Meter:
        """Return what counts the spending; a model of one's own costs no budget."""
        is_paid = engine.identity.engine == "openai"
        limits = self._recipe.budget if is_paid else BudgetConfig()
        return Meter(limits, self._recipe.prices).load(self._store, self._run_id)

    def retire(self, kinds: Sequence[str], max_tokens: int | None) -> dict[str, list[str]]:
        """Take back what failed or was cut off; return the inputs to do over, by step.

        Raises:
            RecipeError: there are none, or there are answers that met the limit of tokens, and no higher limit is given.
        """
        if "truncated" in kinds:
            self._check_nothing_cut(max_tokens)
        only: dict[str, list[str]] = {}
        for stage in self._stages:
            if inputs := retire(self._store, Step(self._run_id, self._iteration, stage.name), kinds):
                only[stage.name] = inputs
        if not only:
            raise RecipeError(
                f"flywheel generate --retry {','.join(kinds)}", expected="rows that failed or were cut off",
                received="none: nothing is left to do over", cure="flywheel status shows what there is",
            )  # fmt: skip
        return only

    def _check_nothing_cut(self, max_tokens: int | None) -> None:
        """Refuse to do answers over that met the limit of tokens with no higher limit."""
        for stage in self._stages:
            limit = stage.sampling.max_tokens
            if max_tokens is not None and max_tokens > limit:
                continue
            step = Step(self._run_id, self._iteration, stage.name)
            if n := len(find_retries(self._store, step, ["truncated"])):
                raise RecipeError(
                    "flywheel generate --retry truncated", expected=f"--max-tokens above {limit}, the limit of step {stage.name!r}",
                    received=f"{max_tokens or 'the same limit'}, which would cut the same answers ({count(n, 'input')})",
                    cure=f"for example --max-tokens {2 * limit}",
                )  # fmt: skip

    def estimate(self, identity: ModelIdentity) -> list[Estimate]:
        """Return what the steps would ask and cost, without asking."""
        check_sources(self._store, self._stages)

        async def work() -> list[Estimate]:
            flow = Flow(
                self._store, _Nobody(identity), self._stages, run_id=self._run_id, iteration=self._iteration,
                seed=self._recipe.seed, concurrency=1, meter=Meter(self._recipe.budget, self._recipe.prices),
            )  # fmt: skip
            flow.plan(is_whole=True)
            return await estimate_steps(
                self._store, self._stages, identity, flow.progress.planned, run_id=self._run_id, iteration=self._iteration,
                seed=self._recipe.seed, concurrency=self._recipe.engine.concurrency, prices=self._recipe.prices,
            )  # fmt: skip

        return asyncio.run(work())

    def _show(self, progress: Progress, engine: Engine) -> None:
        note = f"{progress.samples} samples" + (f", {progress.drops} drops" if progress.drops else "")
        self._reporter.update(
            done=sum(progress.done.values()), total=sum(progress.planned.values()) or None,
            tokens=0 if engine.is_batched else progress.take_tokens(), note=note,
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


def run_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop where it is installed, else on asyncio's own loop.

    Raises:
        KeyboardInterrupt: it was told to stop at once.
    """
    try:
        return asyncio.run(work) if uvloop is None else uvloop.run(work)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def end_early(iteration: int, what: str, stop: Stop) -> NoReturn:
    """End the command, now that what was in flight is saved: as the signal would have, or saying which limit it was.

    Raises:
        StoppedError: a limit was met.
    """
    if stop.signal is not None:
        signal.raise_signal(stop.signal)
        raise KeyboardInterrupt
    raise StoppedError(
        f"iteration {iteration}, {what}", expected="every input done", received=f"stopped: {stop}",
        cure="raise the budget; the same command goes on from here", rule="budget",
    )  # fmt: skip
