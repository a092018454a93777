"""Sequence classification (BERT and any model with such a head), by transformers' own Trainer."""

from collections.abc import Sequence
from typing import Any

from ._method import CLASSIFIER, TRAINING_ARGUMENTS, Method, Setup, error_of

MAX_LENGTH = 512
NO_LIMIT = 10**9
"""A tokenizer whose ``model_max_length`` is this or more has none."""
RESAMPLES = 1000


def _make(setup: Setup) -> Any:
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    args = dict(setup.args)
    places = getattr(setup.model.config, "max_position_embeddings", None)
    limits = (args.pop("max_length", MAX_LENGTH), places, setup.processor.model_max_length)
    max_length = min((n for n in limits if n is not None and n < NO_LIMIT), default=None)
    rows, heldout = (s and _encode(s, setup, max_length) for s in (setup.rows, setup.heldout))
    return Trainer(
        model=_wrap(setup), args=TrainingArguments(**args), train_dataset=rows, eval_dataset=heldout,
        data_collator=DataCollatorWithPadding(setup.processor), processing_class=setup.processor,
        compute_metrics=Measure(setup.labels),
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


class Measure:
    """Accuracy and macro-F1 over the classes that occur in the labels or the predictions, each with its standard error.

    Macro-F1's is the standard deviation over :data:`RESAMPLES` bootstrap resamples of the rows (seed 0). As only the counts of
    equal (label, prediction) matter, a resample is one multinomial draw.

    Args:
        labels: names of the classes, in the order of their ids.

    Attributes:
        items: of each row of the last measurement, in order: ``target filtered value``, the value 1 where they agree.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self.items: list[dict[str, Any]] = []

    def __call__(self, predicted: Any) -> dict[str, float]:
        """Return the measures, as transformers' Trainer asks for them."""
        import numpy as np

        logits = predicted.predictions[0] if isinstance(predicted.predictions, tuple) else predicted.predictions
        said, true = np.argmax(logits, axis=-1), predicted.label_ids
        self.items = [
            {"target": self._labels[t], "filtered": self._labels[s], "value": float(t == s)}
            for t, s in zip(true.tolist(), said.tolist(), strict=True)
        ]
        n, size, accuracy = len(true), len(self._labels), float(np.mean(said == true))
        counts = np.bincount(true * size + said, minlength=size * size)
        drawn = np.random.default_rng(0).multinomial(n, counts / n, size=RESAMPLES).reshape(RESAMPLES, size, size)
        return {
            "accuracy": accuracy,
            **error_of("accuracy", [item["value"] for item in self.items]),
            "macro_f1": float(_macro_f1(counts.reshape(1, size, size))[0]),
            "macro_f1_stderr": float(np.std(_macro_f1(drawn), ddof=1)),
        }


def _macro_f1(counts: Any) -> Any:
    """Return the mean F1 of the classes that occur, of each table of counts (tables, labels, predictions)."""
    import numpy as np

    right, seen = np.einsum("kii->ki", counts), counts.sum(axis=1) + counts.sum(axis=2)
    return (2 * right / np.maximum(seen, 1)).sum(axis=1) / (seen > 0).sum(axis=1)


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
