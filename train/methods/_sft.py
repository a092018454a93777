"""Supervised fine-tuning.

The loss is on the completion alone where rows have a prompt. Where they have messages it is on the assistant's tokens if the
chat template marks them, else on all (see ``child/_loss.py``). ``packing`` fills blocks of ``max_length``.
"""

from typing import Any

from ._method import Method, Setup, make_trl, trl_sources


def _make(setup: Setup) -> Any:
    return make_trl(setup, "SFTConfig", "SFTTrainer")


SFT = Method(
    name="sft",
    title="supervised fine-tuning",
    config="SFTConfig",
    columns=(("prompt", "completion"), ("messages",), ("text",)),
    answers=("completion", "messages", "text"),
    make_trainer=_make,
    sources=trl_sources("sft", "SFTConfig"),
)
