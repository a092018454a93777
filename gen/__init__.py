"""Making data: documents in, planned requests out, completions on record; rows in and out in the formats people have."""

from ._budget import Meter
from ._driver import Tally, generate_samples, request_row, rows_of_reply
from ._dry_run import Estimate, estimate_steps
from ._flow import Flow
from ._generator import REQUIRED, Ask, AskError, Completion, Fault, Generator, Item, Made, generator
from ._import import Imported, import_solutions
from ._parse import Parsed, parse_json
from ._plan import Planned, Step, choose_problems, read_problem_plan
from ._problems import ProblemSet, load_problems, read_problems
from ._progress import Progress
from ._registry import built_in, complete_options, find_generator
from ._retry import KINDS, retire
from ._schema import check_schema
from ._steps import Stage, make_stages
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
from .ingest import Ingested, IngestSettings, ingest_documents

__all__ = [
    "EXPORT_FORMATS",
    "FORMATS",
    "HF",
    "KINDS",
    "REQUIRED",
    "SELECTIONS",
    "SOLUTIONS",
    "Ask",
    "AskError",
    "Completion",
    "Estimate",
    "Exported",
    "Fault",
    "Flow",
    "Generator",
    "Imported",
    "ImportedSet",
    "IngestSettings",
    "Ingested",
    "Inspected",
    "Item",
    "Made",
    "Meter",
    "Parsed",
    "Planned",
    "ProblemSet",
    "Progress",
    "Stage",
    "Step",
    "Tally",
    "built_in",
    "check_push",
    "check_schema",
    "choose_problems",
    "complete_options",
    "estimate_steps",
    "export_rows",
    "find_generator",
    "generate_samples",
    "generator",
    "import_set",
    "import_solutions",
    "ingest_documents",
    "inspect_file",
    "load_problems",
    "make_stages",
    "parse_json",
    "parse_mapping",
    "push_folder",
    "read_problem_plan",
    "read_problems",
    "request_row",
    "retire",
    "rows_of_reply",
]
