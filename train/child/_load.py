"""Models and what reads their text, by kind of model."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import NotFoundError, RecipeError
from ...llm import sees_images
from ..methods import CAUSAL, CLASSIFIER, SCORER, SEQ2SEQ, Method

TRL_LENGTH = 1024
"""TRL's own ``max_length``."""


@dataclass(frozen=True)
class Reader:
    """What reads the rows for a model.

    Attributes:
        processor: its tokenizer, or of a vision-language model its processor.
        sees: the model reads images.
        config: the model's.
    """

    processor: Any
    sees: bool
    config: Any

    @property
    def tokenizer(self) -> Any:
        """The tokenizer itself."""
        return self.processor.tokenizer if self.sees else self.processor

    @property
    def context(self) -> int | None:
        """Most tokens that the model has places for; None where its config does not say."""
        found: int | None = getattr(self.config.get_text_config(), "max_position_embeddings", None)
        return found

    @property
    def places(self) -> int | None:
        """Most tokens that a model can read whose positions are a table (GPT-2, OPT); None where they are computed (RoPE)."""
        config = self.config.get_text_config()
        is_computed = any(name.startswith("rope_") for name in vars(config)) or getattr(config, "alibi", False)
        return None if is_computed else self.context

    @property
    def default_length(self) -> int:
        """``max_length`` where the recipe has none: TRL's, or the model's context where that is shorter."""
        return min(TRL_LENGTH, self.context or TRL_LENGTH)


def load_reader(path: str, method: Method) -> Reader:
    """Return what reads rows for the model in a folder.

    Raises:
        RecipeError: the model is of a kind that the method does not train.
    """
    from transformers import AutoConfig, AutoProcessor, AutoTokenizer

    config = AutoConfig.from_pretrained(path)
    _check_kind(config, path, method)
    sees = method.model == CAUSAL and sees_images(config)
    return Reader((AutoProcessor if sees else AutoTokenizer).from_pretrained(path), sees, config)


def _check_kind(config: Any, path: str, method: Method) -> None:
    """Refuse a kind of model that would load, with weights of which half are new, and train to nothing."""
    head = (getattr(config, "architectures", None) or ["?"])[0]
    reads_both_ways = head.endswith(("ForMaskedLM", "ForSequenceClassification", "ForPreTraining"))
    wanted = None
    if method.model == SEQ2SEQ and not config.is_encoder_decoder:
        wanted, cure = "an encoder-decoder (T5, BART)", "--method sft trains language models"
    if method.model == CAUSAL and config.is_encoder_decoder:
        wanted, cure = "a causal language model", "--method seq2seq trains encoder-decoders"
    if method.model == CAUSAL and reads_both_ways:
        wanted, cure = "a causal language model", "--method classify trains encoders such as BERT"
    if wanted:
        raise RecipeError(f"model {path}", expected=f"{wanted} for {method.name}", received=head, cure=cure)


def load_model(
    path: str, method: Method, *, sees: bool = False, labels: Sequence[str] = (), init: dict[str, Any] | None = None,
    quantization: dict[str, Any] | None = None, adapter: Path | None = None,
) -> Any:  # fmt: skip
    """Return the model to train.

    Args:
        path: its folder.
        method: what it is trained by.
        sees: it reads images.
        labels: names of the classes, for a classifier.
        init: further arguments of ``from_pretrained``.
        quantization: keys of BitsAndBytesConfig.
        adapter: folder of an adapter to go on with.

    Raises:
        NotFoundError: transformers cannot load it.
        RecipeError: quantization is not possible here.
    """
    import transformers

    auto = {
        CAUSAL: "AutoModelForImageTextToText" if sees else "AutoModelForCausalLM", SEQ2SEQ: "AutoModelForSeq2SeqLM",
        CLASSIFIER: "AutoModelForSequenceClassification", SCORER: "AutoModelForSequenceClassification",
    }[method.model]  # fmt: skip
    kwargs: dict[str, Any] = {"dtype": "float32", **(init or {})}
    if method.model == CLASSIFIER:
        names = dict(enumerate(labels))
        kwargs |= {"num_labels": len(names), "id2label": names, "label2id": {v: k for k, v in names.items()}}
        kwargs |= {"ignore_mismatched_sizes": True}
    if method.model == SCORER:
        kwargs |= {"num_labels": 1}
    if quantization is not None:
        kwargs |= {"quantization_config": _quantization(quantization), "device_map": {"": _device()}}
    try:
        model = getattr(transformers, auto).from_pretrained(path, **kwargs)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        if quantization is not None:
            raise _cannot_quantize(error) from error
        if not isinstance(error, OSError | ValueError):
            raise
        raise NotFoundError(
            f"model {path}", expected=f"a model that transformers' {auto} loads", received=str(error).split("\n")[0],
            cure="check the folder, or choose the --method that fits the model",
        ) from error  # fmt: skip
    if adapter is not None:
        from peft import PeftModel

        return PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
    return model


def _cannot_quantize(error: Exception) -> RecipeError:
    return RecipeError(
        "recipe key train.quantization", expected="a device on which bitsandbytes quantizes",
        received=str(error).split("\n")[0], cure="remove train.quantization here: LoRA alone (train.peft) trains anywhere",
    )  # fmt: skip


def _device() -> Any:
    """Return where a quantized model is loaded: this process's GPU, or the CPU."""
    import os

    import torch

    return int(os.environ.get("LOCAL_RANK", "0")) if torch.cuda.is_available() else "cpu"


def _quantization(keys: dict[str, Any]) -> Any:
    import importlib.util

    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise RecipeError(
            "recipe key train.quantization", expected="the package bitsandbytes where the training runs",
            received="it is not installed", cure="pip install bitsandbytes there, or remove train.quantization: LoRA alone trains",
        )  # fmt: skip
    return BitsAndBytesConfig(**keys)


def make_peft(keys: dict[str, Any] | None, method: Method) -> Any:
    """Return PEFT's config for an adapter; None for none.

    Raises:
        RecipeError: PEFT refuses a value.
    """
    if keys is None:
        return None
    from peft import LoraConfig, TaskType

    task = {CAUSAL: TaskType.CAUSAL_LM, SEQ2SEQ: TaskType.SEQ_2_SEQ_LM}.get(method.model, TaskType.SEQ_CLS)
    try:
        return LoraConfig(task_type=task, **keys)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            "recipe key train.peft", expected="values that PEFT's LoraConfig takes", received=str(error).split("\n")[0],
            cure="change the value that this names",
        ) from error  # fmt: skip


def check_targets(config: Any, model: Any) -> None:
    """Refuse ``target_modules`` that the model lacks: PEFT passes over a name that fits nothing beside one that fits.

    Raises:
        RecipeError: names the nearest module that an adapter can be at.
    """
    wanted = getattr(config, "target_modules", None)
    if not wanted or wanted == "all-linear":
        return
    names = [name for name, _ in model.named_modules()]
    if isinstance(wanted, str):
        missing = [] if any(re.fullmatch(wanted, name) for name in names) else [wanted]
    elif not isinstance(wanted, list | tuple | set):
        missing = [repr(wanted)]
    else:
        missing = sorted(str(t) for t in wanted if not any(name == t or name.endswith(f".{t}") for name in names))
    if not missing:
        return
    layers = sorted(
        {n.rpartition(".")[2] for n, m in model.named_modules() if type(m).__name__ in ("Linear", "Conv1D")}
    )
    near = difflib.get_close_matches(missing[0], layers, n=1)
    raise RecipeError(
        "recipe key train.peft.target_modules", expected=f"names of modules of the model ({', '.join(layers)}), or all-linear",
        received=", ".join(map(repr, missing)), cure=f"did you mean {near[0]!r}?" if near else "name some of these, or all-linear",
    )  # fmt: skip
