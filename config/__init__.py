"""Recipes: frozen models of what a user may write, and their loader."""

from ._load import RECIPE_FILE, load_recipe
from ._recipe import (
    BudgetConfig,
    DecontaminateConfig,
    EngineConfig,
    GateConfig,
    GuardConfig,
    PairConfig,
    PricesConfig,
    ProblemsConfig,
    Recipe,
    SelectConfig,
    SolveConfig,
    Source,
    StepConfig,
    SuiteConfig,
    TrainConfig,
)
from ._vllm import shaping_args

__all__ = [
    "RECIPE_FILE",
    "BudgetConfig",
    "DecontaminateConfig",
    "EngineConfig",
    "GateConfig",
    "GuardConfig",
    "PairConfig",
    "PricesConfig",
    "ProblemsConfig",
    "Recipe",
    "SelectConfig",
    "SolveConfig",
    "Source",
    "StepConfig",
    "SuiteConfig",
    "TrainConfig",
    "load_recipe",
    "shaping_args",
]
