"""What a run came to, read from the store: iterations, funnel, champion, before and after."""

import json
from dataclasses import dataclass
from typing import Any

from ..errors import NotFoundError
from ..store import Project, run_frugally
from ._pair import LengthPreference, read_length_preferences
from ._paired import Paired

Row = dict[str, Any]


@dataclass(frozen=True)
class Summary:
    """One run, as a person wants to see it.

    Attributes:
        run: id, name, seed, model and when it started.
        challengers: leaderboard rows of the gate suite's deciding metric, baseline first.
        champions: rows of the view; the last one is in use.
        scores: all leaderboard rows of the run.
        measured: scores of the project that no gate decided on: by flywheel eval and by trainings, each the newest of its kind.
        before_after: rows of the view, and what trainings measured on held-out rows without a score (a loss).
        funnel: rows of the view.
        iterations: rows of the table.
        overall: final champion against the first, per suite, split and metric; empty while the first model is in use.
        examples: items that the final champion gets right and the first did not, and the other way round.
        log: training losses.
        trained: trainings of the project that no gate has decided on (``flywheel train`` alone), the last one first.
        lengths: what the run's pairs prefer besides quality.
        left_out: training stages that had too few rows: iteration, step, reason.
        splits: how often the rows of this run's splits have decided, in all runs.
        measures: what the completions of each finished iteration measure: rows of ``iteration_measures``.
        findings: what the watch found in them.
    """

    run: Row
    challengers: list[Row]
    champions: list[Row]
    scores: list[Row]
    measured: list[Row]
    before_after: list[Row]
    funnel: list[Row]
    iterations: list[Row]
    cost: list[Row]
    overall: list[Row]
    examples: list[Row]
    log: list[Row]
    trained: list[Row]
    left_out: list[Row]
    splits: list[Row]
    lengths: list[LengthPreference]
    measures: list[Row]
    findings: list[Row]

    @property
    def champion_id(self) -> str:
        """The checkpoint in use."""
        return str(self.champions[-1]["checkpoint_id"])

    @property
    def undone(self) -> set[str]:
        """Checkpoints that the gate promoted and a person rolled back."""
        return find_undone(self.champions)


def find_undone(champions: list[Row]) -> set[str]:
    """Return the checkpoints that were promoted and then rolled back, of rows of the view ``champions`` in their order."""
    line: list[str] = []  # from the first model to the one in use
    undone: set[str] = set()
    for row in champions:
        chosen = str(row["checkpoint_id"])
        if row["how"] != "rolled back":
            line.append(chosen)
        elif chosen in line:
            undone.update(line[line.index(chosen) + 1 :])
            del line[line.index(chosen) + 1 :]
        else:  # what was rolled back is put back
            line.append(chosen)
        undone.discard(chosen)
    return undone


def summarize(project: Project, run_id: str | None = None) -> Summary:
    """Read a run's summary; the latest run for None.

    Raises:
        NotFoundError: nothing has been run here.
    """
    runs = _rows(project, "SELECT * FROM runs ORDER BY started_at DESC")
    chosen = [r for r in runs if run_id in (None, r["run_id"])]
    if not chosen:
        raise NotFoundError(f"project {project.root}", expected="a run", received="none", cure="flywheel run")
    run = chosen[0]
    where = f"run_id = '{run['run_id']}'"
    scores = _rows(project, f"SELECT * FROM leaderboard WHERE {where} AND role <> 'measured'")
    champions = _rows(project, f"SELECT * FROM champions WHERE {where} ORDER BY number")
    overall, examples = _overall(project, run, champions)
    log = _rows(
        project,
        f"SELECT iteration, stage, step, loss FROM train_log JOIN checkpoints USING (checkpoint_id) WHERE {where} AND loss IS NOT NULL ORDER BY iteration, stage DESC, step",
    )
    return Summary(
        run=run,
        challengers=_challengers(scores, json.loads(run["recipe"])),
        champions=champions,
        scores=scores,
        measured=_rows(project, _MEASURED),
        before_after=_add_losses(project, _rows(project, "SELECT * FROM before_after")),
        funnel=_rows(project, f"SELECT * FROM funnel WHERE {where} ORDER BY iteration, {_ORDER}"),
        iterations=_rows(project, f"SELECT * FROM iterations WHERE {where} ORDER BY iteration"),
        cost=_rows(project, f"SELECT * FROM cost WHERE {where} ORDER BY iteration, step"),
        overall=overall,
        examples=examples,
        log=log,
        trained=_rows(project, _TRAINED),
        left_out=_rows(
            project, f"SELECT iteration, step, reason FROM drops WHERE {where} AND step LIKE '%/train' ORDER BY ALL"
        ),
        splits=_rows(
            project,
            f"SELECT * EXCLUDE (suite_hash) FROM split_uses WHERE suite_hash IN (SELECT suite_hash FROM scores "
            f"JOIN decisions USING (score_id) WHERE {where}) ORDER BY suite, split",
        ),
        lengths=read_length_preferences(project, run["run_id"]),
        measures=_rows(project, f"SELECT * FROM iteration_measures WHERE {where} ORDER BY iteration, step DESC"),
        findings=_rows(project, f"SELECT * FROM watch_findings WHERE {where} ORDER BY iteration, step DESC, measure"),
    )


_ORDER = "list_position(['problems', 'import', 'import/verify', 'solve', 'solve/verify', 'sft/curate', 'sft/snapshot', 'sft/preflight', 'on-policy', 'on-policy/verify', 'pair', 'pair/limit', 'pair/items', 'dpo/curate', 'dpo/snapshot', 'dpo/preflight', 'kto/snapshot', 'kto/preflight', 'grpo/snapshot', 'grpo/preflight', 'sft/train', 'dpo/train', 'kto/train', 'grpo/train'], step)"


def _rows(project: Project, sql: str) -> list[Row]:
    rows: list[Row] = run_frugally(project, sql).table.to_pylist()
    return rows


_MEASURED = """
    SELECT l.*, k.path FROM leaderboard l LEFT JOIN checkpoints k USING (checkpoint_id) WHERE role = 'measured'
    QUALIFY row_number() OVER (PARTITION BY checkpoint_id, suite, split, metric ORDER BY l.created_at DESC) = 1
    ORDER BY l.created_at, checkpoint_id, suite, split, metric
"""


_TRAINED = """
    WITH losses AS (
        SELECT checkpoint_id, arg_min(loss, step) AS first_loss, arg_max(loss, step) AS last_loss FROM train_log
        WHERE isfinite(loss) GROUP BY checkpoint_id
    )
    SELECT k.checkpoint_id, k.stage, k.parent_id, k.created_at, coalesce((k.metrics ->> '$.n_rows')::BIGINT, s.n_rows) AS n_rows,
           first_loss, last_loss
    FROM checkpoints k LEFT JOIN snapshots s USING (snapshot_id) LEFT JOIN losses USING (checkpoint_id)
    WHERE k.snapshot_id IS NOT NULL AND k.checkpoint_id NOT IN (SELECT checkpoint_id FROM decisions)
    ORDER BY k.created_at DESC, k.checkpoint_id
"""


def _add_losses(project: Project, before_after: list[Row]) -> list[Row]:
    """Add the losses on held-out rows that trainings of earlier versions kept with their checkpoints alone."""
    known = {row["after_id"] for row in before_after if (row["suite"], row["metric"]) == ("heldout", "loss")}
    return before_after + [row for row in _heldout_losses(project) if row["after_id"] not in known]


def _heldout_losses(project: Project) -> list[Row]:
    rows = _rows(
        project,
        "SELECT checkpoint_id, parent_id, stage, run_id, metrics FROM checkpoints WHERE metrics IS NOT NULL ORDER BY created_at",
    )
    found = [(row, json.loads(row["metrics"])) for row in rows]
    return [
        {
            "before_id": row["parent_id"], "after_id": row["checkpoint_id"], "run_id": row["run_id"], "stage": row["stage"],
            "suite": "heldout", "split": "report", "metric": "loss", "before": m["before"]["loss"], "before_stderr": None,
            "after": m["after"]["loss"], "after_stderr": None, "n": m["heldout_n"], "won": None, "lost": None, "delta": None,
            "low": None, "high": None, "p_value": None, "test": None, "higher_is_better": False,
        }
        for row, m in found
        if "loss" in (m.get("before") or {}) and "loss" in (m.get("after") or {})
    ]  # fmt: skip


def _challengers(scores: list[Row], recipe: Row) -> list[Row]:
    """Keep one row a checkpoint: the deciding one, and of the baseline the one with the same suite and metric."""
    gates = [s for s in scores if s["role"] == "gate"]
    if not recipe["suites"]:
        return []
    name = recipe["gate"]["suite"] or recipe["suites"][0]["name"]
    key = (name, next(s["metric"] for s in recipe["suites"] if s["name"] == name))
    base = [s for s in scores if s["role"] == "baseline" and s["split"] == "gate" and (s["suite"], s["metric"]) == key]
    return base + gates


def _overall(project: Project, run: Row, champions: list[Row]) -> tuple[list[Row], list[Row]]:
    before, after = run["base_checkpoint_id"], champions[-1]["checkpoint_id"]
    if before == after:
        return [], []
    totals = _rows(
        project,
        f"""
        SELECT sa.suite, sa.split, sa.metric, any_value(sb.score) AS before, any_value(sb.stderr) AS before_stderr,
               any_value(sa.score) AS after, any_value(sa.stderr) AS after_stderr, count(*) AS n,
               count(*) FILTER (a.value <> b.value AND (a.value > b.value) = {_UP}) AS won,
               count(*) FILTER (a.value <> b.value AND (a.value > b.value) <> {_UP}) AS lost, any_value({_UP}) AS higher_is_better,
               any_value(sa.score_id) AS after_id, any_value(sb.score_id) AS before_id
        FROM scores sa
        JOIN scores sb ON sb.checkpoint_id = '{before}' AND sb.suite_hash = sa.suite_hash AND sb.split = sa.split
             AND sb.metric = sa.metric
        JOIN score_items a ON a.score_id = sa.score_id
        JOIN score_items b ON b.score_id = sb.score_id AND b.ordinal = a.ordinal
        WHERE sa.checkpoint_id = '{after}'
          AND sa.score_id IN (SELECT score_id FROM decisions WHERE run_id = '{run["run_id"]}')
        GROUP BY sa.suite, sa.split, sa.metric ORDER BY sa.suite, sa.split, sa.metric DESC
        """,
    )
    for row in totals:
        row["p_value"] = Paired(row["n"], row["won"], row["lost"]).p_value
    shown = next((t for t in totals if t["split"] == "report"), totals[0])
    return totals, _rows(project, _EXAMPLES.format(after=shown["after_id"], before=shown["before_id"]))


_UP = "coalesce((sa.settings ->> '$.higher_is_better')::BOOLEAN, true)"
_EXAMPLES = f"""
    SELECT a.ordinal, a.target, (a.value > b.value) = {_UP} AS won, qa.messages AS prompt,
           qb.completions ->> 0 AS before, qa.completions ->> 0 AS after
    FROM score_items a
    JOIN scores sa ON sa.score_id = a.score_id
    JOIN score_items b ON b.score_id = '{{before}}' AND b.ordinal = a.ordinal
    JOIN requests qa ON qa.request_id = a.request_id
    JOIN requests qb ON qb.request_id = b.request_id
    WHERE a.score_id = '{{after}}' AND a.value <> b.value
    QUALIFY row_number() OVER (PARTITION BY a.value > b.value ORDER BY a.ordinal) <= 4
    ORDER BY won DESC, a.ordinal
"""
