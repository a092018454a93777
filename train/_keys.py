"""The keys that a recipe's ``train:`` may hold: the fields of the installed TRL's config classes.

They are read from the source, not by import: a recipe is checked before anything is generated, without loading torch.
"""

import difflib
from typing import Any

from ..errors import RecipeError
from ..stage import class_fields, package_folder
from ._values import check_values

CONFIG_CLASSES = {"sft": "SFTConfig", "dpo": "DPOConfig"}

RESERVED = ("output_dir", "seed", "data_seed", "report_to", "save_strategy", "disable_tqdm", "overwrite_output_dir")
"""Keys that flywheel sets itself."""


def valid_keys(method: str) -> list[str]:
    """Return the keys that a recipe may set for ``method`` (``sft`` or ``dpo``)."""
    return sorted(set(annotations(method)) - set(RESERVED))


def annotations(method: str) -> dict[str, str]:
    """Return every field of TRL's config for ``method`` with its annotation; TRL's own override transformers'."""
    trainer = package_folder("trl", "training", "train") / "trainer"
    transformers = package_folder("transformers", "training", "train")
    return {
        **class_fields(transformers / "training_args.py", "TrainingArguments"),
        **class_fields(trainer / "base_config.py", "_BaseConfig"),
        **class_fields(trainer / f"{method}_config.py", CONFIG_CLASSES[method]),
    }


def check_keys(method: str, given: dict[str, Any]) -> None:
    """Refuse the first key of ``given`` that TRL does not know, or the first value that it cannot take.

    Raises:
        RecipeError: with the nearest valid key, or the values that are allowed.
    """
    valid = valid_keys(method)
    for key in given:
        if key not in valid:
            raise RecipeError(
                f"recipe key train.{method}.{key}",
                expected=f"a field of TRL's {CONFIG_CLASSES[method]}",
                received=f"unknown key {key!r}",
                cure=_cure(key, valid),
            )
    check_values(method, given, annotations(method))


def _cure(key: str, valid: list[str]) -> str:
    if key in RESERVED:
        return "remove it: flywheel sets it, from the recipe's seed and the project folder"
    near = difflib.get_close_matches(key, valid, n=1, cutoff=0.4)
    return f"did you mean {near[0]!r}?" if near else "remove the key"
