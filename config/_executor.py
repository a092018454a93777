"""The recipe's key ``executor``: where prompts are asked from."""

from typing import Literal

from pydantic import Field

from ._strict import Strict


class ExecutorConfig(Strict):
    """Where asking and curation are done: in this process, or by workers on a Ray cluster. Rows are the same."""

    kind: Literal["local", "ray"] = "local"
    """``ray``: on the machines of a Ray cluster (extra ``ray``), by workers, each with the driver that asks here, for ``engine: openai``;
    curation by tasks."""
    address: str | None = None
    """Of the cluster: ``auto``, ``host:port`` or ``ray://host:port``; default: RAY_ADDRESS, else one that is started on this machine."""
    workers: int = Field(2, ge=1, le=4096)
    """How many, of tasks at a time; ``engine.concurrency`` is shared among them, budgets are one for all."""
    cpus: float = Field(1.0, gt=0)
    """CPUs that Ray sets aside for each."""
