"""KTO (arXiv 2402.01306): completions that are good or bad, each by itself. The reference is the checkpoint that the
training starts from.
"""

from typing import Any

from ._method import Method, Setup, make_trl, trl_sources


def _make(setup: Setup) -> Any:
    return make_trl(setup, "KTOConfig", "KTOTrainer")


KTO = Method(
    name="kto",
    title="Kahneman-Tversky optimisation",
    config="KTOConfig",
    columns=(("prompt", "completion", "label"),),
    answers=("completion",),
    make_trainer=_make,
    sources=trl_sources("kto", "KTOConfig"),
)
