"""Values under a recipe's ``train:``, checked against the annotations in the trainers' source before anything costs time.

What this cannot know (two values that exclude each other, a bound that only the optimizer has) the training process
refuses itself, as the user's mistake.
"""

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import RecipeError
from ..stage import compared_values, enum_values, package_folder

_SIMPLE = {
    "float": ((int, float), "a number"),
    "int": ((int,), "a whole number"),
    "bool": ((bool,), "true or false"),
    "str": ((str,), "text"),
    "dict": ((dict,), "a mapping"),
    "list": ((list,), "a list"),
    "None": ((type(None),), "null"),
}

_ABOVE_ZERO = (
    "num_train_epochs", "per_device_train_batch_size", "gradient_accumulation_steps", "max_length", "logging_steps", "r",
    "lora_alpha", "max_completion_length", "num_generations",
)  # fmt: skip
_NOT_BELOW_ZERO = (
    "learning_rate", "weight_decay", "warmup_steps", "adam_epsilon", "max_grad_norm", "beta", "label_smoothing",
    "label_smoothing_factor",
)  # fmt: skip
_BELOW_ONE = ("adam_beta1", "adam_beta2", "lora_dropout")


def check_values(
    place: str, given: dict[str, Any], annotations: Mapping[str, str], trainer_files: Sequence[Path] = ()
) -> None:
    """Refuse the first value that its key cannot take.

    Args:
        place: of the keys: ``train.sft``.
        given: key to value.
        annotations: key to annotation.
        trainer_files: source that compares ``loss_type`` with what is allowed.

    Raises:
        RecipeError: the key, what it takes, and what was given.
    """
    for key, value in given.items():
        _check_type(place, key, value, annotations[key])
        _check_range(place, key, value)
        _check_choice(place, key, value, _choices(key, annotations[key], trainer_files))
    weights, losses = given.get("loss_weights"), given.get("loss_type", ["sigmoid"])
    n_losses = len(losses) if isinstance(losses, list) else 1
    if isinstance(weights, list) and len(weights) != n_losses:
        raise _refused(place, "loss_weights", f"{n_losses} weights, one for each loss_type", str(weights))


def _check_type(place: str, key: str, value: Any, annotation: str) -> None:
    kinds = [re.split(r"\[", part.strip())[0] for part in _split_union(annotation)]
    known = [_SIMPLE[k] for k in kinds if k in _SIMPLE]
    if len(known) < len(kinds) and not any(k.endswith(("Type", "Names", "Strategy")) for k in kinds):
        return
    if key == "loss_type" and isinstance(value, str):
        return  # TRL takes one loss for a list of one
    if not any(_is_a(value, types) for types, _ in known):
        raise _refused(place, key, " or ".join(words for _, words in known), repr(value))
    if isinstance(value, list) and "list[float]" in annotation and not all(_is_a(v, (int, float)) for v in value):
        raise _refused(place, key, "a list of numbers", repr(value))


def _split_union(annotation: str) -> list[str]:
    return [part for part in re.split(r"\|(?![^\[]*\])", annotation) if part.strip()]


def _is_a(value: Any, types: tuple[type, ...]) -> bool:
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _check_range(place: str, key: str, value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    if key in _ABOVE_ZERO and value <= 0:
        raise _refused(place, key, "a number above 0", repr(value))
    if key in _NOT_BELOW_ZERO and value < 0:
        raise _refused(place, key, "0 or more", repr(value))
    if key in _BELOW_ONE and not 0 <= value < 1:
        raise _refused(place, key, "a number from 0 to below 1", repr(value))


def _check_choice(place: str, key: str, value: Any, choices: Sequence[str]) -> None:
    for one in value if isinstance(value, list) else [value]:
        if choices and isinstance(one, str) and one not in choices:
            near = [c for c in choices if c.startswith(one)] or difflib.get_close_matches(one, choices, n=1)
            cure = f"did you mean {near[0]!r}?" if near else ""
            raise _refused(place, key, f"one of {', '.join(choices)}", repr(one), cure)


def _choices(key: str, annotation: str, trainer_files: Sequence[Path]) -> Sequence[str]:
    """Return the texts that a key takes; none when the source does not say."""
    if key == "loss_type":
        return [c for file in trainer_files for c in compared_values(file, key)]
    enum = re.match(r"(\w+) \| str$", annotation)
    if enum is None:
        return ()
    return next((found for file in _transformers_files() if (found := enum_values(file, enum[1]))), ())


def _transformers_files() -> list[Path]:
    folder = package_folder("transformers", "training", "train")
    return [folder / "training_args.py", folder / "trainer_utils.py"]


def _refused(place: str, key: str, expected: str, received: str, cure: str = "") -> RecipeError:
    return RecipeError(
        f"recipe key {place}.{key}",
        expected=expected,
        received=received,
        cure=cure or f"set {place}.{key} to {expected}",
    )
