"""Making data: problems in, planned requests out, completions on record."""

from ._driver import Tally, generate_samples, request_row, rows_of_reply
from ._import import Imported, import_solutions
from ._plan import Planned, Step, choose_problems, read_problem_plan
from ._problems import ProblemSet, load_problems, read_problems

__all__ = [
    "Imported",
    "Planned",
    "ProblemSet",
    "Step",
    "Tally",
    "choose_problems",
    "generate_samples",
    "import_solutions",
    "load_problems",
    "read_problem_plan",
    "read_problems",
    "request_row",
    "rows_of_reply",
]
