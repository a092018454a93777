"""The training process: TRL's trainers on a snapshot file. Runs as ``python -m flywheel.train._child FOLDER``."""

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from ..errors import RecipeError, StageError
from ..stage import NO_ROOM, Emit, child_main, no_room

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")


def train(job: dict[str, Any], folder: Path, emit: Emit) -> dict[str, Any]:
    """Train per ``job`` (see ``TrainJob``) and leave the checkpoint in its place, whole or not at all."""
    emit({"event": "loading"})
    import datasets
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype="float32")
    with Path(job["data"]).open(encoding="utf-8") as stream:
        rows = datasets.Dataset.from_list([json.loads(line) for line in stream])
    args = {**_defaults(folder, job["seed"]), **job["args"]}
    trainer = _make_trainer(job["method"], args, model, tokenizer, rows)
    trainer.add_callback(_make_callback(emit, _tokens_per_row(trainer.train_dataset)))
    started = time.monotonic()
    outcome = _run(trainer, job["method"])
    if outcome.training_loss != outcome.training_loss:
        raise StageError(
            f"training {job['method']}",
            expected="a finite loss",
            received="NaN",
            cure="lower the learning rate; the champion is unchanged",
        )
    _publish(trainer, tokenizer, Path(job["out"]))
    metrics = {"train_loss": outcome.training_loss, "steps": outcome.global_step, "wall_s": time.monotonic() - started}
    config = {k: v for k, v in args.items() if k not in ("output_dir",)}
    log = [e for e in trainer.state.log_history if "loss" in e]
    return {"metrics": metrics, "config": config, "log": log}


def _defaults(folder: Path, seed: int) -> dict[str, Any]:
    """Return what differs from TRL's defaults: reproducible, no half-precision without a GPU, no files on the side."""
    import torch

    on_gpu = torch.cuda.is_available()
    return {
        "output_dir": str(folder / "trainer"), "seed": seed, "data_seed": seed, "report_to": "none",
        "save_strategy": "no", "disable_tqdm": True, "bf16": on_gpu, "gradient_checkpointing": on_gpu,
        "logging_steps": 5, "logging_first_step": True, "dataloader_pin_memory": on_gpu,
    }  # fmt: skip


def _make_trainer(method: str, args: dict[str, Any], model: Any, tokenizer: Any, rows: Any) -> Any:
    import trl

    config_class, trainer_class = {
        "sft": (trl.SFTConfig, trl.SFTTrainer),
        "dpo": (trl.DPOConfig, trl.DPOTrainer),
    }[method]
    try:
        config = config_class(**args)
        return trainer_class(model=model, args=config, train_dataset=rows, processing_class=tokenizer)
    except (TypeError, ValueError) as error:
        raise _refused(method, error) from error


def _run(trainer: Any, method: str) -> Any:
    """Train; a value that the optimizer or the schedule refuses before the first step is the recipe's fault."""
    try:
        return trainer.train()
    except (TypeError, ValueError) as error:
        if trainer.state.global_step:
            raise
        raise _refused(method, error) from error


def _refused(method: str, error: Exception) -> RecipeError:
    return RecipeError(
        f"recipe key train.{method}",
        expected=f"values that TRL trains with ({method.upper()}Config)",
        received=str(error).split("\n")[0],
        cure=f"change the value under train.{method} that this names; what was generated is kept",
    )


def _tokens_per_row(rows: Any) -> float:
    """Return the mean number of tokens of a prepared row, all its sequences together, over the first thousand."""
    columns = [c for c in rows.column_names if c.endswith("ids")]
    some = rows.select(range(min(len(rows), 1000)))
    return sum(len(ids) for c in columns for ids in some[c]) / max(1, len(some))


def _make_callback(emit: Emit, tokens_per_row: float) -> Any:
    from transformers import TrainerCallback

    class Report(TrainerCallback):
        """Hands the trainer's steps and log lines to the parent."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            rows = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
            tokens = round(rows * tokens_per_row)
            emit({"event": "step", "step": state.global_step, "total": state.max_steps, "tokens": tokens})

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if logs and "loss" in logs:
                emit(
                    {
                        "event": "log",
                        "step": state.global_step,
                        "loss": logs["loss"],
                        "num_tokens": logs.get("num_tokens"),
                    }
                )

    return Report()


def _publish(trainer: Any, tokenizer: Any, out: Path) -> None:
    """Save model and tokenizer under a temporary name, then give the folder its own."""
    partial = out.with_name(out.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    _save(trainer.model, partial)
    tokenizer.save_pretrained(partial)
    for file in partial.iterdir():
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
    shutil.rmtree(out, ignore_errors=True)
    os.replace(partial, out)


def _save(model: Any, folder: Path) -> None:
    """Write the weights; safetensors hides a full disk in an error of its own."""
    from safetensors import SafetensorError

    try:
        model.save_pretrained(folder)
    except SafetensorError as error:
        if not any(f"os error {number}" in str(error) for number in NO_ROOM):
            raise
        raise no_room(str(folder), str(error)) from error


if __name__ == "__main__":
    child_main(train)
