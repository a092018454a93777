"""Recipes: frozen models of what a user may write, and their loader."""

from ._about import (
    DOCUMENTS,
    TASK_DATA,
    describe_training,
    is_remote,
    is_wheel,
    list_methods,
    list_needs,
    list_sources,
    names_hub_model,
)
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
from ._executor import ExecutorConfig
from ._explain import explain_faults
from ._extends import EXTENDS, RecipeFile, walk_recipe_files
from ._figures import FIGURES, find_figure_name, list_figures
from ._gate import GateConfig, GuardConfig, LimitConfig, Measure
from ._judging import (
    CODE,
    READY_KINDS,
    VERDICT_KINDS,
    CalibrationConfig,
    JudgeConfig,
    PairConfig,
    PairKind,
    VerifierConfig,
)
from ._load import RECIPE_FILE, load_recipe
from ._loop import HookConfig, ServeConfig, StopConfig
from ._problems import ColumnsConfig, DistractorConfig, JoinConfig, ProblemsConfig, ProblemSetConfig
from ._prompt_suite import CheckConfig, PromptConfig, PromptSuiteConfig, list_hub_rows, load_prompt_suite
from ._recipe import (
    DEFAULT_GEN_TOKS,
    PROMPTS_TASK,
    BudgetConfig,
    DecontaminateConfig,
    PricesConfig,
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
from ._watch import ChooseConfig, ThresholdConfig, WatchConfig

__all__ = [
    "CODE",
    "DEFAULT_GEN_TOKS",
    "DOCUMENTS",
    "EXTENDS",
    "FIGURES",
    "PROMPTS_TASK",
    "READY_KINDS",
    "RECIPE_FILE",
    "TASK_DATA",
    "VERDICT_KINDS",
    "AffixConfig",
    "BudgetConfig",
    "CalibrationConfig",
    "CheckConfig",
    "ChooseConfig",
    "ColumnsConfig",
    "CurationConfig",
    "CurriculumStage",
    "DecontaminateConfig",
    "DifficultyConfig",
    "DistractorConfig",
    "DuplicateConfig",
    "EngineConfig",
    "ExecutorConfig",
    "GateConfig",
    "GuardConfig",
    "HookConfig",
    "JoinConfig",
    "JudgeConfig",
    "LanguageConfig",
    "LengthConfig",
    "LimitConfig",
    "Measure",
    "PairConfig",
    "PairKind",
    "PricesConfig",
    "ProblemSetConfig",
    "ProblemsConfig",
    "PromptConfig",
    "PromptSuiteConfig",
    "Recipe",
    "RecipeFile",
    "RepetitionConfig",
    "RewardConfig",
    "SelectConfig",
    "SelectionConfig",
    "ServeConfig",
    "SolveConfig",
    "Source",
    "StepConfig",
    "StopConfig",
    "SuiteConfig",
    "ThresholdConfig",
    "TrainConfig",
    "UrlFault",
    "VerifierConfig",
    "WatchConfig",
    "describe_training",
    "explain_faults",
    "explain_yaml",
    "find_figure_name",
    "find_url_fault",
    "is_remote",
    "is_wheel",
    "list_figures",
    "list_hub_rows",
    "list_methods",
    "list_needs",
    "list_sources",
    "load_prompt_suite",
    "load_recipe",
    "names_hub_model",
    "parse_yaml",
    "read_text",
    "require_file",
    "shaping_args",
    "walk_recipe_files",
]
