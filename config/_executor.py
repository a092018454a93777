"""The recipe's key ``executor``: where prompts are asked from."""

from typing import Literal

from pydantic import Field

from ._strict import Strict


class ExecutorConfig(Strict):
    """Where asking and curation are done: in this process, or by workers on a Ray cluster. Rows are the same."""

    kind: Literal["local", "ray"] = "local"
    """``ray``: on the machines of a Ray cluster (extra ``ray``), by workers, each with the driver that asks here; they ask the endpoints of ``engine: openai``,
    or run a server each for ``engine: vllm``. Curation by tasks."""
    address: str | None = None
    """Of the cluster: ``auto``, ``host:port`` or ``ray://host:port``; default: RAY_ADDRESS, else one that is started on this machine."""
    workers: int = Field(2, ge=1, le=4096)
    """How many, of tasks at a time; the ``engine.concurrency`` of endpoints is shared among them, that of servers is for each; budgets are one for all."""
    cpus: float = Field(1.0, gt=0)
    """CPUs that Ray sets aside for each."""
    gpus: float = Field(0.0, ge=0)
    """GPUs that Ray sets aside for each: with ``engine: vllm`` those that its server gets, as many as ``tensor_parallel_size``."""
