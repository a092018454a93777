"""Making data: problems in, planned requests out, completions on record."""

from ._driver import Tally, generate_samples, request_row, rows_of_reply
from ._import import Imported, import_solutions
from ._plan import Planned, Step, choose_problems, read_problem_plan
from ._problems import load_problems
from .formats import (
    EXPORT_FORMATS,
    FORMATS,
    HF,
    SELECTIONS,
    SOLUTIONS,
    Exported,
    ImportedSet,
    Inspected,
    check_push,
    export_rows,
    import_set,
    inspect_file,
    parse_mapping,
    push_folder,
)

__all__ = [
    "EXPORT_FORMATS",
    "FORMATS",
    "HF",
    "SELECTIONS",
    "SOLUTIONS",
    "Exported",
    "Imported",
    "ImportedSet",
    "Inspected",
    "Planned",
    "Step",
    "Tally",
    "check_push",
    "choose_problems",
    "export_rows",
    "generate_samples",
    "import_set",
    "import_solutions",
    "inspect_file",
    "load_problems",
    "parse_mapping",
    "push_folder",
    "read_problem_plan",
    "request_row",
    "rows_of_reply",
]
