"""Encoder-decoders (T5, BART): a prompt in, a completion out, by transformers' own Seq2SeqTrainer."""

from typing import Any

from ._method import SEQ2SEQ as SEQ2SEQ_MODEL
from ._method import TRAINING_ARGUMENTS, Method, Setup, error_of

MAX_LENGTH, MAX_COMPLETION = 1024, 256


def _make(setup: Setup) -> Any:
    from transformers import DataCollatorForSeq2Seq, Seq2SeqTrainer, Seq2SeqTrainingArguments

    args = dict(setup.args)
    limits = args.pop("max_length", MAX_LENGTH), args.pop("max_completion_length", MAX_COMPLETION)
    if setup.heldout is not None:
        args = {"predict_with_generate": True, "generation_max_length": limits[1], **args}
    places = getattr(setup.model.config, "max_position_embeddings", None)
    cut = [min((n for n in (limit, places) if n is not None), default=None) for limit in limits]
    rows, heldout = (s and _encode(s, setup.processor, *cut) for s in (setup.rows, setup.heldout))
    return Seq2SeqTrainer(
        model=_wrap(setup), args=Seq2SeqTrainingArguments(**args), train_dataset=rows, eval_dataset=heldout,
        data_collator=DataCollatorForSeq2Seq(setup.processor, model=setup.model), processing_class=setup.processor,
        compute_metrics=Measure(setup.processor),
    )  # fmt: skip


def _wrap(setup: Setup) -> Any:
    if setup.peft is None:
        return setup.model
    from peft import get_peft_model

    return get_peft_model(setup.model, setup.peft)


def _encode(rows: Any, tokenizer: Any, max_length: int | None, max_completion: int | None) -> Any:
    def encode(row: dict[str, Any]) -> dict[str, Any]:
        read = tokenizer(text_of(row["prompt"]), truncation=max_length is not None, max_length=max_length)
        said = tokenizer(
            text_target=text_of(row["completion"]), truncation=max_completion is not None, max_length=max_completion
        )
        return {"input_ids": read["input_ids"], "attention_mask": read["attention_mask"], "labels": said["input_ids"]}

    return rows.map(encode, remove_columns=rows.column_names)


def text_of(said: Any) -> str:
    """Return a text, or the contents of messages, a blank line between them: an encoder-decoder has no chat template."""
    return said if isinstance(said, str) else "\n\n".join(content_of(m) for m in said)


def content_of(message: dict[str, Any]) -> str:
    """Return the text of a message, of several parts a blank between them."""
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return "" if content is None else str(content)


class Measure:
    """Mean ROUGE-L (F1) of the generated texts, with its standard error.

    Attributes:
        items: of each row of the last measurement, in order: ``target filtered value``, the value its ROUGE-L.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self.items: list[dict[str, Any]] = []

    def __call__(self, predicted: Any) -> dict[str, float]:
        """Return the measure, as transformers' Trainer asks for it."""
        import numpy as np
        from rouge_score.rouge_scorer import RougeScorer

        scorer, tokenizer = RougeScorer(["rougeL"]), self._tokenizer
        made, wanted = (
            np.where(ids < 0, tokenizer.pad_token_id, ids) for ids in (predicted.predictions, predicted.label_ids)
        )
        texts = [tokenizer.batch_decode(ids, skip_special_tokens=True) for ids in (wanted, made)]
        self.items = [
            {"target": w, "filtered": m, "value": scorer.score(w, m)["rougeL"].fmeasure} for w, m in zip(*texts, strict=True)
        ]  # fmt: skip
        scores = [item["value"] for item in self.items]
        return {"rougeL": float(np.mean(scores)), **error_of("rougeL", scores)}


SEQ2SEQ = Method(
    name="seq2seq",
    title="encoder-decoder",
    config="Seq2SeqTrainingArguments",
    columns=(("prompt", "completion"),),
    answers=("completion",),
    make_trainer=_make,
    model=SEQ2SEQ_MODEL,
    sources=(TRAINING_ARGUMENTS, ("transformers", "training_args_seq2seq.py", "Seq2SeqTrainingArguments")),
    own={"max_length": "int | None", "max_completion_length": "int | None"},
)
