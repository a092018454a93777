"""Recipes: frozen models of what a user may write, and their loader."""

from ._explain import explain_faults
from ._gate import GateConfig, GuardConfig, LimitConfig, Measure
from ._load import RECIPE_FILE, load_recipe
from ._prompt_suite import CheckConfig, PromptConfig, PromptSuiteConfig, load_prompt_suite
from ._recipe import (
    PROMPTS_TASK,
    BudgetConfig,
    DecontaminateConfig,
    EngineConfig,
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
    "PROMPTS_TASK",
    "RECIPE_FILE",
    "BudgetConfig",
    "CheckConfig",
    "CurriculumStage",
    "DecontaminateConfig",
    "EngineConfig",
    "GateConfig",
    "GuardConfig",
    "LimitConfig",
    "Measure",
    "PairConfig",
    "PricesConfig",
    "ProblemsConfig",
    "PromptConfig",
    "PromptSuiteConfig",
    "Recipe",
    "RewardConfig",
    "SelectConfig",
    "SolveConfig",
    "Source",
    "StepConfig",
    "SuiteConfig",
    "TrainConfig",
    "UrlFault",
    "explain_faults",
    "explain_yaml",
    "find_url_fault",
    "load_prompt_suite",
    "load_recipe",
    "parse_yaml",
    "read_text",
    "require_file",
    "shaping_args",
]
