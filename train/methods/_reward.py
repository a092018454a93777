"""A reward model on pairs (Bradley-Terry): one number for a text, higher for the chosen one."""

from typing import Any

from ._method import SCORER, Method, Setup, make_trl, trl_sources


def _make(setup: Setup) -> Any:
    return make_trl(setup, "RewardConfig", "RewardTrainer")


REWARD = Method(
    name="reward",
    title="reward model",
    config="RewardConfig",
    columns=(("prompt", "chosen", "rejected"), ("chosen", "rejected")),
    answers=("chosen", "rejected"),
    make_trainer=_make,
    model=SCORER,
    sources=trl_sources("reward", "RewardConfig"),
)
