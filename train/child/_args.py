"""The arguments of a trainer: what the recipe says, over what differs from the trainers' defaults."""

import os
from pathlib import Path
from typing import Any

from ..methods import Method
from ._load import TRL_LENGTH, Reader
from ._memory import DEFAULT_BATCH

WITH_REFERENCE = ("dpo", "kto")
EPOCHS = 3
"""transformers' own ``num_train_epochs``."""


def complete_args(
    job: dict[str, Any], args: dict[str, Any], method: Method, output: Path, reader: Reader
) -> dict[str, Any]:
    """Return all arguments of the method's config class."""
    more: dict[str, Any] = (
        {} if method.own or reader.default_length == TRL_LENGTH else {"max_length": reader.default_length}
    )
    if job["curriculum_by"] is not None and not job["curriculum"]:
        more["train_sampling_strategy"] = "sequential"  # rows that are shuffled have no order
    made = {**more, **_defaults(output, job["seed"]), **_saving(job["save_every_s"]), **args}
    if method.name in WITH_REFERENCE and not job["streaming"] and _pays_to_precompute(made, reader.sees):
        made["precompute_ref_log_probs"] = True
    known = method.annotations()
    return {key: value for key, value in made.items() if key in known}


def _defaults(output: Path, seed: int) -> dict[str, Any]:
    """Return what is reproducible, without half precision where there is no GPU, and without files on the side."""
    import torch

    on_gpu = torch.cuda.is_available()
    more = {"use_cpu": True} if world_size() > 1 and not on_gpu else {}  # or accelerate would see one process
    return {
        **more,
        "output_dir": str(output), "seed": seed, "data_seed": seed, "report_to": "none", "disable_tqdm": True,
        "bf16": on_gpu, "gradient_checkpointing": on_gpu, "dataloader_pin_memory": on_gpu,
        "logging_steps": 5, "logging_first_step": True, "logging_nan_inf_filter": False,
    }  # fmt: skip


def _saving(every_s: float) -> dict[str, Any]:
    """Return how states are saved: by the clock in one process (see ``_watch``), by steps where several have to agree."""
    if every_s and world_size() > 1:
        return {"save_strategy": "steps", "save_total_limit": 2}
    return {"save_strategy": "no", "save_total_limit": 2}


def _pays_to_precompute(args: dict[str, Any], sees: bool) -> bool:
    """Say whether the reference would otherwise be asked about a row more than once: with several epochs."""
    chosen = "precompute_ref_log_probs" in args or args.get("sync_ref_model")
    return not chosen and not sees and args.get("num_train_epochs", EPOCHS) > 1 and "max_steps" not in args


def world_size() -> int:
    """Return how many processes train."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Say whether this process is the one that tells and writes."""
    return os.environ.get("RANK", "0") == "0"


def rows_a_step(args: dict[str, Any]) -> int:
    """Return how many rows all processes together learn from in one step."""
    import torch

    parallel = max(1, torch.cuda.device_count()) if world_size() == 1 and not args.get("use_cpu") else 1  # DataParallel
    batch, steps = args.get("per_device_train_batch_size", DEFAULT_BATCH), args.get("gradient_accumulation_steps", 1)
    return int(batch * steps * world_size() * parallel)
