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
    StepConfig,
    SuiteConfig,
)
from ._source import Source
from ._text import explain_yaml, parse_yaml, read_text, require_file
from ._train import CurriculumStage, RewardConfig, TrainConfig
from ._url import UrlFault, find_url_fault
from ._vllm import shaping_args

__all__ = [
    "RECIPE_FILE",
    "BudgetConfig",
    "CurriculumStage",
    "DecontaminateConfig",
    "EngineConfig",
    "GateConfig",
    "GuardConfig",
    "PairConfig",
    "PricesConfig",
    "ProblemsConfig",
    "Recipe",
    "RewardConfig",
    "SelectConfig",
    "SolveConfig",
    "Source",
    "StepConfig",
    "SuiteConfig",
    "TrainConfig",
    "UrlFault",
    "explain_yaml",
    "find_url_fault",
    "load_recipe",
    "parse_yaml",
    "read_text",
    "require_file",
    "shaping_args",
]
