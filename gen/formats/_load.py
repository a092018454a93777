"""Rows of the store as records again, in the order in which they came, streamed."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ...schema import PROJECT_RUN, Message
from ...store import Store, stream_query
from ._exported import ORIGIN
from ._patch import ABSENT, EXTRA, SPELLING, apply_diff
from ._record import Answer, Problem, Record, Row
from ._rows import STEP

FETCHED_ROWS = 500

_SAMPLE = """
    s.request_id, r.n_draws, s.draw, s.step, coalesce(s.prompt, r.messages) AS messages, s.prompt IS NOT NULL AS has_prompt,
    s.completion, s.fields, s.parser, r.engine, r.model, r.template_id, s.run_id,
    (SELECT any_value(b.source) FROM problems b WHERE b.problem_id = s.problem_id) AS problem_source
"""
_JUDGED = """
    LEFT JOIN (SELECT DISTINCT ON (sample_id) sample_id, passed, score FROM verdicts
               ORDER BY sample_id, passed IS NULL, starts_with(judge, 'recorded@'), judge DESC) v USING (sample_id)
"""
_PROBLEM = """
    LEFT JOIN (SELECT DISTINCT ON (problem_id) problem_id, question, answer, solution FROM problems) p USING (problem_id)
"""
_NO_PROBLEM = "NULL AS question, NULL AS answer, NULL AS solution"
_COLUMNS = "s.*, r.messages, r.model, r.engine, r.template_id, s.fields ->> '$.format' AS format"

SELECTIONS: dict[str, str] = {
    "sft": "accepted samples: passed by a judge or verifier",
    "dpo": "pairs",
    "kto": "samples with a verdict, as a yes or no",
    "imported": "rows of imported sets, each as it came: pairs, labels and scores included",
    "problems": "questions with known answers",
    "samples": "every sample, accepted or not",
}
"""What can be exported, by name."""

_SINGLE = f"""
    SELECT s.rowid AS unit, 0 AS slot, {_SAMPLE}, NULL AS passed, NULL AS score, false AS preferred, {_NO_PROBLEM}
    FROM samples s JOIN requests r USING (request_id)
"""
_QUERIES: dict[str, str] = {
    "sft": _SINGLE + " WHERE s.sample_id IN (SELECT sample_id FROM sft) AND {where} ORDER BY 1",
    "samples": _SINGLE + " WHERE {where} ORDER BY 1",
    "kto": f"""
        SELECT s.rowid AS unit, 0 AS slot, {_SAMPLE}, v.passed, NULL AS score, false AS preferred, {_NO_PROBLEM}
        FROM samples s JOIN requests r USING (request_id) {_JUDGED}
        WHERE v.passed IS NOT NULL AND {{where}} ORDER BY 1""",
    "imported": f"""
        SELECT r.rowid AS unit, s.draw AS slot, {_SAMPLE}, v.passed, v.score,
               s.request_id IN (SELECT c.request_id FROM pairs x JOIN samples c ON c.sample_id = x.chosen_sample_id
                                WHERE x.kind = 'imported') AS preferred,
               p.question, p.answer, p.solution
        FROM samples s JOIN requests r USING (request_id)
        LEFT JOIN (SELECT sample_id, passed, score FROM verdicts WHERE starts_with(judge, 'recorded@')) v USING (sample_id)
        {_PROBLEM}
        WHERE s.run_id = '{PROJECT_RUN}' AND s.step = '{STEP}' AND {{where}} ORDER BY 1, 2""",
    "dpo": f"""
        SELECT x.rowid AS unit, t.slot, {_SAMPLE}, NULL AS passed, NULL AS score, true AS preferred, {_NO_PROBLEM}
        FROM pairs x CROSS JOIN (VALUES (0), (1)) t(slot)
        JOIN samples s ON s.sample_id = CASE t.slot WHEN 0 THEN x.chosen_sample_id ELSE x.rejected_sample_id END
        JOIN requests r USING (request_id)
        WHERE x.chosen_sample_id IN (SELECT s.sample_id FROM samples s JOIN requests r USING (request_id) WHERE {{where}})
        ORDER BY 1, 2""",
    "problems": """
        SELECT min(p.rowid) AS unit, 0 AS slot, NULL AS request_id, 1 AS n_draws, 0 AS draw, 'problems' AS step,
               json_array(json_object('role', 'user', 'content', p.question)) AS messages, false AS has_prompt,
               coalesce(any_value(p.solution), p.answer) AS completion, NULL AS fields, NULL AS parser, 'problems' AS engine,
               any_value(p.source) AS model, NULL AS template_id, NULL AS run_id,
               NULL AS problem_source,
               NULL AS passed, NULL AS score, false AS preferred, p.question, p.answer, any_value(p.solution) AS solution
        FROM problems p WHERE {where} GROUP BY p.problem_id, p.question, p.answer ORDER BY 1""",
}


@dataclass(frozen=True)
class Loaded:
    """A record with where it comes from."""

    record: Record
    format: str | None
    """The format that it was imported from, when the record is the whole row."""
    kept: Row
    """What the import kept beside the record: see :mod:`._patch`."""
    origin: Row
    """The values of :data:`~._exported.ORIGIN` of its first sample."""

    def written_as(self, name: str, written: Row) -> Row:
        """Return the row that its own format had read, if ``name`` is that format; ``written`` otherwise."""
        return apply_diff(written, self.kept) if name == self.format else written


@contextmanager
def load_records(store: Store, what: str, where: str | None = None) -> Iterator[Iterator[Loaded]]:
    """Hand out the records of a selection while the store is open for reading, without file or network access.

    Args:
        store: the store.
        what: one of :data:`SELECTIONS`.
        where: a SQL condition on the columns of ``samples`` and ``messages, model, engine, template_id, format``;
            for pairs, of the chosen sample; for problems, on the columns of ``problems``. A row of an imported set
            is taken when one of its samples is.

    Raises:
        QueryError: the condition cannot be run.
    """
    condition = _condition(what, where) if where else "true"
    with stream_query(store.project, _QUERIES[what].format(where=condition), "--where") as found:
        yield _records(found)


def _condition(what: str, where: str) -> str:
    """Return the user's condition as one on the query of ``what``; a row of an imported set is taken or left whole."""
    if what == "problems":
        return f"p.problem_id IN (SELECT problem_id FROM problems WHERE (\n{where}\n))"
    key = "request_id" if what == "imported" else "sample_id"
    rows = f"(SELECT {_COLUMNS} FROM samples s JOIN requests r USING (request_id))"
    return f"s.{key} IN (SELECT {key} FROM {rows} WHERE (\n{where}\n))"


def _records(found: Any) -> Iterator[Loaded]:
    names = [d[0] for d in found.description]
    fetched = iter(lambda: found.fetchmany(FETCHED_ROWS), [])
    rows = (dict(zip(names, values, strict=True)) for batch in fetched for values in batch)
    for _, unit in groupby(rows, key=lambda r: r["unit"]):
        yield _loaded(list(unit))


def _loaded(rows: list[Row]) -> Loaded:
    first, fields = rows[0], [_fields(r) for r in rows]
    problem = Problem(first["question"], first["answer"], first["solution"]) if first["question"] is not None else None
    prompt: tuple[Message, ...] = tuple(json.loads(first["messages"]))
    answers = tuple(_answer(r, f) for r, f in zip(rows, fields, strict=True))
    head = fields[0]
    record = Record(prompt, answers, bool(first["preferred"]), head.get("tools"), problem, head.get("shape", {}))
    whole = "format" in head and len(rows) == first["n_draws"] and [r["draw"] for r in rows] == list(range(len(rows)))
    same = len({r["request_id"] for r in rows}) == 1 and not first["has_prompt"]
    kept = {k: head[k] for k in (EXTRA, SPELLING, ABSENT) if k in head}
    origin = {k: first[k] for k in ORIGIN}
    return Loaded(record, head["format"] if whole and same else None, kept, origin)


def _fields(row: Row) -> Row:
    """Return what an import kept beside a sample; nothing for samples that other steps made."""
    if row["fields"] is None or not str(row["parser"] or "").startswith("import-"):
        return {}
    fields: Row = json.loads(row["fields"])
    return fields


def _answer(row: Row, fields: Mapping[str, Any]) -> Answer:
    said = [fields["message"]] if "message" in fields else fields.get("turns")
    turns = tuple(said) if said else ({"role": "assistant", "content": row["completion"]},)
    own = fields.get("answer", {})
    return Answer(turns, row["passed"], row["score"], own.get("model"), own.get("extra", {}))
