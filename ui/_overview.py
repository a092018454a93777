"""Queries of the pages of runs, judges and evaluations."""

import json
from typing import Any

from ..errors import FlywheelError
from ..loop import find_now, find_undone
from ..store import ask, find_owner
from ._reader import PAGE_LIMITS, Reader, Row

ITEMS_SHOWN = 50
FIRES_SHOWN = 14

_RUNS = """
    WITH active AS (
        SELECT run_id, max(finished_at) AS at FROM iterations GROUP BY run_id
        UNION ALL SELECT run_id, max(started_at) FROM iterations GROUP BY run_id
        UNION ALL SELECT run_id, max(created_at) FROM decisions GROUP BY run_id
    )
    SELECT r.run_id, r.name, r.model, r.seed, r.started_at, max(a.at) AS active_at,
           r.run_id IN (SELECT run_id FROM decisions) AS has_decided
    FROM runs r LEFT JOIN active a USING (run_id) GROUP BY ALL ORDER BY has_decided DESC, active_at DESC NULLS LAST, r.started_at DESC"""
_SCORES = """
    SELECT DISTINCT iteration, stage, checkpoint_id, suite, split, metric, score, stderr, n, promoted, role, reason, higher_is_better,
           delta, p_value, created_at
    FROM leaderboard WHERE run_id = $run ORDER BY created_at, suite, split, metric"""
_FUNNEL = """
    SELECT iteration, step, entered, kept, dropped, reason FROM funnel WHERE run_id IN ($run, 'project')
    ORDER BY iteration, (SELECT min(created_at) FROM requests q WHERE q.run_id = $run AND q.step = split_part(funnel.step, '/', 1)) NULLS LAST, step"""
_COST = """
    SELECT iteration, step, string_agg(DISTINCT model, ', ') AS models, sum(requests)::BIGINT AS requests, sum(failed)::BIGINT AS failed,
           sum(prompt_tokens)::BIGINT AS prompt_tokens, sum(completion_tokens)::BIGINT AS completion_tokens, sum(latency_s) AS latency_s
    FROM cost WHERE run_id = $run AND attempts > 0 GROUP BY iteration, step ORDER BY iteration, step"""
_STEPS = """
    WITH now AS (SELECT max(iteration) AS iteration FROM plans WHERE run_id = $run),
    due AS (SELECT step, sum(n)::BIGINT AS due FROM plans WHERE run_id = $run AND iteration = (SELECT iteration FROM now) GROUP BY step),
    done AS (
        SELECT step, count(*) AS done, max(created_at) AS last_at FROM samples
        WHERE run_id = $run AND iteration = (SELECT iteration FROM now) GROUP BY step)
    SELECT (SELECT iteration FROM now) AS iteration, step, due, coalesce(done, 0) AS done, last_at
    FROM due JOIN done USING (step) ORDER BY last_at"""
_CHAMPIONS = """
    SELECT c.number, c.iteration, c.how, c.checkpoint_id, c.reason, c.created_at, c.is_current, k.stage AS made_by, k.iteration AS made_in,
           b.author, b.from_checkpoint_id
    FROM champions c LEFT JOIN checkpoints k USING (checkpoint_id)
    LEFT JOIN rollbacks b ON b.run_id = c.run_id AND c.how = 'rolled back' AND b.created_at = c.created_at
    WHERE c.run_id = $run ORDER BY c.number"""
_FIRES = f"""
    SELECT expression, time_zone, due_at, started_at, finished_at, outcome, exit_code, message FROM schedule_log
    ORDER BY due_at DESC, started_at DESC NULLS LAST LIMIT {FIRES_SHOWN}"""
_FINDINGS = """
    SELECT iteration, step, measure, level, message FROM watch_findings WHERE run_id = $run
    ORDER BY iteration DESC, level = 'warn', step, measure LIMIT 20"""
_LAST = """
    WITH mine AS (
        SELECT 'the snapshot of ' || stage AS what, created_at AS last_at FROM snapshots WHERE run_id = $run
        UNION ALL SELECT 'the training of ' || stage, created_at FROM checkpoints WHERE run_id = $run
        UNION ALL SELECT 'the decision on ' || stage, created_at FROM decisions WHERE run_id = $run
        UNION ALL SELECT 'completions of ' || step, max(created_at) FROM samples WHERE run_id = $run GROUP BY step
        UNION ALL SELECT 'answers of ' || step, max(answered_at) FROM requests WHERE run_id = $run GROUP BY step
        UNION ALL SELECT 'the end of iteration ' || iteration, finished_at FROM iterations WHERE run_id = $run
    )
    SELECT what, last_at FROM mine WHERE last_at IS NOT NULL ORDER BY last_at DESC LIMIT 1"""
_JUDGES = """
    SELECT judge, count(*) AS verdicts, count(*) FILTER (passed) AS passed, count(*) FILTER (NOT passed) AS failed,
           count(*) FILTER (passed IS NULL) AS abstained, avg(score) AS mean_score, min(created_at) AS first_at, max(created_at) AS last_at
    FROM verdicts GROUP BY judge ORDER BY verdicts DESC, judge"""
_LENGTHS = """
    SELECT v.judge, avg(length(s.completion)) FILTER (v.passed) AS passed_chars, avg(length(s.completion)) FILTER (NOT v.passed) AS failed_chars,
           corr(v.passed::INT, length(s.completion)) AS correlation
    FROM verdicts v JOIN samples s USING (sample_id) WHERE v.passed IS NOT NULL GROUP BY v.judge"""
_AGREE = """
    WITH several AS (
        SELECT sample_id, judge, arg_max(passed, created_at) AS passed FROM verdicts
        WHERE passed IS NOT NULL AND sample_id IN (SELECT sample_id FROM verdicts GROUP BY sample_id HAVING count(DISTINCT judge) > 1)
        GROUP BY sample_id, judge
    )
    SELECT a.judge AS one, b.judge AS other, count(*) AS n, count(*) FILTER (a.passed = b.passed) AS same,
           avg(a.passed::INT) AS one_yes, avg(b.passed::INT) AS other_yes
    FROM several a JOIN several b ON b.sample_id = a.sample_id AND a.judge < b.judge
    GROUP BY ALL ORDER BY n DESC, one, other LIMIT 100"""
_REASONS = """
    SELECT judge, reason, count(*) AS n FROM verdicts WHERE passed IS NOT TRUE GROUP BY judge, reason
    QUALIFY row_number() OVER (PARTITION BY judge ORDER BY n DESC, reason) <= 6 ORDER BY judge, n DESC, reason"""
_CALIBRATIONS = "SELECT * FROM calibrations ORDER BY created_at DESC LIMIT 50"
_ALL_SCORES = """
    SELECT s.score_id, s.checkpoint_id, s.suite, s.split, s.task, s.metric, s.score, s.stderr, s.n, s.suite_hash, s.created_at,
           k.run_id, k.iteration, k.stage, coalesce((s.settings ->> '$.higher_is_better')::BOOLEAN, true) AS higher_is_better,
           (s.settings ->> '$.cut')::BIGINT AS cut
    FROM scores s LEFT JOIN checkpoints k USING (checkpoint_id) ORDER BY s.suite, s.split, s.metric, s.created_at LIMIT 2000"""
_DECIDED = """
    SELECT d.*, s.suite, s.split, s.metric FROM decisions d JOIN scores s USING (score_id)
    WHERE d.run_id = $run AND d.role <> 'baseline' ORDER BY d.created_at, d.role, s.suite"""
_ITEMS = f"""
    SELECT a.ordinal, a.item_id, a.target, b.value AS before_value, a.value AS after_value, b.filtered AS before_filtered,
           a.filtered AS after_filtered, qa.messages AS prompt, qb.completions ->> 0 AS before, qa.completions ->> 0 AS after
    FROM (SELECT * FROM score_items WHERE score_id = $after_id) a
    JOIN (SELECT * FROM score_items WHERE score_id = $before_id) b USING (ordinal)
    LEFT JOIN requests qa ON qa.request_id = a.request_id LEFT JOIN requests qb ON qb.request_id = b.request_id
    WHERE a.ordinal >= $first AND CASE $show WHEN 'won' THEN (a.value > b.value) = $higher AND a.value <> b.value
        WHEN 'lost' THEN (a.value > b.value) <> $higher AND a.value <> b.value WHEN 'flips' THEN a.value <> b.value ELSE true END
    ORDER BY a.ordinal LIMIT {ITEMS_SHOWN + 1}"""
_FLIPS = """
    SELECT count(*) AS n, count(*) FILTER ((a.value > b.value) = $higher AND a.value <> b.value) AS won,
           count(*) FILTER ((a.value > b.value) <> $higher AND a.value <> b.value) AS lost
    FROM score_items a JOIN score_items b ON b.ordinal = a.ordinal AND b.score_id = $before_id WHERE a.score_id = $after_id"""


def list_runs(reader: Reader) -> list[Row]:
    """Return the runs: those that decided something first, the latest first."""
    return reader.ask(_RUNS)


def list_scores(reader: Reader, run_id: str) -> list[Row]:
    """Return a run's scores as they were measured."""
    return reader.ask(_SCORES, run=run_id)


def list_funnel(reader: Reader, run_id: str) -> list[Row]:
    """Return where a run's inputs went."""
    return reader.ask(_FUNNEL, run=run_id)


def list_cost(reader: Reader, run_id: str) -> list[Row]:
    """Return what a run asked of models."""
    return reader.ask(_COST, run=run_id)


def list_decisions(reader: Reader, run_id: str) -> list[Row]:
    """Return what the gate compared, and said."""
    return reader.ask(_DECIDED, run=run_id)


def list_templates(reader: Reader) -> list[Row]:
    """Return the templates by what they yield for their tokens, the best first."""
    try:
        rows: list[Row] = ask(reader.project, "templates-by-yield", {"limit": 50}, limits=PAGE_LIMITS).table.to_pylist()
    except FlywheelError:
        return []
    return rows


def find_progress(reader: Reader, run_id: str) -> Row:
    """Return who runs, the stage that is on, how far the steps of the newest iteration are, and what was put on record last."""
    owner = reader.owner()
    return {
        "owner": owner, "now": find_now(reader.project), "steps": reader.ask(_STEPS, run=run_id) if run_id else [],
        "last": reader.one(_LAST, run=run_id) if owner and run_id else None,
    }  # fmt: skip


def list_champions(reader: Reader, run_id: str) -> list[Row]:
    """Return the champions of a run in their order, each with whether a person rolled it back; the last one is in use."""
    rows = reader.ask(_CHAMPIONS, run=run_id)
    undone = find_undone(rows)
    return [{**r, "is_undone": r["checkpoint_id"] in undone} for r in rows]


def find_schedule(reader: Reader) -> Row:
    """Return which schedule is on, and what became of its last fires, the latest first."""
    owner = find_owner(reader.project.state / "schedule.lock")
    return {"owner": owner, "fires": reader.ask(_FIRES)}


def list_findings(reader: Reader, run_id: str) -> list[Row]:
    """Return what the collapse watch found in a run, the latest iteration first."""
    return reader.ask(_FINDINGS, run=run_id)


def list_judges(reader: Reader) -> list[Row]:
    """Return each judge with its counts, its commonest reasons, and how length goes with its verdicts."""
    lengths = {r["judge"]: r for r in reader.ask(_LENGTHS)}
    reasons = reader.ask(_REASONS)
    return [
        {**lengths.get(j["judge"], {}), **j, "reasons": [r for r in reasons if r["judge"] == j["judge"]]}
        for j in reader.ask(_JUDGES)
    ]


def list_agreement(reader: Reader) -> list[Row]:
    """Return how far each two judges of the same samples agree, with Cohen's kappa."""
    return [{**r, "share": r["same"] / r["n"], "kappa": _kappa(r)} for r in reader.ask(_AGREE)]


def _kappa(row: Row) -> float | None:
    chance = row["one_yes"] * row["other_yes"] + (1 - row["one_yes"]) * (1 - row["other_yes"])
    return None if chance >= 1 else (row["same"] / row["n"] - chance) / (1 - chance)


def list_calibrations(reader: Reader) -> list[Row]:
    """Return the calibrations on record, their figures read."""
    return [{**r, "figures": _read_figures(r["figures"])} for r in reader.ask(_CALIBRATIONS)]


def _read_figures(text: str) -> list[Row]:
    read: Any = json.loads(text or "[]")
    rows = read if isinstance(read, list) else read.get("figures", [{"name": k, "value": v} for k, v in read.items()])
    return [r for r in rows if isinstance(r, dict)]


def list_all_scores(reader: Reader) -> list[Row]:
    """Return every score with the checkpoint's origin."""
    return reader.ask(_ALL_SCORES)


def compare_items(reader: Reader, before: Row, after: Row, show: str, first: int) -> tuple[Row, list[Row]]:
    """Return how many items two scores share, won and lost, and a page of items with both answers."""
    ids = {"before_id": before["score_id"], "after_id": after["score_id"], "higher": bool(after["higher_is_better"])}
    return reader.ask(_FLIPS, **ids)[0], reader.ask(_ITEMS, **ids, show=show, first=first)
