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
from ._text import explain_yaml, parse_yaml, read_text, require_file

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
    "explain_yaml",
    "load_recipe",
    "parse_yaml",
    "read_text",
    "require_file",
]
