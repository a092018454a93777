"""A decision in plain words: why a challenger was promoted or kept out, with its figures and the SQL that shows the items."""

from collections.abc import Sequence
from math import ceil
from typing import Any

from ..store import Project, Store, run_query
from ._paired import show_amount
from ._spending import Spent, level_of, share_of_level

Row = dict[str, Any]

WITH_SCORES = """
    SELECT d.*, s.suite, s.split, s.metric, s.score AS after, b.score AS before
    FROM decisions d JOIN scores s ON s.score_id = d.score_id LEFT JOIN scores b ON b.score_id = d.champion_score_id
    WHERE d.role <> 'baseline'
"""
SIDES = ("guard", "anchor", "limit")
ORDER = ("gate", *SIDES, "report")


def read_decisions(project: Project, run_id: str) -> list[list[Row]]:
    """Return the rows of each decision of a run, in the order in which they were made; the deciding row first."""
    rows: list[Row] = run_query(project, f"{WITH_SCORES} AND d.run_id = '{run_id}' ORDER BY d.created_at").table.to_pylist()  # fmt: skip
    groups: dict[tuple[int, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["iteration"], row["stage"], row["checkpoint_id"]), []).append(row)
    return [_sorted(group) for group in groups.values()]


def add_scores(store: Store, rows: Sequence[Row]) -> list[Row]:
    """Complete rows of a decision that is not written down with the scores that they are about."""
    scores = {
        score_id: {"suite": suite, "split": split, "metric": metric, "score": score}
        for score_id, suite, split, metric, score in store.query("SELECT score_id, suite, split, metric, score FROM scores")
    }  # fmt: skip
    told = []
    for row in rows:
        found = dict(scores[row["score_id"]])
        told.append({**row, "after": found.pop("score"), **found, "before": scores[row["champion_score_id"]]["score"]})
    return _sorted(told)


def _sorted(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda r: (ORDER.index(r["role"]), r["suite"], r["split"], r["metric"]))


def describe_account(decisions: Sequence[Sequence[Row]]) -> str:
    """Say how much of the run's level is spent, and what the next decision has."""
    made = [rows[0] for rows in decisions if rows[0]["level"] is not None]
    if not made:
        return "No decision yet."
    last = made[-1]
    if not last["planned"]:
        return f"Each decision has level {last['level']:g} (per: decision). Made: {len(decisions)}."
    k = last["k"] + 1
    level = level_of(k, last["planned"], last["run_level"], Spent(last["level"], last["passed"]))
    return (
        f"Level {last['run_level']:g} for the whole run, spread over {last['planned']} planned decisions; made: "
        f"{last['k']}. The next one, decision {k}, has level {level:.2g}."
    )


def explain_decision(rows: Sequence[Row], *, title: str | None = None) -> str:
    """Tell one decision; ``rows`` as :func:`read_decisions` gives them."""
    gate = rows[0]
    outcome = "promoted" if gate["promoted"] else "kept out"
    lines = [
        title or f"Iteration {gate['iteration']}, {gate['stage']}, {gate['checkpoint_id']}: {outcome}",
        f"Why: {gate['reason']}.", *_primary(gate),
        *(f"  {'ok  ' if r['passed'] else 'VETO'} {r['finding']}." for r in rows if r["role"] in SIDES and r["finding"]),
        *(_reported(row) for row in rows if row["role"] == "report" and row["metric"] == gate["metric"]),
        "Items that changed:", f'  flywheel sql "{items_sql(gate)}"',
    ]  # fmt: skip
    return "\n".join(lines)


def items_sql(gate: Row) -> str:
    """Return the query for the items that two checkpoints do differently on the gate split."""
    if gate["run_id"] is not None and gate["iteration"] is not None:
        where = f"checkpoint_id = '{gate['checkpoint_id']}' AND iteration = {gate['iteration']} AND suite = '{gate['suite']}' AND split = '{gate['split']}' AND metric = '{gate['metric']}'"
        return f"SELECT flip, ordinal, prompt, target, champion_completion, challenger_completion FROM flips WHERE {where} ORDER BY flip, ordinal"
    return (
        "SELECT a.ordinal, a.target, b.value AS before, a.value AS after, b.filtered AS before_answer, a.filtered AS after_answer "
        f"FROM score_items a JOIN score_items b USING (ordinal) WHERE a.score_id = '{gate['score_id']}' "
        f"AND b.score_id = '{gate['champion_score_id']}' AND a.value <> b.value ORDER BY a.value - b.value, a.ordinal"
    )


def show_difference(row: Row, value: float, *, sign: bool = True) -> str:
    """Return a difference of a row's scores, or a bound of it, with its unit: points for scores between 0 and 1."""
    return show_amount(value, is_share=_is_share(row), sign=sign)


def show_interval(row: Row) -> str:
    """Return the interval of a row's difference."""
    return f"{show_difference(row, row['low']).removesuffix(' points')} to {show_difference(row, row['high'])}"


def _primary(gate: Row) -> list[str]:
    same = gate["n"] - gate["won"] - gate["lost"]
    lines = [
        f"  {gate['suite']}/{gate['split']}, {gate['metric']}: {_score(gate['before'])} → {_score(gate['after'])} on {gate['n']} items, "
        f"against {gate['champion_id']}: {gate['won']} better, {gate['lost']} worse, {same} as before."
    ]
    if gate["level"] is None:
        return [
            *lines,
            f"  {gate['test']}: p = {gate['p_value']:.2g}. (Decided by an older flywheel: no more is on record.)",
        ]
    lines += [
        f"  Difference {show_difference(gate, gate['delta'])}, 95 % interval {show_interval(gate)}"
        + (f"; {gate['effect_kind']} {gate['effect']:.2f}." if gate["effect"] is not None else "."),
        f"  If both were equally good, a difference as good as this or better would come in {_often(gate['p_value'])} "
        f"({gate['test']}: p = {gate['p_value']:.2g}).",
        f"  {_level(gate)}",
    ]
    return lines + _power(gate)


def _level(gate: Row) -> str:
    needs = f"A promotion needs p of at most {gate['level']:.2g}: "
    if not gate["planned"]:
        return needs + "the level of each decision (per: decision); nothing is corrected for the number of decisions."
    own = gate["run_level"] * share_of_level(gate["k"], gate["planned"])
    needs += f"this is decision {gate['k']} of a run with {gate['planned']} planned, which share the level {gate['run_level']:g}"
    if gate["level"] > own * 1.0001:
        return f"{needs}; {own:.2g} is its own, {gate['level'] - own:.2g} came from the decision before, which showed a gain."
    return f"{needs}."


def _power(gate: Row) -> list[str]:
    if gate["detectable"] is None:
        return []
    seen = f"  With so many items the test shows a true gain of {show_difference(gate, gate['detectable'])} in four of five cases"
    if gate["promoted"] or gate["passed"] or gate["delta"] <= 0:
        return [f"{seen}."]
    n = ceil(gate["n"] * (gate["detectable"] / gate["delta"]) ** 2)
    return [f"{seen}; to show one of {show_difference(gate, gate['delta'])} as often it would need about {n:,} items."]


def _reported(row: Row) -> str:
    return (
        f"  Reported, decides nothing: {row['suite']}/{row['split']} {_score(row['before'])} → {_score(row['after'])} "
        f"({show_difference(row, row['delta'])}, two-sided p = {row['p_value']:.2g}, n = {row['n']})."
    )


def _often(p: float) -> str:
    if p >= 0.1:
        return f"{100 * p:.0f} of 100 cases"
    if p >= 1e-6:
        return f"1 of {1 / p:,.0f} cases"
    return "fewer than 1 of a million cases"


def _is_share(row: Row) -> bool:
    return 0 <= row["after"] <= 1 and (row["before"] is None or 0 <= row["before"] <= 1)


def _score(score: float) -> str:
    return f"{100 * score:.1f} %" if 0 <= score <= 1 else f"{score:.4g}"
