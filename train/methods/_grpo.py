"""GRPO (arXiv 2402.03300): completions drawn in training, rewarded by functions. With verifiers as rewards this is RFT, or
RLVR.

Where the rewards come from is not known here: the job names an entry point that makes them.
"""

from typing import Any

from ._method import Method, Setup, make_trl, trl_sources


def _make(setup: Setup) -> Any:
    return make_trl(setup, "GRPOConfig", "GRPOTrainer", reward_funcs=list(setup.rewards))


GRPO = Method(
    name="grpo",
    title="group relative policy optimisation",
    config="GRPOConfig",
    columns=(("prompt",),),
    answers=(),
    make_trainer=_make,
    sources=trl_sources("grpo", "GRPOConfig"),
)
