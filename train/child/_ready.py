"""What a training imports, loaded before it is known what is trained."""

import importlib

from ..._loading import without_collection
from ..methods import find_method

READERS = ("AutoConfig", "AutoModelForCausalLM", "AutoModelForImageTextToText", "AutoProcessor", "AutoTokenizer")


def get_ready(method: str) -> None:
    """Import what a training by ``method`` will: torch, its trainer, and what reads models and rows."""
    with without_collection():
        _import_all(method)


def _import_all(method: str) -> None:
    config = find_method(method).config
    package = "trl" if config.endswith("Config") else "transformers"
    trainer = config.removesuffix("Config").removesuffix("ingArguments").removesuffix("Train") + "Trainer"
    transformers = importlib.import_module("transformers")
    for name in READERS:
        getattr(transformers, name)
    getattr(importlib.import_module(package), trainer)
    importlib.import_module("datasets")
    importlib.import_module(f"{__package__}._watch")
