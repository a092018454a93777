"""Recipes: frozen models of what a user may write, and their loader."""

from ._load import RECIPE_FILE, load_recipe
from ._recipe import (
    DecontaminateConfig,
    EngineConfig,
    GateConfig,
    GuardConfig,
    PairConfig,
    ProblemsConfig,
    Recipe,
    SelectConfig,
    SolveConfig,
    Source,
    SuiteConfig,
    TrainConfig,
)

__all__ = [
    "RECIPE_FILE",
    "DecontaminateConfig",
    "EngineConfig",
    "GateConfig",
    "GuardConfig",
    "PairConfig",
    "ProblemsConfig",
    "Recipe",
    "SelectConfig",
    "SolveConfig",
    "Source",
    "SuiteConfig",
    "TrainConfig",
    "load_recipe",
]
