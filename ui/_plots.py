"""From rows to charts: scores over iterations, tokens by step, and a user's result."""

from decimal import Decimal
from typing import Any

from markupsafe import Markup

from ..schema import find_interval, has_false_bar
from ._charts import Point, draw_bars, draw_lines, show
from ._reader import Row

MOST_POINTS = 200


def plot_scores(scores: list[Row], champions: list[Row]) -> list[Row]:
    """Return a chart per metric: lines are suite and split, places the checkpoints in their order.

    A ring is a checkpoint that the gate promoted, broken where a person rolled it back; a square is the champion in use.
    """
    charts = []
    gates = {_line_of(s) for s in scores if s["role"] == "gate"} or {
        _line_of(s) for s in scores if s["split"] == "gate"
    }
    undone = {c["checkpoint_id"] for c in champions if c["is_undone"]}
    in_use = champions[-1]["checkpoint_id"] if champions else ""
    deciding = sorted(scores, key=lambda s: s["role"] != "gate")  # the metric that decides comes first
    for metric in dict.fromkeys(s["metric"] for s in deciding):
        rows = [s for s in scores if s["metric"] == metric]
        places = list(dict.fromkeys((s["iteration"] or 0, s["stage"] or "") for s in rows))
        lines: dict[str, list[Point]] = {}
        for row in rows:
            name = f"{row['suite']} {row['split']}"
            place = places.index((row["iteration"] or 0, row["stage"] or ""))
            if all(p.place != place for p in lines.get(name, [])):
                mark = _mark(row, undone, in_use) if _line_of(row) in gates else ()
                lines.setdefault(name, []).append(_point(row, place, name, mark))
        labels = [f"{i} {stage}" if i else stage or "first" for i, stage in places]
        charts.append({"metric": metric, "svg": draw_lines(f"Scores, {metric}", labels, lines, unit=metric)})
    return charts


def _line_of(row: Row) -> tuple[str, str, str]:
    return row["suite"], row["split"], row["metric"]


def _mark(row: Row, undone: set[str], in_use: str) -> tuple[str, ...]:
    ring = () if not row["promoted"] else ("undone",) if row["checkpoint_id"] in undone else ("promoted",)
    return (*ring, "in use") if row["checkpoint_id"] == in_use else ring


def _point(row: Row, place: int, name: str, mark: tuple[str, ...]) -> Point:
    low, high = _find_bar(row) or (None, None)
    bar = show_bar(row)
    said = {"promoted": "promoted", "undone": "promoted, rolled back", "in use": "in use"}
    note = ", ".join([f"{name}: {show(row['score'])}" + (f" {bar}" if bar else ""), *(said[m] for m in mark)])
    return Point(place, row["score"], low, high, mark, note)


def show_bar(row: Row) -> str:
    """Return a score's 95 % interval: half its width, or both ends where it is Wilson's, which is lopsided; empty without one."""
    bar = _find_bar(row)
    if bar is None:
        return ""
    if has_false_bar(row["metric"], row["score"], row["stderr"], row["n"]):
        return f"({show(bar[0])} to {show(bar[1])})"
    return f"± {show(bar[1] - row['score'])}"


def _find_bar(row: Row) -> tuple[float, float] | None:
    return find_interval(row["metric"], row["score"], row["stderr"], row["n"])


def plot_tokens(cost: list[Row]) -> Markup:
    """Return bars of tokens by iteration and step."""
    labels = [f"{c['iteration']} {c['step']}" for c in cost]
    tokens = [float(c["prompt_tokens"] + c["completion_tokens"]) for c in cost]
    return draw_bars("Tokens by iteration and step", labels, tokens, unit="tokens, prompts and completions")


def plot_suite(title: str, labels: list[str], rows: list[Row]) -> Markup:
    """Return bars of the scores of a suite, each with its 95 % interval."""
    return draw_bars(
        title, labels, [r["score"] for r in rows], unit=rows[0]["metric"], ends=[_find_bar(r) for r in rows]
    )


def plot_result(result: Row, chart: Row) -> tuple[Any, str]:
    """Return the chart that was asked for of a user's result, or why there is none."""
    if chart["chart"] not in ("bar", "line"):
        return "", ""
    columns = result["columns"]
    x = chart["x"] if chart["x"] in columns else columns[0]
    numeric = [c for i, c in enumerate(columns) if any(_is_number(r[i]) for r in result["rows"])]
    y = chart["y"] if chart["y"] in numeric else next((c for c in numeric if c != x), numeric[0] if numeric else "")
    if not y:
        return "", "No column of numbers: nothing to draw."
    at, of = columns.index(x), columns.index(y)
    rows = [r for r in result["rows"] if _is_number(r[of])][:MOST_POINTS]
    labels = [str(r[at]) for r in rows]
    title = f"{y} by {x}"
    note = f"{title}; the first {MOST_POINTS} rows." if len(rows) == MOST_POINTS else title
    if chart["chart"] == "bar":
        return draw_bars(title, labels, [float(r[of]) for r in rows]), note
    return draw_lines(title, labels, {y: [Point(i, float(r[of])) for i, r in enumerate(rows)]}), note


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool) and value == value
