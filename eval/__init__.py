"""lm-eval as a stage: suites in, scores with one row per item out."""

from ._extra import prepare_extra_suite
from ._grade import Grader, load_grader
from ._labels import statistic_of
from ._stage import Subject, evaluate_subject, unscored
from ._suites import Part, Split, prepare_suites

__all__ = [
    "Grader",
    "Part",
    "Split",
    "Subject",
    "evaluate_subject",
    "load_grader",
    "prepare_extra_suite",
    "prepare_suites",
    "statistic_of",
    "unscored",
]
