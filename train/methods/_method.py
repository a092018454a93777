"""What a training method is: the names that its trainer takes, the rows that it reads, and how the trainer is made.

A method is one small file of this package. Nothing here loads torch: a trainer is made in the training process only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...stage import class_fields, package_folder

CAUSAL, SEQ2SEQ, CLASSIFIER, SCORER = "causal", "seq2seq", "classifier", "scorer"
"""Kinds of models: language model (text or vision), encoder-decoder, classifier, and a classifier with one output."""


@dataclass(frozen=True)
class Setup:
    """All that a trainer is made of.

    Attributes:
        args: of the config class, complete.
        model: loaded.
        processor: tokenizer, or for a vision-language model its processor.
        rows: a ``datasets.Dataset`` in the method's columns.
        heldout: the same for measuring before and after; None = nothing is measured.
        peft: a ``peft.LoraConfig``; None = all weights are trained.
        rewards: reward functions (``grpo``).
        labels: names of the classes, in the order of their ids (``classify``).
    """

    args: dict[str, Any]
    model: Any
    processor: Any
    rows: Any
    heldout: Any = None
    peft: Any = None
    rewards: Sequence[Callable[..., Any]] = ()
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class Method:
    """A way to train.

    Attributes:
        name: as ``--method`` and the key under ``train:`` have it.
        title: in a few words.
        config: name of the class whose fields are the keys.
        columns: sets of columns, one of which each row must have.
        answers: columns that the model learns to say: messages of the assistant, or text.
        make_trainer: from a setup; called in the training process.
        model: which kind of model it trains.
        sources: files that define the fields, as (package, path, class); later ones override earlier ones.
        own: keys that are not the config's: name to annotation.
    """

    name: str
    title: str
    config: str
    columns: tuple[tuple[str, ...], ...]
    answers: tuple[str, ...]
    make_trainer: Callable[[Setup], Any]
    model: str = CAUSAL
    sources: tuple[tuple[str, str, str], ...] = ()
    own: dict[str, str] = field(default_factory=dict)

    def annotations(self) -> dict[str, str]:
        """Return every field of the config class with its annotation, read from the installed source."""
        found: dict[str, str] = {}
        for package, path, name in self.sources:
            found |= class_fields(package_folder(package, "training", "train") / path, name)
        return found | self.own

    def source_files(self) -> list[Path]:
        """Return the files of the trainer and its config, where values are compared with what is allowed."""
        package, path, _ = self.sources[-1]
        config = package_folder(package, "training", "train") / path
        return [config.with_name(config.name.replace("_config", "_trainer")), config]


TRAINING_ARGUMENTS = ("transformers", "training_args.py", "TrainingArguments")


def trl_sources(name: str, config: str) -> tuple[tuple[str, str, str], ...]:
    """Return where the fields of one of TRL's configs are defined."""
    base = ("trl", "trainer/base_config.py", "_BaseConfig")
    return (TRAINING_ARGUMENTS, base, ("trl", f"trainer/{name}_config.py", config))


def make_trl(setup: Setup, config: str, trainer: str, **more: Any) -> Any:
    """Make one of TRL's trainers."""
    import trl

    return getattr(trl, trainer)(
        model=setup.model, args=getattr(trl, config)(**setup.args), train_dataset=setup.rows, eval_dataset=setup.heldout,
        processing_class=setup.processor, peft_config=setup.peft, **more,
    )  # fmt: skip


def error_of(metric: str, values: Sequence[float]) -> dict[str, float]:
    """Return the standard error of a mean by its name, as lm-eval has it (sample deviation, n - 1); one value tells none."""
    import numpy as np

    n = len(values)
    return {f"{metric}_stderr": float(np.std(values, ddof=1) / n**0.5)} if n > 1 else {}
