"""The collapse watch: what an iteration's measures are compared with, what is told, and what ends the run.

Thresholds are those of the recipe as it is now: an iteration is looked at again whenever the next one is due.
"""

from typing import Any, NamedTuple

from ..config import Recipe, ThresholdConfig
from ..errors import CollapseError
from ..schema import utc_now
from ..store import Store


class Watched(NamedTuple):
    """A measure that is watched.

    Attributes:
        column: of ``iteration_measures``.
        what: in words.
        wrong: the way that is wrong: -1 = down, 1 = up, 0 = both.
        is_relative: whether a change is a share of the reference.
    """

    column: str
    what: str
    wrong: int
    is_relative: bool


WATCHED = {
    "diversity": Watched("distinct_2", "diversity (distinct-2)", -1, True),
    "length": Watched("mean_chars", "mean length in characters", 0, True),
    "entropy": Watched("entropy", "entropy", -1, True),
    "repeats": Watched("repeated", "share of repeated completions", 1, False),
    "disagreement": Watched("disagreement", "share on which judge and verifier disagree", 1, False),
    "gap": Watched("train_gate_gap", "pass rate minus gate score", 1, False),
}
"""The measures by their key under ``watch``."""

Row = dict[str, Any]


def look(store: Store, recipe: Recipe, run_id: str, iteration: int) -> list[Row]:
    """Compare an iteration's measures with those of earlier ones; put what crosses a threshold on record, and return it."""
    measured = read_measures(store, run_id, iteration)
    found = [
        finding
        for now in measured
        if now["iteration"] == iteration
        for name, limits in recipe.watch.items()
        if (finding := _compare(name, limits, now, measured)) is not None
    ]
    rows = [{"run_id": run_id, "iteration": iteration, **f, "created_at": utc_now()} for f in found]
    store.replace_iteration("watch_findings", run_id, iteration, rows)
    return rows


def refuse_collapse(store: Store, recipe: Recipe, run_id: str) -> None:
    """Refuse to go on after the last complete iteration, where the watch says stop.

    Raises:
        CollapseError: a measure is beyond its ``stop``.
    """
    ((last,),) = store.query(
        "SELECT max(iteration) FROM iterations WHERE run_id = ? AND finished_at IS NOT NULL", [run_id]
    )
    stops = [] if last is None else [f for f in look(store, recipe, run_id, last) if f["level"] == "stop"]
    if stops:
        keys = ", ".join(sorted({f"watch.{f['measure']}.stop" for f in stops}))
        raise CollapseError(
            f"watch, iteration {last}", expected="completions that have changed less", received="; ".join(f["message"] for f in stops),
            cure=f"look at them (flywheel status; report.md), mend the recipe or flywheel rollback; or, if this is well, raise {keys}: "
            "the same command goes on from here",
        )  # fmt: skip


def read_measures(store: Store, run_id: str, last: int) -> list[Row]:
    """Return the measures of iterations up to ``last``, in their order."""
    return store.query_rows(
        "SELECT * FROM iteration_measures WHERE run_id = ? AND iteration <= ? ORDER BY iteration, step", [run_id, last]
    )


def _compare(name: str, limits: ThresholdConfig, now: Row, measured: list[Row]) -> Row | None:
    """Return what is to be told of a measure of a step; None when it is within its limits, or has nothing to compare with."""
    watched = WATCHED[name]
    then = _find_reference(watched.column, limits.against, now, measured)
    if then is None:
        return None
    value, reference = now[watched.column], then[watched.column]
    if watched.is_relative and not reference:
        return None
    before = (
        max(reference, 0.0) if name == "gap" else reference
    )  # training problems solved worse than the gate's are no fault
    change = (value - before) / (reference if watched.is_relative else 1)
    change = abs(change) if watched.wrong == 0 else watched.wrong * change
    level = next((w for w in ("stop", "warn") if getattr(limits, w) and change > getattr(limits, w)), None)
    if level is None:
        return None
    threshold = getattr(limits, level)
    message = (
        f"{now['step']}: {watched.what} went from {reference:.4g} (iteration {then['iteration']}) to {value:.4g}, "
        f"{_show(change, is_relative=watched.is_relative)}: more than watch.{name}.{level} = {threshold:g}"
    )
    return {
        "step": now["step"], "measure": name, "level": level, "value": value, "against": then["iteration"],
        "reference": reference, "change": change, "threshold": threshold, "message": message,
    }  # fmt: skip


def _show(change: float, *, is_relative: bool) -> str:
    return f"by {100 * change:.0f} %" if is_relative else f"by {change:.3f}"


def _find_reference(column: str, against: str, now: Row, measured: list[Row]) -> Row | None:
    """Return the row that a step's measure is compared with: of the same step, where the measure is there and of the same kind."""
    if now[column] is None:
        return None
    earlier = [
        m
        for m in measured
        if m["step"] == now["step"]
        and m["iteration"] < now["iteration"]
        and m[column] is not None
        and (column != "entropy" or m["entropy_of"] == now["entropy_of"])
    ]
    return None if not earlier else earlier[0] if against == "first" else earlier[-1]
