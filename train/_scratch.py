"""Models from scratch: weights drawn by a seed for a folder that holds a ``config.json`` and no weights. Also the process that
draws them: ``python -m flywheel.train._scratch FOLDER PARENT``.

The tokenizer is the folder's own, or where it has none the seed model's, which reads and writes any text byte by byte. A vision-language
model has a processor, which the folder has to hold (``processor_config.json`` and a tokenizer that knows the mark of an image).
"""

import os
import shutil
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from ..errors import RecipeError
from ..llm import seed_model_path, sees_images
from ..stage import Emit, child_main, clear_stage, run_stage

CHILD = "flywheel.train._scratch"
WEIGHTS = ("*.safetensors", "*.bin", "*.safetensors.index.json")


def is_bare(folder: Path) -> bool:
    """Say whether a folder describes a model without holding one."""
    return (folder / "config.json").is_file() and not any(any(folder.glob(pattern)) for pattern in WEIGHTS)


def draw_model(folder: Path, out: Path, seed: int) -> Path:
    """Draw the weights of the model that ``folder`` describes, once; return ``out``, where they are.

    Raises:
        RecipeError: the folder describes no model that transformers makes.
    """
    if not (out / "config.json").is_file():
        work = out.with_name(out.name + ".work")
        run_stage(CHILD, {"config": str(folder), "out": str(out), "seed": seed}, work)
        clear_stage(work)
    return out


def draw(job: dict[str, Any], folder: Path, emit: Emit) -> dict[str, Any]:
    """Write a job's model under a temporary name, then give the folder its own."""
    import torch
    from transformers import AutoConfig, AutoProcessor, AutoTokenizer

    source, out = Path(job["config"]), Path(job["out"])
    has_tokenizer = any((source / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json"))
    try:
        config = AutoConfig.from_pretrained(source)
        sees = sees_images(config)
        reader = (AutoProcessor if sees else AutoTokenizer).from_pretrained(
            source if has_tokenizer or sees else seed_model_path()
        )
        _fit(config.get_text_config(), reader.tokenizer if sees else reader)
        torch.manual_seed(job["seed"])
        model = _class_of(config)(config)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise _refused(source, str(error).split("\n")[0]) from error
    partial = out.with_name(out.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    reader.save_pretrained(partial)
    os.replace(partial, out)
    return {}


def _class_of(config: Any) -> Any:
    import transformers

    names = getattr(config, "architectures", None) or ["none"]
    found = getattr(transformers, names[0], None)
    if found is None:
        raise ValueError(f"architectures: {names[0]}, which is no class of transformers")
    return found


def _fit(config: Any, tokenizer: Any) -> None:
    """Let a config know its tokenizer's entries and marks where it does not say; refuse one with fewer entries."""
    if config.vocab_size < len(tokenizer):
        raise ValueError(f"vocab_size: {config.vocab_size}, while the tokenizer has {len(tokenizer)} entries")
    for name in ("pad_token_id", "eos_token_id", "bos_token_id"):
        given, known = getattr(config, name, None), getattr(tokenizer, name)
        if known is not None or (given is not None and given >= config.vocab_size):
            setattr(config, name, known)


def _refused(folder: Path, received: str) -> RecipeError:
    return RecipeError(
        f"model {folder}", expected="weights, or a config.json of a model that transformers can make from scratch",
        received=received, cure="mend the config.json: architectures, vocab_size, sizes; or put the weights into the folder",
    )  # fmt: skip


if __name__ == "__main__":
    child_main(draw)
