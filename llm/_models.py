"""Names to weights: ``seed``, a folder, a checkpoint of the project, or a hub id."""

import contextlib
import functools
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from .._loading import without_collection
from ..errors import NotFoundError
from ..schema import hash_files

SEED_MODEL = "seed"


@dataclass(frozen=True)
class ResolvedModel:
    """A model that can be loaded.

    Attributes:
        name: as the user or the store calls it.
        path: folder, or hub id when it is not on disk.
        revision: hash of the weight, tokenizer and configuration files; the hub id when they are not on disk.
        checkpoint_id: set for checkpoints of the project.
    """

    name: str
    path: str
    revision: str
    checkpoint_id: str | None = None


def seed_model_path() -> Path:
    """Return the folder of the embedded seed model."""
    return Path(str(resources.files("flywheel.seed") / "model"))


def resolve_model(name: str, base: Path | None = None) -> ResolvedModel:
    """Find the model called ``name``.

    Args:
        name: ``seed``, a folder (relative to ``base``), or a hub id ``owner/name``.

    Raises:
        NotFoundError: neither of these.
    """
    folder = seed_model_path() if name == SEED_MODEL else (base or Path()) / Path(name).expanduser()
    if (folder / "config.json").is_file():
        return ResolvedModel(name, str(folder), hash_model(folder))
    local = _hub_snapshot(name)
    if local is not None:
        return ResolvedModel(name, str(local), hash_model(local))
    raise NotFoundError(
        f"model {name!r}",
        expected="'seed', a folder with config.json and weights, or a hub id owner/name",
        received=f"no folder {folder} and nothing that the hub gives under that name",
        cure="check the name; without a network, download the model first and name its folder",
    )


def _hub_snapshot(name: str) -> Path | None:
    """Return the folder of a hub model, downloading it if the hub can be reached; None when it cannot be had."""
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        logging.getLogger(__name__).info("hub model %s: %s", name, error)
        return None


@functools.cache
def hash_model(folder: Path) -> str:
    """Return a digest of everything in ``folder`` that shapes the model's answers."""
    kept = [p for p in folder.iterdir() if p.suffix in (".json", ".safetensors", ".model", ".jinja", ".txt", ".bin")]
    return hash_files([p for p in kept if p.is_file()])


def load_model(path: str) -> tuple[Any, Any, frozenset[int]]:
    """Load (model, tokenizer, ids that end a turn) for decoding, in the weights' own precision, as lm-eval and vLLM do.

    Raises:
        NotFoundError: transformers cannot load it.
    """
    with without_collection():
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        with quiet_loading():
            tokenizer = AutoTokenizer.from_pretrained(path)
            _require_causal(path)
            auto = (
                AutoModelForImageTextToText if sees_images(AutoConfig.from_pretrained(path)) else AutoModelForCausalLM
            )
            model = auto.from_pretrained(path, dtype="auto").to(device)
    except (OSError, ValueError) as error:
        raise NotFoundError(
            f"model {path}",
            expected="a causal language model that transformers loads",
            received=str(error).split("\n")[0],
            cure="check that the folder holds config.json, the weights and the tokenizer",
        ) from error
    model.eval()
    return model, tokenizer, _end_ids(model, tokenizer)


def sees_images(config: Any) -> bool:
    """Say whether a model of this configuration reads images beside text."""
    from transformers import AutoModelForImageTextToText

    return type(config) in AutoModelForImageTextToText._model_mapping


NO_CAUSAL = (
    "ForMaskedLM",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForPreTraining",
)
"""Ends of the names of architectures that do not write text from left to right, though transformers may load them as if."""


def _require_causal(path: str) -> None:
    """Refuse a model that says of itself that it is of another kind.

    Raises:
        ValueError: it does.
    """
    from transformers import AutoConfig

    names = AutoConfig.from_pretrained(path).architectures or []
    if names and all(name.endswith(NO_CAUSAL) for name in names):
        raise ValueError(
            f"{', '.join(names)}, which does not write text; train.classify and train.heldout measure such models"
        )


def _end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    configured = model.generation_config.eos_token_id
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in (*ids, tokenizer.eos_token_id) if i is not None)


@contextlib.contextmanager
def quiet_loading() -> Iterator[None]:
    """Keep transformers' own progress bars off the terminal while the block runs."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    level = hf_logging.get_verbosity()
    hf_logging.set_verbosity_error()
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
