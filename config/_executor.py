"""The recipe's key ``executor``: where prompts are asked from."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from ._strict import Strict, fault


class ExecutorConfig(Strict):
    """Where asking and curation are done: in this process, or by workers on a Ray cluster. Rows are the same."""

    kind: Literal["local", "ray"] = "local"
    """``ray``: on the machines of a Ray cluster (extra ``ray``), by workers, each with the driver that asks here; they ask the endpoints of ``engine: openai``,
    or run a server each for ``engine: vllm``. Curation by tasks."""
    address: str | None = None
    """Of the cluster: ``auto`` or ``host:port``; default: RAY_ADDRESS, else one that is started on this machine."""
    workers: int = Field(2, ge=1, le=4096)
    """How many, of tasks at a time; the ``engine.concurrency`` of endpoints is shared among them, that of servers is for each; budgets are one for all."""
    cpus: float = Field(1.0, gt=0)
    """CPUs that Ray sets aside for each."""
    gpus: float = Field(0.0, ge=0)
    """GPUs that Ray sets aside for each: with ``engine: vllm`` those that its server gets, as many as ``tensor_parallel_size``."""
    journals: str | None = None
    """Where workers put what they were answered, for machines that share no folder: an address of fsspec (``s3://bucket/folder``); default: the
    project's folder, which every machine then has to see."""

    @field_validator("address")
    @classmethod
    def _is_no_clients(cls, address: str | None) -> str | None:
        if address is not None and address.startswith("ray://"):
            raise fault(
                "auto or host:port", repr(address),
                "give the command on a machine of the cluster, with address: auto: workers end with a command only there",
            )  # fmt: skip
        return address

    @field_validator("journals")
    @classmethod
    def _has_a_protocol(cls, journals: str | None) -> str | None:
        if journals is not None and not all(journals.partition("://")):
            raise fault(
                "an address with its protocol: s3://bucket/folder", repr(journals),
                "leave it out for the project's folder, where each machine sees that",
            )  # fmt: skip
        protocol, _, path = (journals or "").partition("://")
        if protocol in ("file", "local") and not path.startswith("/"):
            raise fault(
                "an address that is the same on each machine: file:///mnt/shared/journals", repr(journals),
                "give the folder whole, from / on",
            )  # fmt: skip
        return journals

    @model_validator(mode="after")
    def _is_used(self) -> Self:
        for key in ("address", "journals"):
            if self.kind == "local" and getattr(self, key) is not None:
                raise fault(
                    f"kind: ray beside {key}", "kind: local, which asks from this process",
                    f"set kind: ray, or leave {key} out",
                )  # fmt: skip
        return self
