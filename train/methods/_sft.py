"""Supervised fine-tuning.

The loss is on the completion alone where rows have a prompt, on all tokens where they have messages (or with
``assistant_only_loss`` on the assistant's). ``packing`` fills blocks of ``max_length``.
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
