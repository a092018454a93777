"""DPO (arXiv 2305.18290) and the losses that TRL knows beside it.

Several losses are added with their weights: ``loss_type: [sigmoid, sft], loss_weights: [1.0, 0.2]`` is Iterative RPO
(arXiv 2404.19733). The reference is the checkpoint that the training starts from; under an adapter, the weights below it.
"""

from typing import Any

from ._method import Method, Setup, make_trl, trl_sources


def _make(setup: Setup) -> Any:
    return make_trl(setup, "DPOConfig", "DPOTrainer")


DPO = Method(
    name="dpo",
    title="direct preference optimisation",
    config="DPOConfig",
    columns=(("prompt", "chosen", "rejected"), ("chosen", "rejected")),
    answers=("chosen", "rejected"),
    make_trainer=_make,
    sources=trl_sources("dpo", "DPOConfig"),
)
