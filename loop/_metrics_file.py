"""The figures of a run in a file that Prometheus reads (through node_exporter's textfile collector), replaced whole each time."""

import re
from pathlib import Path

from ..errors import CollapseError, StoppedError, SystemRefusedError, explain_os_error
from ..store import Store
from ._checkpoints import find_champion

_ITERATIONS = (
    "SELECT count(*) FILTER (finished_at IS NOT NULL), coalesce(max(iteration), 0) FROM iterations WHERE run_id = ?"
)
_DECISIONS = "SELECT count(*), count(*) FILTER (promoted) FROM decisions WHERE run_id = ? AND role = 'gate'"
_SCORES = """
    SELECT s.suite, s.split, s.metric, s.score, s.stderr FROM scores s
    WHERE s.checkpoint_id = $2 AND s.score_id IN (SELECT score_id FROM decisions WHERE run_id = $1)
    QUALIFY row_number() OVER (PARTITION BY s.suite, s.split, s.metric ORDER BY s.created_at DESC) = 1
"""
_COST = "SELECT step, sum(requests), sum(failed), sum(prompt_tokens), sum(completion_tokens) FROM cost WHERE run_id = ? GROUP BY step"
_FUNNEL = "SELECT step, sum(entered), sum(kept), sum(dropped) FROM funnel WHERE run_id = ? GROUP BY step"


ENDS = ("complete", "plateau", "target", "hours", "budget", "signal", "collapse", "error")
"""How ``flywheel run`` ends: its iterations are complete, a rule of the recipe was met, somebody stopped it, or it is a fault."""
FAULTS = ("collapse", "error")
"""Ends that a person has to look at."""


def name_end(error: BaseException) -> str:
    """Return which of :data:`ENDS` an error is."""
    if isinstance(error, StoppedError):
        return error.rule
    if isinstance(error, CollapseError):
        return "collapse"
    return "error" if isinstance(error, Exception) else "signal"


def read_ended(path: Path) -> str | None:
    """Return how ``flywheel run`` ended last, by the file as it is; None where it says nothing of it."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r'^flywheel_ended\{[^}]*why="(\w+)"[^}]*\} 1\.0$', text, re.MULTILINE)
    return found[1] if found and found[1] in ENDS else None


def write_metrics(path: Path, store: Store, run_id: str, recipe: str, *, ended: str | None) -> None:
    """Write the figures of a run.

    Args:
        path: the file; a scrape never sees half of it.
        recipe: name of the recipe: a label of every figure.
        ended: one of :data:`ENDS`; None while the command goes on.

    Raises:
        SystemRefusedError: it cannot be written.
    """
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

    registry = CollectorRegistry()

    def put(name: str, about: str, rows: list[tuple[dict[str, str], float]]) -> None:
        labels = list(rows[0][0]) if rows else []
        gauge = Gauge(f"flywheel_{name}", about, ["recipe", *labels], registry=registry)
        for given, value in rows:
            gauge.labels(recipe=recipe, **given).set(value)

    with store.kept_open():
        ((done, current),) = store.query(_ITERATIONS, [run_id])
        ((decided, promoted),) = store.query(_DECISIONS, [run_id])
        scores = store.query(_SCORES, [run_id, find_champion(store, run_id)])
        cost, funnel = store.query(_COST, [run_id]), store.query(_FUNNEL, [run_id])
    put("running", "1 while flywheel run is on.", [({}, float(ended is None))])
    put("ok", "0 after flywheel run ended by an error or a collapse.", [({}, float(ended not in FAULTS))])
    put(
        "ended",
        "1 for how flywheel run ended last; none while it is on.",
        [({"why": w}, float(w == ended)) for w in ENDS],
    )
    put("iteration", "Iteration under way, or the last one.", [({}, current)])
    put("iterations_finished", "Complete iterations.", [({}, done)])
    put("decisions", "Challengers that the gate decided on.", [({}, decided)])
    put("promotions", "Challengers that became champion.", [({}, promoted)])
    named = [({"suite": s, "split": p, "metric": m}, score, stderr) for s, p, m, score, stderr in scores]
    put("champion_score", "Score of the champion.", [(labels, score) for labels, score, _ in named])
    put("champion_stderr", "Its standard error.", [(labels, e) for labels, _, e in named if e is not None])
    put("requests", "Requests that were answered or failed for good.", [({"step": r[0]}, float(r[1])) for r in cost])
    put("requests_failed", "Of these, failed for good.", [({"step": r[0]}, float(r[2])) for r in cost])
    tokens = [({"step": r[0], "kind": k}, float(r[i])) for r in cost for i, k in ((3, "prompt"), (4, "completion"))]
    put("tokens", "Tokens of these.", tokens)
    outcomes = ("entered", "kept", "dropped")
    rows = [({"step": r[0], "outcome": o}, float(v)) for r in funnel for o, v in zip(outcomes, r[1:], strict=True)]
    put("funnel", "Inputs of each step by outcome.", rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise SystemRefusedError(str(path), **explain_os_error(error)._asdict()) from error
