"""lm-eval as a stage: suites in, scores with one row per item out."""

from ._stage import evaluate_checkpoint, unscored
from ._suites import Split, find_task_file, prepare_suites

__all__ = ["Split", "evaluate_checkpoint", "find_task_file", "prepare_suites", "unscored"]
