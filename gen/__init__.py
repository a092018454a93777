"""Making data: problems in, planned requests out, completions on record."""

from ._driver import Tally, generate_samples, request_row, rows_of_reply
from ._import import Imported, import_solutions
from ._plan import Planned, Step, choose_problems, read_problem_plan
from ._problems import load_problems
from .ingest import Ingested, IngestSettings, ingest_documents

__all__ = [
    "Imported",
    "IngestSettings",
    "Ingested",
    "Planned",
    "Step",
    "Tally",
    "choose_problems",
    "generate_samples",
    "import_solutions",
    "ingest_documents",
    "load_problems",
    "read_problem_plan",
    "request_row",
    "rows_of_reply",
]
