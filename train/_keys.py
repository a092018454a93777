"""The keys that a recipe's ``train:`` may hold: the fields of the installed TRL's, PEFT's and transformers' config classes.

They are read from the source, not by import: a recipe is checked before anything is generated, without loading torch.
"""

import difflib
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..config import TrainConfig
from ..errors import MissingExtraError, NotFoundError, RecipeError
from ..stage import class_fields, init_arguments, mapping_keys, package_folder
from ._values import check_values
from .methods import METHODS, find_method

RESERVED = ("output_dir", "seed", "data_seed", "disable_tqdm", "overwrite_output_dir", "resume_from_checkpoint")
"""Keys that flywheel sets itself."""

STREAMED = ("sft", "dpo", "reward")
"""Methods whose trainers read rows as a stream."""
_NEED_ALL_ROWS = ("packing", "precompute_ref_log_probs")
"""Keys by which a trainer needs all rows before the first step."""

_PEFT_RESERVED = (
    "task_type", "peft_type", "peft_version", "auto_mapping", "base_model_name_or_path", "revision", "inference_mode",
)  # fmt: skip

_TRACKERS = {"azure_ml": ("azureml",), "tensorboard": ("tensorboard", "tensorboardX")}
"""Packages of trackers, any one of which will do, where it is not the tracker's own name."""

_USUAL_NAMES = {
    "lr": ("learning_rate",),
    "batch": ("per_device_train_batch_size",),
    "batch_size": ("per_device_train_batch_size",),
    "train_batch_size": ("per_device_train_batch_size",),
    "micro_batch_size": ("per_device_train_batch_size",),
    "bs": ("per_device_train_batch_size",),
    "eval_batch_size": ("per_device_eval_batch_size",),
    "grad_accum": ("gradient_accumulation_steps",),
    "grad_accum_steps": ("gradient_accumulation_steps",),
    "accumulation_steps": ("gradient_accumulation_steps",),
    "gas": ("gradient_accumulation_steps",),
    "epoch": ("num_train_epochs",),
    "epochs": ("num_train_epochs",),
    "n_epochs": ("num_train_epochs",),
    "num_epochs": ("num_train_epochs",),
    "steps": ("max_steps",),
    "wd": ("weight_decay",),
    "warmup": ("warmup_steps",),
    "warmup_ratio": ("warmup_steps",),
    "scheduler": ("lr_scheduler_type",),
    "lr_scheduler": ("lr_scheduler_type",),
    "optimizer": ("optim",),
    "clip": ("max_grad_norm",),
    "grad_clip": ("max_grad_norm",),
    "gradient_clipping": ("max_grad_norm",),
    "max_seq_length": ("max_length",),
    "max_seq_len": ("max_length",),
    "seq_len": ("max_length",),
    "sequence_len": ("max_length",),
    "cutoff_len": ("max_length",),
    "max_tokens": ("max_completion_length", "max_length"),
    "max_new_tokens": ("max_completion_length",),
    "max_target_length": ("max_completion_length",),
    "group_size": ("num_generations",),
    "n_generations": ("num_generations",),
    "num_samples": ("num_generations",),
    "rollouts": ("num_generations",),
    "kl": ("beta",),
    "kl_beta": ("beta",),
    "kl_coef": ("beta",),
    "kl_coeff": ("beta",),
    "kl_loss_coef": ("beta",),
    "loss": ("loss_type",),
    "sample_packing": ("packing",),
    "logging": ("logging_steps",),
    "dtype": ("model_init_kwargs",),
    "torch_dtype": ("model_init_kwargs",),
    "rank": ("r",),
    "lora_r": ("r",),
    "lora_rank": ("r",),
    "alpha": ("lora_alpha",),
    "dropout": ("lora_dropout",),
    "modules": ("target_modules",),
    "lora_target": ("target_modules",),
}
"""What other tools and papers call the keys; of several names the first that the method has."""

Fields = Mapping[str, str]
"""Name to annotation."""


def valid_keys(method: str) -> list[str]:
    """Return the keys that a recipe may set for ``method``."""
    return sorted(set(find_method(method).annotations()) - set(RESERVED))


def adapter_keys() -> dict[str, list[str]]:
    """Return the keys that a recipe may set under ``peft`` and ``quantization``."""
    return {
        "peft": sorted(set(_peft_fields({})) - set(_PEFT_RESERVED)),
        "quantization": sorted(_quantization_fields({})),
    }


def check_keys(method: str, given: dict[str, Any], place: str | None = None) -> None:
    """Refuse the first key of ``given`` that the method's trainer does not know, or the first value that it cannot take.

    Raises:
        RecipeError: with the nearest valid key, or the values that are allowed.
    """
    found = find_method(method)
    owner = "TRL's" if found.sources[-1][0] == "trl" else "transformers'"
    _check(
        place or f"train.{method}",
        given,
        found.annotations(),
        RESERVED,
        f"{owner} {found.config}",
        found.source_files(),
    )


def check_train(train: TrainConfig, base: Path, method: str = "sft") -> None:
    """Refuse what a recipe's ``train:`` cannot mean, before anything costs time.

    Args:
        train: the recipe's.
        base: folder that its paths start from.
        method: the one that will be trained first: ``curriculum`` holds its keys.

    Raises:
        UserError: says which key, and what to write instead.
    """
    for name in METHODS:
        check_keys(name, getattr(train, name) or {})
        _check_trackers(name, train)
    for i, stage in enumerate(train.curriculum):
        check_keys(method, stage.args, f"train.curriculum.{i}.args")
    _check("train.peft", train.peft or {}, _peft_fields(train.peft), _PEFT_RESERVED, "PEFT's LoraConfig")
    _check(
        "train.quantization",
        train.quantization or {},
        _quantization_fields(train.quantization),
        (),
        "transformers' BitsAndBytesConfig",
    )
    _check_quantization(train)
    if train.streaming:
        _check_streaming(train)
    if train.accelerate is not None and not (base / Path(train.accelerate).expanduser()).is_file():
        raise NotFoundError(
            "recipe key train.accelerate", expected="an accelerate config file", received=f"no file {base / train.accelerate}",
            cure="make one with: accelerate config --config_file accelerate.yaml",
        )  # fmt: skip


def _check_streaming(train: TrainConfig) -> None:
    """Refuse what cannot be done without having all rows."""
    wrong: list[tuple[str, Any]] = [
        (f"train.{m}.{key}", True) for m in STREAMED for key in _NEED_ALL_ROWS if (getattr(train, m) or {}).get(key)
    ]
    for method in STREAMED:
        how = (getattr(train, method) or {}).get("train_sampling_strategy", "random")
        wrong += [] if how in ("random", "sequential") else [(f"train.{method}.train_sampling_strategy", how)]
    wrong += [("train.curriculum", "stages")] if train.curriculum else []
    wrong += [("train.curriculum_by", train.curriculum_by)] if train.curriculum_by else []
    wrong += [("train.accept", "overlong")] if "overlong" in train.accept else []
    for key, value in wrong[:1]:
        raise RecipeError(
            f"recipe key {key}", expected="nothing that needs all rows at once beside train.streaming: true", received=str(value).lower(),
            cure=f"remove {key}, or train.streaming: rows are then read into memory",
        )  # fmt: skip


def _check_trackers(method: str, train: TrainConfig) -> None:
    """Refuse a tracker that transformers does not know, or that is not installed: it would say so after the model was loaded."""
    named = (getattr(train, method) or {}).get("report_to") or []
    for tracker in [named] if isinstance(named, str) else named:
        if tracker in ("none", "all"):
            continue
        _check_tracker(f"recipe key train.{method}.report_to", tracker)
        packages = _TRACKERS.get(tracker, (tracker,))
        if train.python is not None or any(importlib.util.find_spec(package) is not None for package in packages):
            continue
        raise MissingExtraError(
            f"recipe key train.{method}.report_to", expected=f"the package {' or '.join(packages)}", received="it is not installed",
            cure=f"pip install {packages[0]}, or remove {tracker!r}: every line is in the table train_log anyway",
        )  # fmt: skip


def _check_tracker(place: str, tracker: Any) -> None:
    file = package_folder("transformers", "training", "train") / "integrations" / "integration_utils.py"
    known = mapping_keys(file, "INTEGRATION_TO_CALLBACK")
    if known and tracker not in known:
        near = difflib.get_close_matches(str(tracker), known, n=1)
        raise RecipeError(
            place, expected=f"one of none, all, {', '.join(known)}", received=repr(tracker),
            cure=f"did you mean {near[0]!r}?" if near else "name one of these: every line is in the table train_log anyway",
        )  # fmt: skip


def _peft_fields(given: dict[str, Any] | None) -> Fields:
    if given is None:
        return {}
    peft = package_folder("peft", "adapters", "train")
    return class_fields(peft / "config.py", "PeftConfig") | class_fields(
        peft / "tuners" / "lora" / "config.py", "LoraConfig"
    )


def _quantization_fields(given: dict[str, Any] | None) -> Fields:
    if given is None:
        return {}
    file = package_folder("transformers", "training", "train") / "utils" / "quantization_config.py"
    return init_arguments(file, "BitsAndBytesConfig")


def _check_quantization(train: TrainConfig) -> None:
    """Refuse quantization that cannot train, or that no package here does; whether there is a GPU the training process says."""
    if train.quantization is None:
        return
    if train.peft is None:
        raise RecipeError(
            "recipe key train.quantization", expected="train.peft beside it: quantized weights cannot be trained themselves",
            received="no train.peft", cure="add train.peft: {r: 16, lora_alpha: 32, target_modules: all-linear}",
        )  # fmt: skip
    if train.python is None and importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError(
            "recipe key train.quantization", expected="the package bitsandbytes", received="it is not installed",
            cure="pip install bitsandbytes, or name an interpreter that has it (train.python), or remove train.quantization",
        )  # fmt: skip


def _check(
    place: str, given: dict[str, Any], fields: Fields, reserved: Sequence[str], owner: str, files: Sequence[Path] = ()
) -> None:
    valid = sorted(set(fields) - set(reserved))
    for key in given:
        if key not in valid:
            raise RecipeError(
                f"recipe key {place}.{key}",
                expected=f"a field of {owner}",
                received=f"unknown key {key!r}",
                cure=_cure(key, valid, reserved),
            )
    check_values(place, given, fields, files)


def _cure(key: str, valid: list[str], reserved: Sequence[str]) -> str:
    if key in reserved:
        return "remove it: flywheel sets it, from the recipe's seed and the project folder"
    meant = _USUAL_NAMES.get(key.lower().replace("-", "_"), ())
    usual = [name for name in meant if name in valid]
    for name in () if usual else (key, *meant):
        if owners := _owners(name):
            what = "a key" if name == key else repr(name)
            return f"it is {what} of {', '.join(owners)}: move it there, or remove it"
    ends = [name for name in valid if name.endswith(f"_{key}")]
    near = usual or (ends[:1] if len(ends) == 1 else difflib.get_close_matches(key, valid, n=1, cutoff=0.6))
    return f"did you mean {near[0]!r}?" if near else "remove the key"


def _owners(key: str) -> list[str]:
    """Return under which names of ``train:`` a key could stand."""
    owners = [f"train.{name}" for name in METHODS if key in valid_keys(name)]
    return owners + (["train.peft"] if key in set(_peft_fields({})) - set(_PEFT_RESERVED) else [])
