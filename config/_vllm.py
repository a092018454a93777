"""What a recipe may say of a managed vLLM server: which flags are flywheel's own, and which ones shape answers."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

OURS = (
    "host", "port", "uds", "root_path", "headless", "config", "model", "model_tag", "served_model_name",
    "ssl_keyfile", "ssl_certfile", "ssl_ca_certs", "ssl_cert_reqs",
)  # fmt: skip
"""Flags that flywheel sets, or that would keep it from reaching the server."""
SECRETS = ("api_key", "hf_token")

SPEED_ONLY = frozenset((
    "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "enable_expert_parallel",
    "distributed_executor_backend", "gpu_memory_utilization", "kv_cache_memory_bytes", "num_gpu_blocks_override",
    "block_size", "swap_space", "cpu_offload_gb", "enforce_eager", "max_num_seqs", "max_num_batched_tokens",
    "enable_prefix_caching", "enable_chunked_prefill", "async_scheduling", "compilation_config", "api_server_count",
    "max_parallel_loading_workers", "load_format", "download_dir", "trust_remote_code", "disable_log_stats",
    "disable_log_requests", "enable_log_requests", "uvicorn_log_level", "disable_uvicorn_access_log",
))  # fmt: skip
"""Flags that say where the weights lie and how fast they run. All others are taken to shape the answers."""

_FLAG = re.compile(r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$")
_SECRET_NAME = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD)S?$", re.IGNORECASE)


def shaping_args(server_args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags that shape answers: they are part of what a run and a request are."""
    named = {name.replace("-", "_"): value for name, value in server_args.items()}
    return {name: value for name, value in named.items() if name not in SPEED_ONLY}


def _check_flag(given: str) -> str:
    name = given.replace("-", "_")
    if not _FLAG.match(given):
        raise ValueError("a flag of vLLM's by its name, without dashes before it")
    if any(flag.startswith(name) for flag in SECRETS):
        raise ValueError("no secret in a recipe: flywheel makes the server's key, HF_TOKEN is inherited by the server")
    if any(flag.startswith(name) for flag in OURS):
        raise ValueError("a flag that flywheel does not set itself")
    return given


def _check_variable(name: str) -> str:
    if _SECRET_NAME.search(name):
        raise ValueError("no secret in a recipe: export the variable, the server inherits it")
    return name


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


ServerArgs = dict[Annotated[str, AfterValidator(_check_flag)], Any]
ServerEnv = dict[
    Annotated[str, AfterValidator(_check_variable)],
    Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str | float)],
]
