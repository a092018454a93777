"""Making data: problems in, planned requests out, completions on record."""

from ._driver import Tally, generate_samples, request_row, rows_of_reply
from ._generator import REQUIRED, Ask, Completion, Fault, Generator, Item, Made, generator
from ._import import Imported, import_solutions
from ._parse import Parsed, parse_json
from ._plan import Planned, Step, choose_problems, read_problem_plan
from ._problems import load_problems
from ._registry import built_in, complete_options, find_generator
from ._schema import check_schema

__all__ = [
    "REQUIRED",
    "Ask",
    "Completion",
    "Fault",
    "Generator",
    "Imported",
    "Item",
    "Made",
    "Parsed",
    "Planned",
    "Step",
    "Tally",
    "built_in",
    "check_schema",
    "choose_problems",
    "complete_options",
    "find_generator",
    "generate_samples",
    "generator",
    "import_solutions",
    "load_problems",
    "parse_json",
    "read_problem_plan",
    "request_row",
    "rows_of_reply",
]
