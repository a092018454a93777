"""The keys that a recipe's ``train:`` may hold: the fields of the installed TRL's config classes.

They are read from the source, not by import: a recipe is checked before anything is generated, without loading torch.
"""

import ast
import difflib
import functools
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import MissingExtraError, RecipeError

CONFIG_FILES = {
    "sft": ("trl.trainer.sft_config:SFTConfig",),
    "dpo": ("trl.trainer.dpo_config:DPOConfig",),
}
SHARED_FILES = ("trl.trainer.base_config:_BaseConfig", "transformers.training_args:TrainingArguments")

RESERVED = ("output_dir", "seed", "data_seed", "report_to", "save_strategy", "disable_tqdm", "overwrite_output_dir")
"""Keys that flywheel sets itself."""


def valid_keys(method: str) -> list[str]:
    """Return the keys that a recipe may set for ``method`` (``sft`` or ``dpo``)."""
    keys = {key for spec in (*CONFIG_FILES[method], *SHARED_FILES) for key in _fields(*spec.split(":"))}
    return sorted(keys - set(RESERVED))


def check_keys(method: str, given: Iterable[str]) -> None:
    """Refuse the first key of ``given`` that TRL does not know.

    Raises:
        RecipeError: with the nearest valid key.
    """
    valid = valid_keys(method)
    for key in given:
        if key in valid:
            continue
        if key in RESERVED:
            cure = "remove it: flywheel sets it, from the recipe's seed and the project folder"
        else:
            near = difflib.get_close_matches(key, valid, n=1, cutoff=0.4)
            cure = f"did you mean {near[0]!r}?" if near else "remove the key"
        raise RecipeError(
            f"recipe key train.{method}.{key}",
            expected=f"a field of TRL's {CONFIG_FILES[method][0].split(':')[1]}",
            received=f"unknown key {key!r}",
            cure=cure,
        )


@functools.cache
def _fields(module: str, class_name: str) -> tuple[str, ...]:
    tree = ast.parse(_source_of(module))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            return tuple(
                item.target.id
                for item in node.body
                if isinstance(item, ast.AnnAssign)
                and isinstance(item.target, ast.Name)
                and not item.target.id.startswith("_")
            )
    raise LookupError(f"{module} has no class {class_name}")


def _source_of(module: str) -> str:
    top, *rest = module.split(".")
    found: Any = importlib.util.find_spec(top)
    if found is None:
        raise MissingExtraError(
            "training",
            expected=f"the package {top}",
            received="it is not installed",
            cure="pip install 'llm-flywheel[train]'",
        )
    folder = Path(found.submodule_search_locations[0])
    return folder.joinpath(*rest).with_suffix(".py").read_text(encoding="utf-8")
