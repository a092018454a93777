"""Verifiers as the rewards of GRPO: what a training's contract names, and what the training process makes of it.

``train/`` and ``judge/`` do not know each other; the contract holds the name of :func:`make_rewards`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..config import RewardConfig
from ..judge import as_reward, complete_options, find_verifier

ENTRY = "flywheel.loop._rewards:make_rewards"


def describe_rewards(rewards: Sequence[RewardConfig], folder: Path) -> dict[str, Any]:
    """Return the contract's ``rewards``; the content of a verifier file of the user's is part of it.

    Raises:
        UserError: a verifier is not there, or an option is wrong.
    """
    content, columns = {}, set()
    for i, reward in enumerate(rewards):
        place = f"recipe key train.rewards.{i}.verifier"
        columns |= _columns(reward, folder, place)
        file = folder / reward.verifier.partition(":")[0]
        if file.suffix == ".py":
            content[reward.verifier] = file.read_text(encoding="utf-8")
    return {
        "entry": ENTRY, "spec": [r.model_dump(mode="json") for r in rewards], "folder": str(folder.resolve()),
        "columns": sorted(columns), "content": content,
    }  # fmt: skip


def _columns(reward: RewardConfig, folder: Path, place: str) -> set[str]:
    """Return the columns that a reward reads: the reference, where its verifier compares with one, and those that its options name."""
    verifier = find_verifier(reward.verifier, folder, place)
    options = complete_options(verifier, reward.options, f"{place}: options")
    named = verifier.prepare(options, f"{place}: options") if verifier.prepare is not None else ()
    return {reward.expected if name == "expected" else name for name in (*verifier.needs, *named)}


def make_rewards(spec: Sequence[dict[str, Any]], folder: str) -> list[Callable[..., Any]]:
    """Return the reward functions of a contract; called in the training process."""
    return [as_reward(find_verifier(r["verifier"], Path(folder)), r["options"], expected=r["expected"]) for r in spec]
