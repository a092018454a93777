"""The recipe's ``train:``: methods with the names of the field's own trainers, adapters, stages, and where it runs.

What the keys of a method, of ``peft`` and of ``quantization`` may be is read from the installed packages; see
:mod:`flywheel.train`.
"""

import math
import re
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from ._source import SourceSpec
from ._strict import Strict, fault

_EXPONENT = re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$")

_SAME_RESULT = ("python", "oom_retries", "save_every_s", "keep")
"""Keys that say where and how safely to train, not what comes of it."""

_FIRST_KEYS = ("sft", "dpo", "sft_from", "min_rows")
"""Keys that every recipe has always had: in a run's identity whatever they hold."""


class RewardConfig(Strict):
    """One reward of GRPO: a verifier, called on each completion."""

    verifier: str = Field("math", min_length=1)
    """A verifier's name, ``file.py`` or ``file.py:name`` in the project folder, or ``module:name``."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The verifier's own."""
    expected: str = "answer"
    """The column with the reference."""


class CurriculumStage(Strict):
    """One stage of a training: a part of the rows, and arguments that differ from the method's."""

    rows: tuple[float, float] = (0.0, 1.0)
    """Share of the rows where the stage begins and ends, in the order of the curriculum: ``[0, 0.5]`` is the first half."""
    args: dict[str, Any] = Field(default_factory=dict)
    """Names as under the method's own key; they replace its values."""

    @field_validator("rows")
    @classmethod
    def _check_rows(cls, rows: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= rows[0] < rows[1] <= 1:
            raise fault(
                "two shares, the smaller first, from 0 to 1", str(list(rows)), "write [0.0, 0.5] for the first half"
            )
        return rows

    @field_validator("args")
    @classmethod
    def _read_numbers(cls, args: dict[str, Any]) -> dict[str, Any]:
        return _as_numbers(args, ("train", "curriculum"))


class TrainConfig(Strict):
    """How snapshots become checkpoints.

    ``sft dpo kto grpo reward seq2seq classify`` hold the names of TRL's SFTConfig, DPOConfig, KTOConfig, GRPOConfig and
    RewardConfig, and of transformers' Seq2SeqTrainingArguments and TrainingArguments, passed through and validated there.
    """

    sft: dict[str, Any] = Field(default_factory=dict)
    dpo: dict[str, Any] | None = Field(default_factory=dict)
    """``null`` = disabled."""
    kto: dict[str, Any] | None = None
    """Trained by ``flywheel run`` too where it is given; null = only by ``flywheel train --method kto``, with TRL's defaults."""
    grpo: dict[str, Any] | None = None
    """As ``kto``."""
    reward: dict[str, Any] | None = None
    """A reward model; only by ``flywheel train --method reward``."""
    seq2seq: dict[str, Any] | None = None
    """Encoder-decoders (T5, BART); only by ``flywheel train``."""
    classify: dict[str, Any] | None = None
    """Sequence classification (BERT); only by ``flywheel train``."""
    peft: dict[str, Any] | None = None
    """PEFT's LoraConfig: ``{r: 16, lora_alpha: 32, lora_dropout: 0.1, target_modules: all-linear}``; null = all weights."""
    merge: bool = True
    """Merge an adapter into the weights when it is published. false: the checkpoint is the adapter, merged when it is used."""
    quantization: dict[str, Any] | None = None
    """transformers' BitsAndBytesConfig, for QLoRA: ``{load_in_4bit: true, bnb_4bit_quant_type: nf4}``; null = none."""
    rewards: tuple[RewardConfig, ...] = ()
    """What GRPO rewards; default: the recipe's verifier on the answer. Weights are ``train.grpo.reward_weights``."""
    curriculum: tuple[CurriculumStage, ...] = ()
    """Stages in order, each from the weights of the one before; none = one stage over all rows."""
    curriculum_by: str | None = None
    """Rows are sorted by it, the smallest first: ``length``, or a column that holds numbers; null = the snapshot's order."""
    reasoning: Literal["keep", "strip"] = "keep"
    """What becomes of ``<think>…</think>`` in answers."""
    accept: tuple[
        Literal["overlong", "identical", "turns", "template_marks", "tools_without_calls", "text_only"], ...
    ] = ()
    """Kinds of rows that are trained on although they look wrong: ``overlong`` (cut off at max_length), ``identical`` (chosen
    and rejected), ``turns`` (out of turn, or saying nothing), ``template_marks`` (of another chat template), ``tools_without_calls``,
    ``text_only`` (rows without an image among rows with one)."""
    rows: SourceSpec | None = None
    """Rows of one's own, in TRL's columns, for ``flywheel train``; null = what the iteration has."""
    columns: dict[str, str | list[dict[str, str]]] = Field(default_factory=dict)
    """TRL's columns from others', in ``rows`` and ``heldout``: the name of one (``completion: highlights``, places inside by dots), a
    text with names (``prompt: "summarize: {{article}}"``), or messages of such texts."""
    score_by: str | None = None
    """Column of ``rows`` that holds a number, the better the higher: of duplicates the best row stays, and ``curate.selection`` takes
    the best. ``chance``: numbers drawn by the seed, for a random selection to compare with. null = all rows are equal."""
    heldout: SourceSpec | None = None
    """Rows in the same columns on which a method that lm-eval cannot score is measured before and after; none is trained on."""
    labels: tuple[str, ...] = ()
    """Names of the classes (``classify``); default: the model's own, else those that the rows hold."""
    sft_from: Literal["champion", "base"] = "champion"
    """Which weights each SFT starts from: the current champion's, or the recipe's ``model``."""
    min_rows: int = Field(8, ge=1)
    """Fewer rows (or pairs) than this and the stage is left out, with the reason on record."""
    streaming: bool = False
    """``sft``, ``dpo`` and ``reward`` read their rows from Parquet shards, each process its own: memory does not grow with the rows.
    The order is drawn by the seed, another one than of rows in memory."""
    python: str | None = None
    """Interpreter that trains: a path, from the recipe's folder, or a command; default: the one that runs flywheel."""
    accelerate: str | None = None
    """An accelerate config file, from the recipe's folder: the training is started by ``accelerate launch`` with it."""
    oom_retries: int = Field(0, ge=0, le=8)
    """How often a training that ran out of memory is tried again with a smaller micro-batch and the same effective batch;
    0 = not at all."""
    save_every_s: float = Field(300.0, ge=0)
    """Seconds of training that a kill may cost; 0 = no state is saved. ``save_strategy`` under a method replaces it."""
    keep: int = Field(0, ge=0)
    """Most checkpoints of a run whose weights are kept beside the champion and its parents; 0 = all."""

    @field_validator("sft", "dpo", "kto", "grpo", "reward", "seq2seq", "classify", "peft", "quantization")
    @classmethod
    def _read_numbers(cls, keys: dict[str, Any] | None, info: ValidationInfo) -> dict[str, Any] | None:
        return keys and _as_numbers(keys, ("train", info.field_name or ""))


def training_identity(train: dict[str, Any]) -> dict[str, Any]:
    """Return what of a dumped :class:`TrainConfig` makes two runs the same: not where it ran, nor keys at their default.

    A key that flywheel learns later is then no part of the identity of the runs that do not use it.
    """
    defaults = TrainConfig().model_dump(mode="json")
    return {
        key: value
        for key, value in train.items()
        if key in _FIRST_KEYS or (key not in _SAME_RESULT and value != defaults[key])
    }


def _as_numbers(keys: dict[str, Any], loc: tuple[str, ...]) -> dict[str, Any]:
    """YAML reads 1e-5 (no dot) as text; and JSON, in which trainings are known, has no infinity."""
    for key, value in keys.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise fault("a finite number", str(value), f"set {key} to a finite number", (*loc, key))
    return {k: float(v) if isinstance(v, str) and _EXPONENT.match(v) else v for k, v in keys.items()}
