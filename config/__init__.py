"""Recipes: frozen models of what a user may write, and their loader."""

from ._curate import (
    AffixConfig,
    CurationConfig,
    DifficultyConfig,
    DuplicateConfig,
    LanguageConfig,
    LengthConfig,
    RepetitionConfig,
    SelectionConfig,
)
from ._engine import EngineConfig
from ._judging import CODE, VERDICT_KINDS, CalibrationConfig, JudgeConfig, PairConfig, PairKind, VerifierConfig
from ._load import RECIPE_FILE, load_recipe
from ._recipe import (
    BudgetConfig,
    ColumnsConfig,
    DecontaminateConfig,
    GateConfig,
    GuardConfig,
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
from ._text import explain_yaml, parse_yaml, read_text, require_file
from ._url import UrlFault, find_url_fault
from ._vllm import shaping_args

__all__ = [
    "CODE",
    "RECIPE_FILE",
    "VERDICT_KINDS",
    "AffixConfig",
    "BudgetConfig",
    "CalibrationConfig",
    "ColumnsConfig",
    "CurationConfig",
    "DecontaminateConfig",
    "DifficultyConfig",
    "DuplicateConfig",
    "EngineConfig",
    "GateConfig",
    "GuardConfig",
    "JudgeConfig",
    "LanguageConfig",
    "LengthConfig",
    "PairConfig",
    "PairKind",
    "PricesConfig",
    "ProblemsConfig",
    "Recipe",
    "RepetitionConfig",
    "SelectConfig",
    "SelectionConfig",
    "SolveConfig",
    "Source",
    "StepConfig",
    "SuiteConfig",
    "TrainConfig",
    "UrlFault",
    "VerifierConfig",
    "explain_yaml",
    "find_url_fault",
    "load_recipe",
    "parse_yaml",
    "read_text",
    "require_file",
    "shaping_args",
]
