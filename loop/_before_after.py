"""``before_after.md``: two models side by side, for a person: figures, and the items that flipped."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..eval import Split, Subject
from ..store import Store
from ._compare import Comparison
from ._cut import tell_cut
from ._report import final_of, prompt_of, render_table, shorten_cell
from ._words import is_share, show_score

FILE = "before_after.md"
SHOWN = 10
"""Items of each kind that are shown of a suite."""

COLUMNS = ["suite", "split", "metric", "before", "after", "Δ", "95 % interval", "won", "lost", "n", "p", "effect"]


def comparison_cells(c: Comparison) -> list[str]:
    """Return a comparison as cells under :data:`COLUMNS`: in percent where the metric is a share; ± is one standard error."""
    scale, digits = (100, ".1f") if _is_share(c) else (1, ".4g")
    effect = "" if c.effect is None else f"{c.effect_kind} {c.effect:+.2f}"
    return [
        c.suite, c.split, c.metric, _side(c, c.before, c.before_stderr), _side(c, c.after, c.after_stderr),
        f"{scale * c.delta:+{digits}}", f"{scale * c.low:+{digits}} to {scale * c.high:+{digits}}", str(c.won), str(c.lost),
        str(c.n), f"{c.p_value:.2g}", effect,
    ]  # fmt: skip


def _side(c: Comparison, score: float, stderr: float | None) -> str:
    both_better = c.higher_is_better and _is_share(c)  # one unit on both sides
    return show_score(c.metric, score, stderr, higher_is_better=both_better, n=c.n)


def _is_share(c: Comparison) -> bool:
    return is_share(c.metric, c.before, c.after, higher_is_better=c.higher_is_better)


def explain_deltas(found: Sequence[Comparison]) -> list[str]:
    """Return what has to be said of metrics whose difference does not explain itself."""
    lines = []
    lower = dict.fromkeys(c.metric for c in found if not c.higher_is_better)
    if lower:
        lines.append(
            f"Better when lower: {', '.join(lower)}. There Δ below 0 is a gain, and won counts the items that fell."
        )
    apart = dict.fromkeys(
        c.metric for c in found if abs(c.delta - (c.after - c.before)) > 1e-6 * max(1.0, abs(c.before))
    )
    if apart:
        lines.append(
            f"Computed of the whole set or on other items: {', '.join(apart)}. There Δ, its interval and p are of the mean "
            "difference of the items that both have, each measured alone, which is not after minus before."
        )
    return lines


def tell_cut_of_both(store: Store, before: Subject, after: Subject, splits: Sequence[Split]) -> list[str]:
    """Return what of the answers of either was cut, a line for each split."""
    return [f"{subject.name}: {line}" for subject in (before, after) for line in tell_cut(store, subject, splits)]


def write_before_after(
    store: Store, before: Subject, after: Subject, found: Sequence[Comparison], splits: Sequence[Split]
) -> Path:
    """Write ``before_after.md`` into the project folder; return its path."""
    path = store.project.root / FILE
    parts = [
        "# Before and after",
        f"Before: {_tell(before)}. After: {_tell(after)}.",
        render_table(COLUMNS, [comparison_cells(c) for c in found]),
        _tell_methods(found),
        *explain_deltas(found),
        *(f"{line}." for line in tell_cut_of_both(store, before, after, splits)),
        "Nothing is decided here: the gate decides, on the gate split alone. Of many comparisons some look good by chance.",
    ]
    for key in dict.fromkeys((c.suite, c.split) for c in found):
        flipped = [c for c in found if (c.suite, c.split) == key and c.won + c.lost]
        deciding = _deciding_metric(store, flipped[0]) if flipped else None
        flipped.sort(key=lambda c: c.metric != deciding)
        parts += _flips(store, flipped[0]) if flipped else []
    parts.append("All of them: `flywheel sql \"select * from flips where stage = 'compare'\"`.")
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _tell(subject: Subject) -> str:
    return f"{subject.name} (`{subject.checkpoint_id}`, {subject.kind})"


def _tell_methods(found: Sequence[Comparison]) -> str:
    ways = dict.fromkeys(f"{c.test}; interval: {c.interval_kind}" for c in found)
    shares = any(_is_share(c) for c in found)
    unit = "Shares are in percent, differences in points. " if shares else ""
    unit += "± is one standard error; where none or all items are right, Wilson's interval stands instead. "
    left_out = sum(c.left_out for c in found)
    missing = f" {left_out} values are left out, since one of the two lacks them." if left_out else ""
    return f"{unit}Paired by item. p and interval: {'. '.join(ways)}.{missing}"


def _deciding_metric(store: Store, c: Comparison) -> str | None:
    ((metric,),) = store.query("SELECT settings ->> '$.metric' FROM scores WHERE score_id = ?", [c.after_score_id])
    return None if metric is None else str(metric)


def _flips(store: Store, c: Comparison) -> list[str]:
    """Return what one metric won and lost, side by side."""
    rows = [*_read(store, c, "won"), *_read(store, c, "lost")]
    cells = [
        [f, i + 1, shorten_cell(prompt_of(p)), shorten_cell(b), shorten_cell(a), shorten_cell(final_of(t))]
        for f, i, p, b, a, t in rows
    ]
    return [
        f"## {c.suite}, {c.split}: what flipped by {c.metric}",
        render_table(["", "item", "prompt", "before", "after", "answer"], cells),
    ]


def _read(store: Store, c: Comparison, flip: str) -> list[tuple[Any, ...]]:
    sign = ">" if (flip == "won") == c.higher_is_better else "<"
    return store.query(
        f"""
        SELECT '{flip}', a.ordinal, qa.messages, qb.completions ->> 0, qa.completions ->> 0, a.target
        FROM score_items a JOIN score_items b ON b.score_id = ? AND b.ordinal = a.ordinal
        JOIN requests qa ON qa.request_id = a.request_id JOIN requests qb ON qb.request_id = b.request_id
        WHERE a.score_id = ? AND a.value {sign} b.value ORDER BY a.ordinal LIMIT {SHOWN}
        """,
        [c.before_score_id, c.after_score_id],
    )
