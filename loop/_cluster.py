"""Workers and tasks on a Ray cluster: the one place that knows Ray.

An actor is a worker: it runs the same asynchronous driver as one machine does, and is asked and told by the head
(:mod:`flywheel.gen`). Placement, restarts of nodes and autoscaling are Ray's: an actor that has no room yet waits for it. Curation has no actors: its parts are tasks
(:class:`~flywheel.judge.Mapper`), and Ray gives those of a lost node to others.
"""

import asyncio
import itertools
import logging
import math
import os
import shutil
import socket
import sys
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import ExecutorConfig
from ..errors import MissingExtraError, RecipeError, StageError
from ..gen import Given, HandLostError, Node, Stage, Told, WorkerFlow
from ..judge import HERE, PART_CHARS
from ..llm import OpenAIEngine, VllmEngine
from ..store import Bucket
from ._alike import describe_program, require_alike

log = logging.getLogger(__name__)

KNOCK_S = 10.0
OBJECTS_BYTES = 100_000_000
"""Of Ray's object store on one machine: what is exchanged is small and goes another way."""


@dataclass(frozen=True)
class Assignment:
    """What a worker needs to know.

    Attributes:
        stages: pickled.
        journals: folder in which each worker makes one of its own, and every machine sees it under this path; or the bucket to which they put them.
        share: requests at once to begin with; the head tells when that changes.
        cwd: folder that relative paths start from.
        engine: its class; ``asking``: its arguments.
    """

    stages: bytes
    journals: Path | Bucket
    run_id: str
    iteration: int
    seed: int
    share: int
    cwd: Path
    engine: type[OpenAIEngine] | type[VllmEngine]
    asking: dict[str, Any]


class _Actor:
    """Runs a worker's flow on the actor's own event loop. It is made with plain text alone, and says which flywheel it runs, before it is sent anything of flywheel's."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._flow: WorkerFlow | None = None
        self._engine: OpenAIEngine | VllmEngine | None = None
        self._temporary: Path | None = None

    async def introduce(self) -> tuple[str, str]:
        """Return its machine and its program."""
        return _name_node(), await asyncio.to_thread(describe_program)

    async def exchange(self, given: Given, assignment: Assignment | None) -> Told:
        """See :class:`~flywheel.gen.WorkerFlow`; the first time with the assignment."""
        if assignment is not None:
            self._flow = await self._begin(assignment)
        assert self._flow is not None
        told = await self._flow.exchange(given)
        if told.is_finished and self._engine is not None:
            await self._engine.close()
            self._engine = None
            if self._temporary is not None:
                with suppress(OSError):  # what could not be put stays
                    (self._temporary / self._name).rmdir()
                    self._temporary.rmdir()
        return told

    async def _begin(self, a: Assignment) -> WorkerFlow:
        from ray import cloudpickle

        journals, bucket = a.journals, None
        if isinstance(journals, Bucket):
            bucket = journals
            await asyncio.to_thread(bucket.await_access)
            journals = self._temporary = Path(tempfile.mkdtemp(prefix="flywheel-journals-"))
        with suppress(OSError):  # a machine that has the project elsewhere says so where it looks for something
            os.chdir(a.cwd)
        engine = self._engine = a.engine(**a.asking)
        if isinstance(engine, OpenAIEngine):
            await engine.connect()
        stages: list[Stage] = cloudpickle.loads(a.stages)
        return WorkerFlow(
            journals / self._name, engine, stages, run_id=a.run_id, iteration=a.iteration, seed=a.seed,
            concurrency=a.share, node=_name_node(), bucket=bucket,
        )  # fmt: skip


class _RayHand:
    """An actor as the head sees it."""

    def __init__(self, name: str, actor: Any, assignment: Assignment) -> None:
        self.name = name
        self._actor = actor
        self._assignment: Assignment | None = assignment

    async def exchange(self, given: Given) -> Told:
        """See :class:`~flywheel.gen.Hand`."""
        from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError

        try:
            if self._assignment is not None:
                node, program = await self._actor.introduce.remote()
                require_alike(node, program, describe_program())
            told: Told = await self._actor.exchange.remote(given, self._assignment)
        except (ActorDiedError, ActorUnavailableError) as error:
            raise HandLostError(_sum_up(error)) from None
        except RayTaskError as error:
            raise error.cause if isinstance(error.cause, Exception) else error from None
        self._assignment = None
        return told


def _sum_up(error: Exception) -> str:
    """Return what Ray says first, and what its traceback ends with: the cause."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [type(error).__name__]
    return lines[0] if len(lines) == 1 else f"{lines[0]} … {lines[-1]}"


def require_gpus(config: ExecutorConfig) -> None:
    """See that each worker's server has GPUs of its own where the cluster has any.

    Raises:
        RecipeError: none are set aside: all servers of a machine would take its first one.
    """
    import ray

    n = ray.cluster_resources().get("GPU", 0)
    if n and not config.gpus:
        raise RecipeError(
            "recipe key executor.gpus", expected=f"the GPUs of each worker's vLLM server, of {n:g} in the cluster", received="0",
            cure="set executor.gpus: 1, or as many as engine.server_args.tensor_parallel_size",
        )  # fmt: skip


class RayCrew:
    """Hires actors.

    Args:
        config: the recipe's ``executor``.
        assignment: of each.
    """

    def __init__(self, config: ExecutorConfig, assignment: Assignment) -> None:
        self.size = config.workers
        self.wants = f"{config.cpus:g} CPUs, {config.gpus:g} GPUs"
        self._config = config
        self._assignment = assignment
        self._numbers = itertools.count(1)
        self._run = uuid.uuid4().hex[:8]
        self._class: Any = None

    def hire(self) -> _RayHand:
        """See :class:`~flywheel.gen.Crew`."""
        import ray

        name = f"{self._run}-{next(self._numbers):04d}"
        if self._class is None:
            self._class = ray.remote(num_cpus=self._config.cpus, num_gpus=self._config.gpus, max_restarts=0)(_Actor)
        return _RayHand(name, self._class.remote(name), self._assignment)

    def nodes(self) -> Sequence[Node]:
        """See :class:`~flywheel.gen.Crew`."""
        import ray

        return [
            Node(f"{n['NodeManagerAddress']} {n['NodeID'][:8]}", n["Resources"].get("CPU", 0.0), n["Alive"])
            for n in ray.nodes()
        ]


def _name_node() -> str:
    """Return the machine of this process, as :meth:`RayCrew.nodes` names it."""
    import ray

    return f"{ray.util.get_node_ip_address()} {ray.get_runtime_context().get_node_id()[:8]}"


BEHIND = 4
"""Parts that are done or under way behind the first, as a multiple of the workers: a slow one holds the others up."""
PARTS = "curate-"
"""Begins the names of folders with sketches."""


class RayMapper:
    """Has the parts of curation done by tasks; of a set that is one part, by this process.

    Args:
        config: the recipe's ``executor``.
        shared: folder that every machine sees under this path; one process at a time has its sketches there.
        part_chars: characters of texts in a part.
    """

    def __init__(self, config: ExecutorConfig, shared: Path, *, part_chars: int = PART_CHARS) -> None:
        for left_behind in shared.glob(f"{PARTS}*"):  # by a command that was killed
            shutil.rmtree(left_behind, ignore_errors=True)
        self.part_chars = part_chars
        self._config = config
        self._shared = shared.resolve()
        self._depth = 0
        self._cluster: ExitStack | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """See :class:`~flywheel.judge.Mapper`."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth and self._cluster is not None:
                self._cluster.close()
                self._cluster = None

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """See :class:`~flywheel.judge.Mapper`."""
        self._shared.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=PARTS, dir=self._shared) as name:
            yield Path(name)

    def map(self, function: Callable[..., Any], parts: Iterable[Any], *shared: Any) -> Iterator[Any]:
        """See :class:`~flywheel.judge.Mapper`; as many parts are under way as there are workers."""
        given = iter(parts)
        first = list(itertools.islice(given, 2))
        if len(first) < 2:
            yield from HERE.map(function, first, *shared)
            return
        with self.held():
            yield from self._map(function, itertools.chain(first, given), shared)

    def _map(self, function: Callable[..., Any], parts: Iterator[Any], shared: Sequence[Any]) -> Iterator[Any]:
        if self._cluster is None:
            self._cluster = ExitStack()
            self._cluster.enter_context(connected(self._config))
        import ray

        kept = [ray.put(value) for value in shared]
        task = ray.remote(num_cpus=self._config.cpus)(_call)
        order: deque[Any] = deque()
        under_way: list[Any] = []
        for part in parts:
            if len(under_way) >= self._config.workers:
                _, under_way = ray.wait(under_way)
            under_way.append(task.remote(describe_program(), function, part, *kept))
            order.append(under_way[-1])
            while order and (order[0] not in under_way or len(order) >= BEHIND * self._config.workers):
                yield _fetch(order.popleft())
        while order:
            yield _fetch(order.popleft())


def _call(program: str, function: Callable[..., Any], part: Any, *shared: Any) -> Any:
    require_alike(_name_node(), describe_program(), program)
    return function(part, *shared)


def _fetch(reference: Any) -> Any:
    """Return what a task returned, or raise what it raised."""
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except RayError as error:
        raise StageError(
            "executor: ray: a part of curation", expected="its result", received=_sum_up(error),
            cure="give its tasks a machine with more memory, or fewer tasks at a time (executor.workers, executor.cpus); the same command begins the part anew",
        ) from None  # fmt: skip


@contextmanager
def connected(config: ExecutorConfig) -> Iterator[None]:
    """Have a cluster while the block runs: that of the recipe, or one on this machine.

    Raises:
        MissingExtraError: Ray is not installed.
        RecipeError: no cluster is at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = config.address or os.environ.get("RAY_ADDRESS")
    try:
        import ray
        from ray.exceptions import RayError
    except ImportError:
        raise MissingExtraError(
            "executor: ray", expected="the package ray", received="not installed",
            cure="pip install 'llm-flywheel[ray]', here and on each machine of the cluster",
        ) from None  # fmt: skip
    if ray.is_initialized():
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": False}
    try:
        if address is not None:
            _knock(address)
        if address is None:
            ray.init(
                address="local",
                num_cpus=max(1, math.ceil(config.workers * config.cpus)),
                object_store_memory=OBJECTS_BYTES,
                **quiet,
            )
        else:
            del quiet["include_dashboard"]
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError, RayError) as error:
        raise RecipeError(
            f"executor.address: {address}", expected="a Ray cluster", received=str(error).strip().splitlines()[0],
            cure="ray start --head on one machine, then ray start --address=HOST:6379 on the others; RAY_AUTH_MODE=token for a cluster that asks for a token; or leave address out",
        ) from None  # fmt: skip
    try:
        yield
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """See that somebody listens at ``host:port``: Ray itself would go on trying for minutes. With ``auto`` at the one that Ray left on record here.

    Raises:
        ConnectionError: nobody does.
    """
    record = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")
    if address == "auto" and record.exists():
        address = record.read_text().strip()
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host, int(port)), KNOCK_S).close()
        except OSError as error:
            raise ConnectionError(f"{error}: {address}") from None


def pickle_stages(stages: Sequence[Stage]) -> bytes:
    """Return steps as a worker gets them: a user's generator goes with its code."""
    from ray import cloudpickle

    own = {
        module
        for s in stages
        if (module := s.generator.run.__module__) in sys.modules and not module.startswith("flywheel")
    }
    for name in own:
        cloudpickle.register_pickle_by_value(sys.modules[name])
    pickled: bytes = cloudpickle.dumps(list(stages))
    return pickled
