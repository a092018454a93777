"""Where the rows of an export come from: from each row back over all steps to documents, sets and problems, by SQL.

Every figure counts rows of the export. A row that was made from a row of an earlier step has that step's models and
templates too, and those of the requests that its generator asked on the way.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from ...schema import PROJECT_RUN
from ...store import Store
from ._exported import Exported
from ._load import CONTAMINATED, WITH_PROMPTS
from ._rows import STEP

Table = list[tuple[Any, ...]]

_SAMPLES = "SELECT rowid AS root, sample_id AS id FROM samples"
_ROOTS = {
    "sft": _SAMPLES, "samples": _SAMPLES, "kto": _SAMPLES,
    "dpo": "SELECT rowid AS root, unnest([chosen_sample_id, rejected_sample_id]) AS id FROM pairs",
    "imported": f"SELECT r.rowid AS root, s.sample_id AS id FROM requests r JOIN {WITH_PROMPTS} s USING (request_id)",
    "problems": "SELECT rowid AS root, problem_id AS id FROM problems",
}  # fmt: skip
"""The samples (or problems) that stand for a row of a selection."""

_SET_UP = """
CREATE TEMP TABLE way AS
WITH RECURSIVE w AS (
    SELECT root, id, 0 AS depth FROM ({roots}) WHERE root IN (SELECT unnest($1::BIGINT[]))
    UNION
    SELECT w.root, s.input_id, w.depth + 1 FROM w JOIN samples s ON s.sample_id = w.id WHERE s.input_id IS NOT NULL
)
SELECT root, id, max(depth) AS depth FROM w GROUP BY ALL;
"""
_MADE = f"""
CREATE TEMP TABLE made AS
SELECT w.root, w.depth, s.run_id, s.iteration, s.step, s.input_id, s.request_id, s.problem_id
FROM way w JOIN samples s ON s.sample_id = w.id WHERE NOT (s.run_id IS NOT DISTINCT FROM '{PROJECT_RUN}' AND s.step = '{STEP}')
"""
_ASKED = """
CREATE TEMP TABLE asked AS
SELECT m.root, m.depth, m.step, r.model, r.engine, r.template_id FROM made m JOIN requests r ON r.request_id = m.request_id
UNION
SELECT m.root, m.depth, m.step, r.model, r.engine, r.template_id FROM made m
JOIN requests r ON r.run_id = m.run_id AND r.iteration = m.iteration AND r.step = m.step AND r.input_id = m.input_id
"""
_IMPORTED = f"""
    SELECT name, 'imported set', licence, count(DISTINCT root) AS n FROM (
        SELECT w.root, r.model AS name FROM way w JOIN samples s ON s.sample_id = w.id JOIN requests r USING (request_id)
        WHERE s.run_id = '{PROJECT_RUN}' AND s.step = '{STEP}'
        UNION ALL
        SELECT w.root, r.model FROM way w JOIN requests r ON r.request_id = w.id WHERE starts_with(w.id, 'req_'))
    LEFT JOIN (SELECT name, arg_max(licence, imported_at) AS licence FROM datasets GROUP BY name) USING (name)
    GROUP BY ALL ORDER BY n DESC, 1
"""
_PROBLEMS = """
    SELECT p.source, 'problem set', d.licence, count(DISTINCT root) AS n
    FROM (SELECT root, problem_id FROM made WHERE problem_id IS NOT NULL
          UNION SELECT root, id FROM way WHERE starts_with(id, 'prb_')) w
    JOIN (SELECT DISTINCT ON (problem_id) problem_id, source FROM problems) p USING (problem_id)
    LEFT JOIN (SELECT name, arg_max(licence, imported_at) AS licence FROM datasets GROUP BY name) d ON d.name = p.source
    GROUP BY ALL ORDER BY n DESC, 1
"""
_DOCUMENTS = """
    SELECT c.source, 'document', d.licence, count(DISTINCT w.root) AS n
    FROM way w JOIN (SELECT DISTINCT chunk_id, source FROM chunks) c ON c.chunk_id = w.id
    LEFT JOIN (SELECT source, arg_max(coalesce(licence, ''), version) AS licence FROM documents GROUP BY source) d USING (source)
    GROUP BY ALL ORDER BY n DESC, 1
"""
_OF = """SELECT {columns}, count(DISTINCT root) AS n FROM asked {join} GROUP BY ALL ORDER BY max(depth) DESC, n DESC, 1, 2"""
_VERDICTS = """
    SELECT v.judge, count(*) FILTER (v.passed), count(*) FILTER (NOT v.passed), count(*) FILTER (v.passed IS NULL), avg(v.score)
    FROM (SELECT DISTINCT id FROM way WHERE depth = 0) w JOIN verdicts v ON v.sample_id = w.id GROUP BY 1 ORDER BY 1
"""
_STEPS = f"""
    SELECT run_id, step FROM (
        SELECT coalesce(run_id, '') AS run_id, step, max(depth) AS depth FROM made GROUP BY ALL
        UNION ALL
        SELECT '{PROJECT_RUN}', 'ingest', 1 << 20 WHERE EXISTS (FROM way WHERE starts_with(id, 'chk_'))
        UNION ALL
        SELECT '{PROJECT_RUN}', '{STEP}', 1 << 20 WHERE EXISTS (
            FROM way w WHERE starts_with(id, 'req_')
               OR id IN (SELECT sample_id FROM samples WHERE run_id = '{PROJECT_RUN}' AND step = '{STEP}'))
        UNION ALL
        SELECT DISTINCT run_id, 'problems', 1 << 19 FROM made WHERE problem_id IS NOT NULL AND run_id IS NOT NULL)
    ORDER BY depth DESC, run_id, step
"""
_FUNNEL = """
    SELECT step, sum(entered)::BIGINT, sum(kept)::BIGINT, sum(dropped)::BIGINT FROM funnel
    WHERE run_id = $1 AND step IN ($2, $2 || '/items', $2 || '/verify') GROUP BY 1 ORDER BY 1
"""
_COMPARED = """
    SELECT n.run_id, count(DISTINCT w.root) FROM (SELECT root, id FROM way WHERE depth = 0) w
    JOIN snapshot_rows x ON {match} JOIN snapshots n USING (snapshot_id) GROUP BY 1 ORDER BY 1
"""
_EVER_COMPARED = (
    "SELECT count(DISTINCT w.root) FROM (SELECT root, id FROM way WHERE depth = 0) w JOIN snapshot_rows x ON {match}"
)
_FOUND = f"""
    SELECT count(DISTINCT w.root) FROM (SELECT root, id FROM way WHERE depth = 0) w
    JOIN ({CONTAMINATED}) c ON {{match}}
"""
_SUITES = """
    SELECT DISTINCT suite ->> '$.name' FROM (SELECT unnest(recipe -> '$.suites[*]') AS suite FROM runs WHERE run_id IN (SELECT unnest($1::VARCHAR[])))
    ORDER BY 1
"""


@dataclass
class Provenance:
    """Where the rows of an export come from.

    Attributes:
        sources: (name, kind, licence, rows).
        models: (step, model, engine, rows).
        templates: (step, template, id, rows).
        verdicts: (judge, passed, failed, abstained, mean score), of the rows' own samples.
        funnel: (step, entered, kept, dropped) of the steps that led to the rows, the first one first.
        n_compared: rows that were compared with evaluation items, since a training set holds them.
        n_contaminated: rows that are on record as holding an evaluation item.
        suites: what rows were compared with.
        run_ids: the runs that made rows, or trained on them.
    """

    sources: Table = field(default_factory=list)
    models: Table = field(default_factory=list)
    templates: Table = field(default_factory=list)
    verdicts: Table = field(default_factory=list)
    funnel: Table = field(default_factory=list)
    n_compared: int = 0
    n_contaminated: int = 0
    suites: list[str] = field(default_factory=list)
    run_ids: list[str] = field(default_factory=list)


def trace_rows(store: Store, exported: Exported) -> Provenance:
    """Return where the rows of an export come from."""
    with store.read() as shared, closing(shared.cursor()) as connection:

        def ask(sql: str, *values: Any) -> Table:
            return connection.execute(sql, list(values)).fetchall()

        ask(_SET_UP.format(roots=_ROOTS[exported.what]), exported.units.tolist())
        ask(_MADE)
        ask(_ASKED)
        steps = ask(_STEPS)
        is_pairs = exported.what == "dpo"
        in_snapshot = (
            "x.pair_id IN (SELECT pair_id FROM pairs WHERE pairs.rowid = w.root)" if is_pairs else "x.sample_id = w.id"
        )
        compared = ask(_COMPARED.format(match=in_snapshot))
        pair = " OR c.sample_id IN (SELECT pair_id FROM pairs WHERE pairs.rowid = w.root)" if is_pairs else ""
        run_ids = list(dict.fromkeys([run_id for run_id, _ in steps] + [run_id for run_id, _ in compared]))
        join = "JOIN templates t USING (template_id)"
        found = Provenance(
            sources=[*ask(_IMPORTED), *ask(_PROBLEMS), *ask(_DOCUMENTS)],
            models=ask(_OF.format(columns="step, model, engine", join="")),
            templates=ask(_OF.format(columns="step, t.name, template_id", join=join)),
            verdicts=ask(_VERDICTS),
            n_compared=int(ask(_EVER_COMPARED.format(match=in_snapshot))[0][0]),
            n_contaminated=int(ask(_FOUND.format(match=f"c.sample_id = w.id{pair}"))[0][0]),
            suites=[str(name) for (name,) in ask(_SUITES, [run_id for run_id, _ in compared])],
            run_ids=[run_id for run_id in run_ids if run_id and run_id != PROJECT_RUN],
        )
        paired = [(run_id, "pair") for run_id in found.run_ids] if is_pairs else []
        for run_id, step in [*steps, *paired]:
            lines = ask(_FUNNEL, run_id, step)
            found.funnel += (
                lines if run_id != PROJECT_RUN else [(f"{line[0]}, all of the project", *line[1:]) for line in lines]
            )
        for table in ("way", "made", "asked"):
            ask(f"DROP TABLE {table}")
    return found


def group_by_licence(documents: Sequence[tuple[Any, ...]]) -> Table:
    """Return one line a licence for documents that are too many to be named."""
    by_licence: dict[Any, list[int]] = {}
    for _, _, licence, n in documents:
        by_licence.setdefault(licence, []).append(n)
    return [(f"{len(ns):,} documents", "documents", licence, sum(ns)) for licence, ns in by_licence.items()]
