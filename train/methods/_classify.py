"""Sequence classification (BERT and any model with such a head), by transformers' own Trainer."""

from typing import Any

from ._method import CLASSIFIER, TRAINING_ARGUMENTS, Method, Setup

MAX_LENGTH = 512
NO_LIMIT = 10**9
"""A tokenizer whose ``model_max_length`` is this or more has none."""


def _make(setup: Setup) -> Any:
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    args = dict(setup.args)
    places = getattr(setup.model.config, "max_position_embeddings", None)
    limits = (args.pop("max_length", MAX_LENGTH), places, setup.processor.model_max_length)
    max_length = min((n for n in limits if n is not None and n < NO_LIMIT), default=None)
    rows, heldout = (s and _encode(s, setup, max_length) for s in (setup.rows, setup.heldout))
    return Trainer(
        model=_wrap(setup), args=TrainingArguments(**args), train_dataset=rows, eval_dataset=heldout,
        data_collator=DataCollatorWithPadding(setup.processor), processing_class=setup.processor, compute_metrics=measure,
    )  # fmt: skip


def _wrap(setup: Setup) -> Any:
    if setup.peft is None:
        return setup.model
    from peft import get_peft_model

    return get_peft_model(setup.model, setup.peft)


def _encode(rows: Any, setup: Setup, max_length: int | None) -> Any:
    ids = {name: i for i, name in enumerate(setup.labels)}

    def encode(row: dict[str, Any]) -> dict[str, Any]:
        read = setup.processor(row["text"], truncation=max_length is not None, max_length=max_length)
        return {**read, "labels": ids[str(row["label"])]}

    return rows.map(encode, remove_columns=rows.column_names)


def measure(predicted: Any) -> dict[str, float]:
    """Return accuracy, its standard error, and macro-F1 over the classes that occur in the labels or the predictions."""
    import numpy as np

    logits = predicted.predictions[0] if isinstance(predicted.predictions, tuple) else predicted.predictions
    said, true = np.argmax(logits, axis=-1), predicted.label_ids
    n, accuracy = len(true), float(np.mean(said == true))
    scores = []
    for label in np.union1d(said, true):
        right = float(np.sum((said == label) & (true == label)))
        scores.append(2 * right / float(np.sum(said == label) + np.sum(true == label)))
    return {
        "accuracy": accuracy,
        "accuracy_stderr": (accuracy * (1 - accuracy) / n) ** 0.5,
        "macro_f1": float(np.mean(scores)),
    }


CLASSIFY = Method(
    name="classify",
    title="sequence classification",
    config="TrainingArguments",
    columns=(("text", "label"),),
    answers=(),
    make_trainer=_make,
    model=CLASSIFIER,
    sources=(TRAINING_ARGUMENTS,),
    own={"max_length": "int | None"},
)
