"""lm-eval as a stage: suites in, scores with one row per item out."""

from ._stage import evaluate_checkpoint, unscored
from ._suites import Split, prepare_suites
from ._task_files import find_task_file

__all__ = ["Split", "evaluate_checkpoint", "find_task_file", "prepare_suites", "unscored"]
