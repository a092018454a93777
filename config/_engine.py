"""The recipe's key ``engine``: who answers."""

from typing import Any, Literal

from pydantic import Field, field_validator

from ._strict import Strict, fault
from ._url import find_url_fault
from ._vllm import ServerArgs, ServerEnv, shaping_args

NOT_IN_ANSWERS = (
    "concurrency", "timeout_s", "max_attempts", "base_url", "patience_s", "python", "env", "startup_s", "max_restarts",
    "eval_processes",
)  # fmt: skip
"""Keys of ``engine`` that say where and how fast to ask, not what comes back."""


NOT_EXTRA = {
    "messages": "a template writes them", "model": "set engine.model", "n": "set the step's draws", "stream": "leave it out: whole replies are read",
}  # fmt: skip
"""Keys of a request's body that ``extra_body`` may not set, and what does: rows would say what was not asked."""


class EngineConfig(Strict):
    """Which engine answers the prompts of ``generate``."""

    kind: Literal["local", "vllm", "openai"] = "local"
    """``local``: the current champion, in process. ``vllm``: the current champion, by a vLLM server that flywheel starts
    and stops. ``openai``: any OpenAI-compatible endpoint, taken from ``base_url`` or OPENAI_BASE_URL, with the key in
    OPENAI_API_KEY."""
    base_url: str | tuple[str, ...] | None = None
    """One address, or several that serve the same model: requests are balanced over them."""
    model: str | None = None
    """Model name at the endpoint; default: the first that it lists and that does not look like one for embeddings, speech or
    the like. Part of every request's id, as the address is not."""
    concurrency: int = Field(256, ge=1, le=4096)
    """Most requests in flight at once at each address (``openai``, ``vllm``). How many it gets is found out: fewer when it
    refuses (429) or queues."""
    patience_s: float = Field(600.0, ge=0)
    """How long an endpoint that does not answer, or refuses everything for load, is waited for; 0 = not at all (for load: a
    minute)."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """Keys added to each request's body (``openai``, ``vllm``), for example ``{reasoning_effort: low}``; null removes one that is
    sent otherwise."""
    send_seed: bool = False
    """Send a seed with each request (``openai``, ``vllm``). Off by default: servers promise little for it, and some fail on it
    (vLLM 0.32 on CPU ends with "CPU Generator does not use offset")."""
    batch_size: int = Field(256, ge=1)
    """Most sequences decoded together (``local``)."""
    eval_processes: int = Field(1, ge=1, le=64)
    """Processes that score a checkpoint between them (``local``), each on a GPU of its own; scores are those of one."""
    timeout_s: float = Field(600.0, gt=0)
    max_attempts: int = Field(6, ge=1)
    """Tries of one request before it becomes a drop; each fault class waits its own way between tries."""
    python: str | None = None
    """Interpreter that has vLLM (``vllm``): a path, from the recipe's folder, or a command; default:
    FLYWHEEL_VLLM_PYTHON, else the one that runs flywheel."""
    server_args: ServerArgs = Field(default_factory=dict)
    """vLLM's own flags (``vllm``), passed through: ``{gpu_memory_utilization: 0.85, tensor_parallel_size: 2}``. true and
    false are switches, null leaves a flag out, a mapping is given as JSON."""
    env: ServerEnv = Field(default_factory=dict)
    """Environment variables of the server (``vllm``), added to flywheel's own. No secrets: they are inherited."""
    startup_s: float = Field(600.0, gt=0)
    """How long the server may take to be ready (``vllm``)."""
    max_restarts: int = Field(1, ge=0)
    """How often a server that died in the middle of a step is started again (``vllm``); 0 = not at all."""

    @field_validator("base_url")
    @classmethod
    def _check_addresses(cls, given: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for url in (given,) if isinstance(given, str) else given or ():
            if found := find_url_fault(url):
                raise fault(*found)
        return given

    @field_validator("extra_body")
    @classmethod
    def _check_body(cls, given: dict[str, Any]) -> dict[str, Any]:
        for key in sorted(set(given) & set(NOT_EXTRA)):
            raise fault(
                f"other keys than {', '.join(NOT_EXTRA)}, which a request's row says",
                f"{key}: {given[key]!r}",
                NOT_EXTRA[key],
            )
        return given

    def identity(self) -> dict[str, Any]:
        """Return what shapes the answers: not where and how fast to ask."""
        content = self.model_dump(mode="json", exclude=set(NOT_IN_ANSWERS))
        if shaping := shaping_args(content.pop("server_args")):
            content["server_args"] = shaping
        return content
