"""Reward functions, made by the entry point that the job names: this floor does not know where they come from."""

import importlib
from collections.abc import Callable
from typing import Any


def load_rewards(rewards: dict[str, Any] | None) -> list[Callable[..., Any]]:
    """Return the functions that ``entry`` (``module:function``) makes of ``spec``, in ``folder``."""
    if rewards is None:
        return []
    module, _, name = rewards["entry"].partition(":")
    made: list[Callable[..., Any]] = getattr(importlib.import_module(module), name)(rewards["spec"], rewards["folder"])
    return made
