"""The inputs of steps, page by page from the store: planned rows, and samples that an interrupted run left waiting.

The inputs of a step over the store's rows are those of its plan (:mod:`._planning`); those of a step over another step's
samples join the plan as they come up. An input is done when it has a sample or a drop; these are written in one group,
so that it is done whole or not at all.
"""

import json
from collections.abc import Container, Iterator, Sequence
from typing import Any

from ..errors import RecipeError
from ..files import IMAGES
from ..llm import is_stored_image
from ..store import Store
from ._generator import Item
from ._known import KeySet
from ._plan import Step
from ._planning import AGAIN_AT, ID_OF, PAGE, Page, read_plan
from ._steps import Stage
from .formats import IMPORT, RESERVED, read_imported

_VALUES = {
    "chunks": """
        SELECT rowid, chunk_id, text, headings, source, media, n_tokens,
               (SELECT arg_max(d.title, d.version) FROM documents d WHERE d.source = chunks.source) AS title FROM chunks""",
    "problems": "SELECT rowid, problem_id, question, answer, solution, source, fields FROM problems",
}

DONE = """
    SELECT coalesce(input_id, problem_id) FROM samples WHERE run_id = $1 AND iteration = $2 AND step = $3
    UNION ALL SELECT input_id FROM drops WHERE run_id = $1 AND iteration = $2 AND step = $3
"""
"""The inputs of a step (run, iteration, name) that have an outcome."""

_CURE = {
    "chunks": "bring documents in first: flywheel ingest FILE_OR_FOLDER",
    "problems": "name a file under problems in the recipe",
    "imported": "bring rows in first: flywheel import FILE",
}


def check_sources(store: Store, stages: Sequence[Stage]) -> None:
    """See that there are rows for each step over the store's rows, before anything is connected.

    Raises:
        RecipeError: a step's source is empty, and nothing will bring rows in while the wheel turns.
    """
    for stage in stages:
        if stage.is_root and not stage.counts_draws and not stage.may_wait:
            source = stage.config.source
            rows = f"requests WHERE step = '{IMPORT}'" if source == "imported" else source
            if not store.query(f"SELECT 1 FROM {rows} LIMIT 1"):
                raise explain_no_rows(stage)


def explain_no_rows(stage: Stage) -> RecipeError:
    """Return the error of a step whose source is empty."""
    source = stage.config.source
    return RecipeError(f"step {stage.name!r}", expected=f"rows of {source}", received="none", cure=_CURE[source])


SETS = f"SELECT r.model, count(*) FROM samples s JOIN requests r USING (request_id) WHERE s.step = '{IMPORT}' GROUP BY 1 ORDER BY 1"
"""The imported sets with completions, and how many."""


def check_imported(store: Store, names: Sequence[str]) -> None:
    """See that there are completions of the sets that ``select.imported`` names, before anything is asked.

    Raises:
        RecipeError: there are none of one.
    """
    known = [str(name) for name, _ in store.query(SETS)] if names else []
    for name in names:
        if name not in known:
            raise explain_no_set(name, known)


def explain_no_set(name: str, known: Sequence[str]) -> RecipeError:
    """Return the error of a set that is named and not there."""
    return RecipeError(
        "recipe, select.imported", expected=f"an imported set {name!r} with completions", received=", ".join(known) or "none",
        cure=f"flywheel import FILE --name {name}, or name one of these",
    )  # fmt: skip


def find_done(store: Store, step: Step) -> KeySet:
    """Return the inputs of a step that have an outcome."""
    return KeySet(store, DONE, [step.run_id, step.iteration, step.name])


def find_missing(stage: Stage, item: Item) -> list[str]:
    """Return what the step's generator needs, or the step keeps, and an input has no value of: it becomes a drop."""
    return [name for name in stage.needs if item.get(name) is None]


def is_about_image(item: Item) -> bool:
    """Say whether an item's question can be answered only by one who sees an image."""
    return bool(item.get("question_images") or (item.get("grounded") and item.get("media")))


def find_unfit(stage: Stage, item: Item) -> str:
    """Return why the step's generator can do nothing with an input, which becomes a drop; empty when it can."""
    if missing := find_missing(stage, item):
        return f"the input has no {', '.join(missing)}"
    asks = "question" in stage.generator.consumes and not stage.generator.images
    return "question about an image" if asks and is_about_image(item) else ""


def read_inputs(
    store: Store, stage: Stage, step: Step, done: Container[str], planned: Iterator[Page] | None = None
) -> Iterator[list[Item]]:
    """Yield the inputs of ``step`` that are on record and not done, page by page; each page is one or two queries.

    For a step over another step's samples these are the samples that an earlier process made.

    Args:
        planned: what is planned, while more is being planned; None = the plan is whole.
    """
    if stage.is_root:
        pages = read_plan(store, step) if planned is None else planned
    else:
        pages = _sample_pages(store, stage, step)
    for page in pages:
        wanted = [key for _, key in page if key not in done]
        if not wanted:
            continue
        if stage.config.source in _VALUES:
            yield _load_rows(store, stage.config.source, page, set(wanted))
        else:
            yield load_samples(store, wanted)


def _sample_pages(store: Store, stage: Stage, step: Step) -> Iterator[Page]:
    """Yield the samples of the step before, as they are now, in an order that does not depend on when they came."""
    ids = store.query(
        """
        SELECT sample_id FROM samples
        WHERE run_id = ? AND iteration = ? AND step = ? AND sample_id NOT IN (SELECT sample_id FROM worse_samples)
        ORDER BY sample_id
        """,
        [step.run_id, step.iteration, stage.config.source],
    )
    for start in range(0, len(ids), PAGE):
        yield [(start + i, str(k)) for i, (k,) in enumerate(ids[start : start + PAGE])]


def _load_rows(store: Store, table: str, page: Page, wanted: set[str]) -> list[Item]:
    """Read rows by their place, which the store finds at once in a table of any size; by id where the place has moved."""
    key = ID_OF[table]
    select = _VALUES[table]
    by_id: dict[str, dict[str, Any]] = {}
    low, high = page[0][0] % AGAIN_AT, page[-1][0] % AGAIN_AT
    if 0 <= high - low <= 4 * PAGE:
        by_id = _by_id(store, select, f"rowid BETWEEN {low} AND {high}", [], key)
    missing = [k for k in wanted if k not in by_id]
    if missing:
        by_id |= _by_id(store, select, f"{key} IN (SELECT unnest(?::VARCHAR[]))", [missing], key)
    return [Item(k, by_id[k]) for _, k in page if k in wanted]


def _by_id(store: Store, select: str, condition: str, parameters: list[Any], key: str) -> dict[str, dict[str, Any]]:
    return {str(r[key]): _with_columns(r) for r in store.query_rows(f"{select} WHERE {condition}", parameters)}


def _with_columns(row: dict[str, Any]) -> dict[str, Any]:
    """Add the columns that a problem's row had, but for those that stand for something else here."""
    columns = json.loads(row.pop("fields", None) or "{}")
    images = [url for url in columns.get(IMAGES) or () if isinstance(url, str) and is_stored_image(url)]
    kept = {k: v for k, v in columns.items() if k not in RESERVED}
    return kept | ({IMAGES: images} if images else {}) | row


def load_samples(store: Store, sample_ids: Sequence[str]) -> list[Item]:
    """Return samples as items: their fields, prompt and completion, and what the rows that they come from add."""
    found = _with_ancestors(store, list(sample_ids), {})
    requests = dict(store.query(_REQUESTS, [list(sample_ids)]))
    return [Item(k, found[k], requests.get(k)) for k in sample_ids if k in found]


_REQUESTS = "SELECT sample_id, request_id FROM samples WHERE sample_id IN (SELECT unnest(?::VARCHAR[]))"


def load_inputs(store: Store, stage: Stage, step: Step, ids: Sequence[str]) -> tuple[list[Item], list[str]]:
    """Return those of a step's inputs that have no outcome, and the ids of those that have one."""
    rows = store.query(
        f"SELECT * FROM ({DONE}) t(k) WHERE k IN (SELECT unnest($4::VARCHAR[]))",
        [step.run_id, step.iteration, step.name, list(ids)],
    )
    done = {str(key) for (key,) in rows}
    wanted = [key for key in ids if key not in done]
    if not wanted:
        return [], sorted(done)
    if stage.config.source in _VALUES:
        return _load_rows(store, stage.config.source, [(-1, key) for key in wanted], set(wanted)), sorted(done)
    return load_samples(store, wanted), sorted(done)


_SAMPLES = """
    SELECT s.sample_id, s.step, s.input_id, s.problem_id, s.completion, s.fields,
           coalesce(s.prompt, (SELECT any_value(r.messages) FROM requests r WHERE r.request_id = s.request_id)) AS prompt
    FROM samples s WHERE s.sample_id IN (SELECT unnest(?::VARCHAR[]))
"""


def _with_ancestors(store: Store, ids: list[str], known: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    rows = store.query(_SAMPLES, [ids]) if ids else []
    imported = [str(r[0]) for r in rows if r[1] == IMPORT] + [i for i in ids if i.startswith("req_")]
    values |= {k: v for k, v in read_imported(store, imported) if k in set(imported)} if imported else {}
    rows = [(i, *rest) for i, step, *rest in rows if step != IMPORT]
    parents = sorted({str(i or p) for _, i, p, *_ in rows if i or p})
    above: dict[str, dict[str, Any]] = {}
    if parents:
        above = _with_ancestors(store, [p for p in parents if p.startswith(("smp_", "req_"))], known)
        for table, key in (("chunks", "chunk_id"), ("problems", "problem_id")):
            wanted = [p for p in parents if p.startswith({"chunks": "chk_", "problems": "prb_"}[table])]
            if wanted:
                above |= _by_id(store, _VALUES[table], f"{key} IN (SELECT unnest(?::VARCHAR[]))", [wanted], key)
    for sample_id, input_id, problem_id, completion, fields, prompt in rows:
        values[str(sample_id)] = sample_values(
            above.get(str(input_id or problem_id), {}),
            json.loads(fields or "{}"),
            json.loads(prompt or "[]"),
            completion,
        )
    return values


def sample_values(
    parent: dict[str, Any], fields: dict[str, Any], prompt: Sequence[dict[str, Any]], completion: str
) -> dict[str, Any]:
    """Return what a generator sees of a sample: its own columns over those of the row that it was made from.

    The answer of that row is none of a new question's.
    """
    if "question" in fields:
        parent = {k: v for k, v in parent.items() if k not in ("answer", "solution")}
    return {**parent, **fields, "prompt": list(prompt), "completion": completion}
