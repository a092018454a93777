"""Making data: documents in, planned requests out, completions on record; rows in and out in the formats people have."""

from ._budget import CHARS_PER_TOKEN, Meter, guess_message_tokens
from ._crew_state import CrewState, Node, WorkerState, find_crew
from ._draws import make_draw_stage
from ._dry_run import Effort, Estimate, estimate_steps, guess_steps, measure_effort
from ._exchange import Crew, Given, Hand, HandLostError, Told
from ._flow import Flow
from ._generator import REQUIRED, Ask, AskError, Completion, Fault, Generate, Generator, Item, Made, generator
from ._head import HeadFlow
from ._import import Imported, import_solutions
from ._inputs import SETS, check_imported, check_sources, explain_no_rows, explain_no_set, load_samples
from ._parse import Parsed, parse_json
from ._plan import ON_POLICY, SOLVE, Pool, Step, choose_problems, find_quotas
from ._planning import count_planned
from ._problems import ProblemSet, find_repeats, load_problems, read_problems
from ._progress import Progress, Stop
from ._registry import built_in, complete_options, find_generator
from ._retry import KINDS, find_retries, retire
from ._schema import check_schema
from ._steps import Stage, make_stages
from ._text import choose_tag
from ._worker import WorkerFlow
from .formats import (
    ASIDE,
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
from .ingest import Ingested, IngestSettings, check_arguments, ingest_documents

__all__ = [
    "ASIDE",
    "CHARS_PER_TOKEN",
    "EXPORT_FORMATS",
    "FORMATS",
    "HF",
    "KINDS",
    "ON_POLICY",
    "REQUIRED",
    "SELECTIONS",
    "SETS",
    "SOLUTIONS",
    "SOLVE",
    "Ask",
    "AskError",
    "Completion",
    "Crew",
    "CrewState",
    "Effort",
    "Estimate",
    "Exported",
    "Fault",
    "Flow",
    "Generate",
    "Generator",
    "Given",
    "Hand",
    "HandLostError",
    "HeadFlow",
    "Imported",
    "ImportedSet",
    "IngestSettings",
    "Ingested",
    "Inspected",
    "Item",
    "Made",
    "Meter",
    "Node",
    "Parsed",
    "Pool",
    "ProblemSet",
    "Progress",
    "Stage",
    "Step",
    "Stop",
    "Told",
    "WorkerFlow",
    "WorkerState",
    "built_in",
    "check_arguments",
    "check_imported",
    "check_push",
    "check_schema",
    "check_sources",
    "choose_problems",
    "choose_tag",
    "complete_options",
    "count_planned",
    "estimate_steps",
    "explain_no_rows",
    "explain_no_set",
    "export_rows",
    "find_crew",
    "find_generator",
    "find_quotas",
    "find_repeats",
    "find_retries",
    "generator",
    "guess_message_tokens",
    "guess_steps",
    "import_set",
    "import_solutions",
    "ingest_documents",
    "inspect_file",
    "load_problems",
    "load_samples",
    "make_draw_stage",
    "make_stages",
    "measure_effort",
    "parse_json",
    "parse_mapping",
    "push_folder",
    "read_problems",
    "retire",
]
