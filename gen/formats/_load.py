"""Rows of the store as records again, in the order in which they came, streamed."""

import json
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from ...errors import InputError, QueryError
from ...llm import inline_images
from ...schema import PROJECT_RUN, Message
from ...store import Store, read_safely
from ._base import Format
from ._patch import ABSENT, EXTRA, SPELLING, apply_diff
from ._record import Answer, CannotWrite, Problem, Record, Row
from ._rows import STEP

FETCHED_ROWS = 500
PAGE_UNITS = 10_000
"""Records that are looked up at once: their ids are sorted first (8 bytes each), never the rows themselves."""

SELECTIONS: dict[str, str] = {
    "sft": "accepted samples: passed by a judge or verifier",
    "dpo": "pairs",
    "kto": "samples with a verdict, as a yes or no",
    "imported": "rows of imported sets, each as it came: pairs, labels and scores included",
    "problems": "questions with known answers",
    "samples": "every sample, accepted or not",
}
"""What can be exported, by name."""

CONTAMINATED = "SELECT DISTINCT input_id AS sample_id FROM drops WHERE starts_with(reason, 'contaminated')"
"""Samples and pairs that decontamination found an evaluation item in, when a training set was made."""

ASIDE: dict[str, tuple[str, str]] = {
    "worse": ("SELECT sample_id FROM worse_samples", "the worse one of a pair"),
    "contaminated": (
        f"SELECT chosen_sample_id FROM pairs WHERE pair_id IN ({CONTAMINATED}) UNION ALL {CONTAMINATED}",
        "on record as holding an evaluation item",
    ),
    "outdated": (
        "SELECT sample_id FROM outdated_samples",
        "of a document or set whose version in use has no such chunk or row any more",
    ),
}
"""Samples that go out only when they are asked for: the query that lists them, and what they are."""
_ASIDE_OF = {
    "sft": ("contaminated", "outdated"), "samples": ("worse", "contaminated", "outdated"), "kto": ("contaminated", "outdated"),
    "dpo": ("contaminated", "outdated"), "imported": ("contaminated", "outdated"), "problems": ("outdated",),
}  # fmt: skip
_KEY_OF = {
    ("imported", "outdated"): ("s.request_id", "SELECT request_id FROM replaced_rows"),
    ("imported", "contaminated"): (
        "s.request_id", f"SELECT request_id FROM samples WHERE sample_id IN ({ASIDE['contaminated'][0]})",
    ),
    ("problems", "outdated"): ("p.problem_id", "SELECT problem_id FROM outdated_problems"),
}  # fmt: skip
"""What says of selections of other rows than samples that they are set aside."""

_UNITS: dict[str, str] = {
    "sft": "SELECT s.place FROM placed_samples s WHERE s.sample_id IN (SELECT sample_id FROM sft) AND {where} ORDER BY 1",
    "samples": "SELECT s.place FROM placed_samples s WHERE {where} ORDER BY 1",
    "kto": """
        SELECT s.place FROM placed_samples s
        WHERE s.sample_id IN (SELECT sample_id FROM verdicts WHERE passed IS NOT NULL)
          AND NOT starts_with(s.step, 'calibration.') AND {where} ORDER BY 1""",
    "imported": f"""
        SELECT s.place FROM placed_requests s WHERE s.run_id = '{PROJECT_RUN}' AND s.step = '{STEP}' AND {{where}} ORDER BY 1""",
    "dpo": """
        SELECT x.rowid FROM pairs x
        WHERE x.chosen_sample_id IN (SELECT s.sample_id FROM samples s WHERE {where})
          AND x.pair_id NOT IN (SELECT pair_id FROM unused_pairs) ORDER BY 1""",
    "problems": "SELECT min(p.rowid) FROM problems p WHERE {where} GROUP BY p.problem_id ORDER BY 1",
}
"""The row that stands for each record of a selection, in order."""

COLUMNS = "s.*, r.messages, r.model, r.engine, r.template_id, s.fields ->> '$.format' AS format"
"""What a condition on samples may name, of ``samples s JOIN requests r``."""

WITH_PROMPTS = "(FROM samples UNION ALL BY NAME FROM imported_prompts)"
"""Samples, and the prompts that were imported without one: their completion is NULL."""

_PAGE = "IN (SELECT unnest($1::BIGINT[]))"
_SAMPLE = """
    s.sample_id, s.problem_id, s.request_id, r.n_draws, s.draw, s.step, coalesce(s.prompt, r.messages) AS messages,
    s.prompt IS NOT NULL AS has_prompt, s.completion, s.fields, s.parser
"""
_NO_PROBLEM = "NULL AS question, NULL AS answer, NULL AS solution"
_SINGLE = f"""
    WITH u AS (SELECT s.place AS unit, 0 AS slot, {_SAMPLE} FROM placed_samples s JOIN requests r USING (request_id)
               WHERE s.place {_PAGE})
"""
_PLAIN = f"""{_SINGLE}
    SELECT u.*, NULL AS passed, NULL AS score, false AS preferred, {_NO_PROBLEM} FROM u ORDER BY unit
"""
_RECORDS: dict[str, str] = {
    "sft": _PLAIN,
    "samples": _PLAIN,
    "kto": f"""{_SINGLE}
        SELECT u.*, v.passed, NULL AS score, false AS preferred, {_NO_PROBLEM} FROM u
        JOIN (SELECT DISTINCT ON (sample_id) sample_id, passed FROM verdicts
              WHERE passed IS NOT NULL AND NOT contains(split_part(judge, '@', 1), '/') AND sample_id IN (SELECT sample_id FROM u)
              ORDER BY sample_id, NOT starts_with(judge, 'human:'), starts_with(judge, 'recorded@'),
                       CASE WHEN starts_with(judge, 'human:') THEN created_at END DESC, judge DESC) v USING (sample_id)
        ORDER BY unit""",
    "imported": f"""
        WITH u AS (SELECT r.place AS unit, s.draw AS slot, {_SAMPLE}
                   FROM placed_requests r JOIN {WITH_PROMPTS} s USING (request_id) WHERE r.place {_PAGE})
        SELECT u.*, v.passed, v.score, x.chosen_sample_id IS NOT NULL AS preferred, p.question, p.answer, p.solution
        FROM u
        LEFT JOIN (SELECT sample_id, passed, score FROM verdicts
                   WHERE starts_with(judge, 'recorded@') AND sample_id IN (SELECT sample_id FROM u)) v USING (sample_id)
        LEFT JOIN (SELECT DISTINCT chosen_sample_id FROM pairs
                   WHERE kind = 'imported' AND chosen_sample_id IN (SELECT sample_id FROM u)) x
          ON x.chosen_sample_id = u.sample_id
        LEFT JOIN (SELECT DISTINCT ON (problem_id) problem_id, question, answer, solution FROM problems
                   WHERE problem_id IN (SELECT problem_id FROM u)) p USING (problem_id)
        ORDER BY unit, slot""",
    "dpo": f"""
        WITH u AS (SELECT x.rowid AS unit, t.slot, {_SAMPLE}
                   FROM pairs x CROSS JOIN (VALUES (0), (1)) t(slot)
                   JOIN samples s ON s.sample_id = CASE t.slot WHEN 0 THEN x.chosen_sample_id ELSE x.rejected_sample_id END
                   JOIN requests r USING (request_id) WHERE x.rowid {_PAGE})
        SELECT u.*, NULL AS passed, NULL AS score, true AS preferred, {_NO_PROBLEM} FROM u ORDER BY unit, slot""",
    "problems": f"""
        SELECT p.rowid AS unit, 0 AS slot, NULL AS sample_id, p.problem_id, NULL AS request_id, 1 AS n_draws, 0 AS draw,
               'problems' AS step, json_array(json_object('role', 'user', 'content', p.question)) AS messages,
               false AS has_prompt, coalesce(p.solution, p.answer) AS completion, NULL AS fields, NULL AS parser,
               NULL AS passed, NULL AS score, false AS preferred, p.question, p.answer, p.solution
        FROM problems p WHERE p.rowid {_PAGE} ORDER BY unit""",
}
"""The samples of a page of units."""


SAID = "completion_messages"
"""Field of a generator's sample that says more than a text: calls of tools, their results, the answer."""


@dataclass(frozen=True)
class Loaded:
    """A record with where it comes from."""

    record: Record
    format: str | None
    """The format that it was imported from, when the record is the whole row."""
    kept: Row
    """What the import kept beside the record: see :mod:`._patch`."""
    unit: int
    """The row of the store that stands for it."""
    fields: str | None
    """What the store keeps of it beside its texts, as JSON: what a generator said of it, what a set had more of."""
    folder: Path
    """The project's: images that were ingested are named in rows, and go out as what they are."""

    def with_images(self) -> Record:
        """Return the record with the images that its prompt names in it.

        Raises:
            CannotWrite: one is gone.
        """
        try:
            return replace(self.record, prompt=tuple(inline_images(self.record.prompt, self.folder)))
        except InputError as error:
            raise CannotWrite(f"the image is gone: {error.place}") from None

    def read_fields(self, names: Sequence[str]) -> Row:
        """Return the fields of these names, for columns of their own; of a row of a set its further columns.

        Raises:
            CannotWrite: it has none of one of the names.
        """
        fields: Row = json.loads(self.fields or "{}")
        known = {**fields.get(EXTRA, {}), **fields}
        if missing := [name for name in names if known.get(name) is None]:
            raise CannotWrite(f"no field {missing[0]}")
        return {name: known[name] for name in names}

    def written_as(self, fmt: Format) -> Row:
        """Return the record as a row of ``fmt``: the very row that was imported, if that is its own format.

        Raises:
            CannotWrite: the format has no place for something in it.
        """
        if fmt.name != self.format:
            return fmt.checked(self.with_images())
        try:
            return apply_diff(fmt.write(self.record), self.kept)
        except CannotWrite:
            return apply_diff({}, self.kept)


@dataclass(frozen=True)
class Selected:
    """The records of a selection, and by the keys of :data:`ASIDE` how many were set aside."""

    records: Iterator[Loaded]
    aside: dict[str, int]


@contextmanager
def load_records(
    store: Store, what: str, where: str | None = None, include: Collection[str] = ()
) -> Iterator[Selected]:
    """Hand out the records of a selection while the store is open for reading, without file or network access.

    Args:
        store: the store.
        what: one of :data:`SELECTIONS`.
        include: keys of :data:`ASIDE` that are to go out too.
        where: a SQL condition on the columns of ``samples`` and ``messages, model, engine, template_id, format``;
            for pairs, of the chosen sample; for problems, on the columns of ``problems``. A row of an imported set
            is taken when one of its samples is.

    Raises:
        QueryError: the condition cannot be run.
    """
    with read_safely(store.project, f"--where {where}" if where else f"export --what {what}") as connection:
        condition, aside = _set_aside(connection, what, where, include)
        found = connection.execute(_UNITS[what].format(where=condition))
        units = array("q", (unit for (unit,) in _fetch(found)))
        yield Selected(map(partial(_loaded, store.project.root), _units(connection, _RECORDS[what], units)), aside)


def look_at_records(
    store: Store, what: str, where: str | None, include: Collection[str], most: int
) -> tuple[int, list[Loaded]]:
    """Return how many records a selection has, and the first of them; none where the condition does not fit its columns."""
    try:
        with read_safely(store.project, "--where") as connection:
            n = _count(connection, what, _set_aside(connection, what, where, include)[0])
        with load_records(store, what, where, include) as selected:
            return n, list(islice(selected.records, most))
    except QueryError:
        return 0, []


def _set_aside(connection: Any, what: str, where: str | None, include: Collection[str]) -> tuple[str, dict[str, int]]:
    """Return the condition of what goes out, and how many of what the user asks for do not."""
    aside: dict[str, int] = {}
    condition = _condition(what, where) if where else "true"
    for key in _ASIDE_OF.get(what, ()):
        if key not in include:
            column, listed = _KEY_OF.get((what, key), ("s.sample_id", ASIDE[key][0]))
            aside[key] = _count(connection, what, f"{condition} AND {column} IN ({listed})")
            condition += f" AND {column} NOT IN ({listed})"
    return condition, {key: n for key, n in aside.items() if n}


def _count(connection: Any, what: str, condition: str) -> int:
    ((n,),) = connection.execute(f"SELECT count(*) FROM ({_UNITS[what].format(where=condition)})").fetchall()
    return int(n)


def read_rows_of(store: Store, sample_ids: Sequence[str]) -> Iterator[tuple[Loaded, list[str]]]:
    """Yield the rows of sets that hold any of ``sample_ids``, each with the ids of all its samples (or of its prompt)."""
    with store.read() as connection:
        units = connection.execute(
            """
            SELECT place FROM placed_requests WHERE request_id IN (
                SELECT request_id FROM samples WHERE sample_id IN (SELECT unnest($1::VARCHAR[]))
                UNION ALL SELECT unnest($1::VARCHAR[])) ORDER BY 1
            """,
            [list(sample_ids)],
        ).fetchall()
        for rows in _units(connection, _RECORDS["imported"], array("q", (unit for (unit,) in units))):
            yield _loaded(store.project.root, rows), [str(row["sample_id"]) for row in rows]


def _condition(what: str, where: str) -> str:
    """Return the user's condition as one on the query of ``what``; a row of an imported set is taken or left whole."""
    if what == "problems":
        return f"p.problem_id IN (SELECT problem_id FROM problems WHERE (\n{where}\n))"
    key = "request_id" if what == "imported" else "sample_id"
    table = WITH_PROMPTS if what == "imported" else "samples"
    rows = f"(SELECT {COLUMNS} FROM {table} s JOIN requests r USING (request_id))"
    return f"s.{key} IN (SELECT {key} FROM {rows} WHERE (\n{where}\n))"


def _units(connection: Any, query: str, units: "array[int]") -> Iterator[list[Row]]:
    for at in range(0, len(units), PAGE_UNITS):
        found = connection.execute(query, [units[at : at + PAGE_UNITS].tolist()])
        names = [d[0] for d in found.description]
        rows = (dict(zip(names, values, strict=True)) for values in _fetch(found))
        for _, unit in groupby(rows, key=lambda r: r["unit"]):
            yield list(unit)


def _fetch(found: Any) -> Iterator[tuple[Any, ...]]:
    while batch := found.fetchmany(FETCHED_ROWS):
        yield from batch


def _loaded(folder: Path, rows: list[Row]) -> Loaded:
    first, fields = rows[0], [_fields(r) for r in rows]
    problem = Problem(first["question"], first["answer"], first["solution"]) if first["question"] is not None else None
    prompt: tuple[Message, ...] = tuple(json.loads(first["messages"]))
    answers = tuple(_answer(r, f) for r, f in zip(rows, fields, strict=True) if r["completion"] is not None)
    head = fields[0]
    record = Record(
        prompt, answers, any(r["preferred"] for r in rows), head.get("tools"), problem, head.get("shape", {})
    )
    whole = "format" in head and [r["draw"] for r in rows] == list(range(first["n_draws"] or 1))
    same = len({r["request_id"] for r in rows}) == 1 and not first["has_prompt"]
    kept = {k: head[k] for k in (EXTRA, SPELLING, ABSENT) if k in head}
    return Loaded(record, head["format"] if whole and same else None, kept, int(first["unit"]), first["fields"], folder)


def _fields(row: Row) -> Row:
    """Return what an import kept beside a sample; of one that another step made what it says, where that is more than a text."""
    if row["fields"] is None:
        return {}
    if str(row["parser"] or "").startswith("import-"):
        fields: Row = json.loads(row["fields"])
        return fields
    if SAID not in row["fields"]:
        return {}
    made: Row = json.loads(row["fields"])
    return {"turns": made.get(SAID), "tools": made.get("tools") or None}


def _answer(row: Row, fields: Mapping[str, Any]) -> Answer:
    said = [fields["message"]] if "message" in fields else fields.get("turns")
    turns = tuple(said) if said else ({"role": "assistant", "content": row["completion"]},)
    own = fields.get("answer", {})
    return Answer(turns, row["passed"], row["score"], own.get("model"), own.get("extra", {}))
