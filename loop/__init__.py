"""The order of the stages, the gate, and what a run came to."""

from ..gen import Estimate, Progress
from ..judge import Decontaminator, OwnFate
from ._ahead import Ahead, look_ahead
from ._before_after import COLUMNS as COMPARISON_COLUMNS
from ._before_after import comparison_cells, explain_deltas, tell_cut_of_both
from ._champion import ChampionWatch
from ._check_own import CheckedRows, check_own, tabulate_rows
from ._compare import Comparison
from ._cut import tell_cut
from ._decide import check_metrics, decide, propose
from ._evaluate import read_scores
from ._explain import add_scores, describe_account, explain_decision, read_decisions, show_difference, show_interval
from ._freeze import read_items
from ._gate import GuardTrial, Increase, LimitTrial, Ruling, judge_guards, pair_items, rule
from ._graded import Graded
from ._measured import compare_items, read_unscored
from ._now import Now, describe_now, find_now, find_working_crew
from ._pair import LengthPreference, pair, read_length_preferences, steps_to_pair
from ._paired import Compared, Paired, detectable
from ._report import (
    BEFORE_AFTER_COLUMNS,
    ITERATION_COLUMNS,
    MEASURED_COLUMNS,
    before_after_cells,
    describe_champion,
    describe_outcome,
    describe_trained,
    iteration_cells,
    measured_cells,
    render_report,
    write_report,
)
from ._report_to import Reporter, SilentReporter
from ._run import require_wheel
from ._served import SERVED_FOLDER, import_served
from ._spending import Spent, level_of, share_of_level
from ._stop import stop_run
from ._summary import Summary, find_undone, summarize
from ._watch_table import MEASURE_COLUMNS, finding_lines, measure_cells
from ._wheel import Wheel
from ._words import count, percent, show_score

__all__ = [
    "BEFORE_AFTER_COLUMNS",
    "COMPARISON_COLUMNS",
    "ITERATION_COLUMNS",
    "MEASURED_COLUMNS",
    "MEASURE_COLUMNS",
    "SERVED_FOLDER",
    "Ahead",
    "ChampionWatch",
    "CheckedRows",
    "Compared",
    "Comparison",
    "Decontaminator",
    "Estimate",
    "Graded",
    "GuardTrial",
    "Increase",
    "LengthPreference",
    "LimitTrial",
    "Now",
    "OwnFate",
    "Paired",
    "Progress",
    "Reporter",
    "Ruling",
    "SilentReporter",
    "Spent",
    "Summary",
    "Wheel",
    "add_scores",
    "before_after_cells",
    "check_metrics",
    "check_own",
    "compare_items",
    "comparison_cells",
    "count",
    "decide",
    "describe_account",
    "describe_champion",
    "describe_now",
    "describe_outcome",
    "describe_trained",
    "detectable",
    "explain_decision",
    "explain_deltas",
    "find_now",
    "find_undone",
    "find_working_crew",
    "finding_lines",
    "import_served",
    "iteration_cells",
    "judge_guards",
    "level_of",
    "look_ahead",
    "measure_cells",
    "measured_cells",
    "pair",
    "pair_items",
    "percent",
    "propose",
    "read_decisions",
    "read_items",
    "read_length_preferences",
    "read_scores",
    "read_unscored",
    "render_report",
    "require_wheel",
    "rule",
    "share_of_level",
    "show_difference",
    "show_interval",
    "show_score",
    "steps_to_pair",
    "stop_run",
    "summarize",
    "tabulate_rows",
    "tell_cut",
    "tell_cut_of_both",
    "write_report",
]
