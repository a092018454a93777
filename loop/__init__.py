"""The order of the stages, the gate, and what a run came to."""

from ..gen import Estimate, Progress
from ._evaluate import read_scores
from ._gate import Paired, Ruling, pair_items, rule
from ._pair import LengthPreference, pair, read_length_preferences, steps_to_pair
from ._report import ITERATION_COLUMNS, describe_outcome, iteration_cells, render_report, write_report
from ._report_to import Reporter, SilentReporter
from ._summary import Summary, summarize
from ._wheel import Wheel
from ._words import count, percent

__all__ = [
    "ITERATION_COLUMNS",
    "Estimate",
    "LengthPreference",
    "Paired",
    "Progress",
    "Reporter",
    "Ruling",
    "SilentReporter",
    "Summary",
    "Wheel",
    "count",
    "describe_outcome",
    "iteration_cells",
    "pair",
    "pair_items",
    "percent",
    "read_length_preferences",
    "read_scores",
    "render_report",
    "rule",
    "steps_to_pair",
    "summarize",
    "write_report",
]
