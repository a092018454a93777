"""Checkpoints: saved under a temporary name, given their own when whole; adapters merged, a model card beside."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from ...errors import StageError
from ...stage import NO_ROOM, no_room
from ..methods import CLASSIFIER, Method
from ._args import is_main

ADAPTER = "adapter"
"""Folder in a merged checkpoint that keeps the adapter it was merged from."""


def save_trained(trainer: Any, folder: Path) -> None:
    """Write what was trained, all weights or the adapter; every process of a distributed training has to call it."""
    model = trainer.accelerator.unwrap_model(trainer.model)
    state = trainer.accelerator.get_state_dict(trainer.model_wrapped) if trainer.accelerator.num_processes > 1 else None
    if not is_main():
        return
    _check_finite(model)
    only = {"selected_adapters": ["default"]} if _is_adapter(model) else {}
    _save(model, folder, state_dict=state, **only)


def _is_adapter(model: Any) -> bool:
    from peft import PeftModel

    return isinstance(model, PeftModel)


def _check_finite(model: Any) -> None:
    """Refuse to write weights that are no numbers: the last step's loss does not show what that step did."""
    import torch

    if not all(bool(torch.isfinite(p).all()) for p in model.parameters() if p.requires_grad and p.is_floating_point()):
        raise StageError(
            "trained weights", expected="finite numbers", received="NaN or infinity",
            cure="lower the learning rate; the champion is unchanged",
        )  # fmt: skip


def publish(trainer: Any, processor: Any, job: dict[str, Any], method: Method, load: Any, card: str) -> None:
    """Leave the checkpoint in its place, whole or not at all.

    Args:
        trainer: after training.
        processor: tokenizer or processor, saved beside the weights.
        job: see ``TrainJob``.
        method: what was trained.
        load: returns the model that the adapter stands on, anew and not quantized.
        card: the model card's text.
    """
    out = Path(job["out"])
    partial = out.with_name(out.name + ".part")
    if is_main():
        shutil.rmtree(partial, ignore_errors=True)
    save_trained(trainer, partial)
    if not is_main():
        return
    if (partial / "adapter_config.json").is_file():
        _name_base(partial, job["base_name"])
        if job["merge"]:
            merge_adapter(partial, load(), processor)
    processor.save_pretrained(partial)
    if labels := getattr(trainer.model.config, "label2id", None) if method.model == CLASSIFIER else None:
        (partial / "labels.json").write_text(json.dumps(list(labels)), encoding="utf-8")
    (partial / "README.md").write_text(card, encoding="utf-8")
    _sync(partial)
    shutil.rmtree(out, ignore_errors=True)
    os.replace(partial, out)


def merge_adapter(folder: Path, base: Any, processor: Any) -> None:
    """Replace the adapter in a folder by the whole weights that it makes of ``base``; keep it in a folder inside."""
    from peft import PeftModel

    moved = folder.with_name(folder.name + ".adapter")
    shutil.rmtree(moved, ignore_errors=True)
    os.replace(folder, moved)
    merged = PeftModel.from_pretrained(base, str(moved)).merge_and_unload()
    _save(merged, folder)
    os.replace(moved, folder / ADAPTER)
    processor.save_pretrained(folder)


def _name_base(folder: Path, base: str) -> None:
    """Say what an adapter stands on by a name that means something elsewhere: here nobody reads it, the store knows the folder."""
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    file.write_text(json.dumps(config, indent=2), encoding="utf-8")


def _sync(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as stream:
                os.fsync(stream.fileno())


def _save(model: Any, folder: Path, **kwargs: Any) -> None:
    """Write the weights; safetensors hides a full disk in an error of its own."""
    from safetensors import SafetensorError

    try:
        model.save_pretrained(folder, **kwargs)
    except SafetensorError as error:
        if not any(f"os error {number}" in str(error) for number in NO_ROOM):
            raise
        raise no_room(str(folder), str(error)) from error
