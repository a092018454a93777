"""``report.md`` and its plots: what a run did, for a person, with every number's n and error bar."""

import json
import re
from pathlib import Path
from typing import Any

from ..schema import find_wilson, has_false_bar, image_urls
from ._cut import show_cut
from ._summary import Row, Summary
from ._watch_table import MEASURE_COLUMNS, MEASURES_SAID, finding_lines, measure_cells
from ._words import count, is_share, show_delta, show_score

PLOT_FOLDER = "report"
TEXT_CHARS = 600
_CHAT_MARK = re.compile(r"<\|[^|<>]*\|>")


def write_report(root: Path, summary: Summary) -> Path:
    """Write ``report.md`` and ``report/*.png|svg`` into the project folder; return the report's path."""
    folder = root / PLOT_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    _plot_scores(summary, folder / "scores")
    if summary.log:
        _plot_losses(summary, folder / "losses")
    path = root / "report.md"
    path.write_text(render_report(summary), encoding="utf-8")
    return path


def render_report(summary: Summary) -> str:
    """Return the report as Markdown."""
    run = summary.run
    parts = [
        f"# Run {run['name']}",
        f"Model `{run['model']}`, seed {run['seed']}, run `{run['run_id']}`, started {run['started_at']:%Y-%m-%d %H:%M} UTC. "
        f"Versions: {', '.join(f'{k} {v}' for k, v in json.loads(run['versions']).items())}.",
        "## Iterations",
        "Scores of the gate suite ± standard error. The difference and p (paired by item, one-sided for a "
        "gain; exact McNemar where items are right or wrong) are against the champion of the moment; `flywheel gate --explain` "
        "tells each decision.",
        render_iterations(summary),
        "![Score by iteration](report/scores.png)",
        *_champions_part(summary),
        *_overall_part(summary),
        *_examples_part(summary),
        *_before_after_part(summary),
        "## Funnel",
        render_table(
            ["iteration", "step", "entered", "kept", "dropped", "reasons"],
            [
                [f["iteration"], f["step"], f["entered"], f["kept"], f["dropped"], f["reason"] or ""]
                for f in summary.funnel
            ],
        ),
        *_lengths_part(summary),
        *_watch_part(summary),
        "## All scores",
        "Role measured: by `flywheel eval` or a training, of the whole project; nothing was decided by it. Cut: answers that ended at "
        "the suite's max_gen_toks and not by themselves.",
        render_table(
            ["iteration", "stage", "checkpoint", "suite", "split", "metric", "score", "n", "Δ", "p", "role"],
            [_score_cells(s) for s in (*summary.scores, *summary.measured)],
        ),
        *_splits_part(summary),
        "## Cost",
        render_table(
            ["iteration", "step", "engine", "requests", "attempts", "prompt tokens", "completion tokens"],
            [
                [
                    c["iteration"],
                    c["step"],
                    c["engine"],
                    c["requests"],
                    c["attempts"],
                    c["prompt_tokens"],
                    c["completion_tokens"],
                ]
                for c in summary.cost
            ],
        ),
        *(["## Training", "![Loss](report/losses.png)"] if summary.log else []),
        *_trained_part(summary),
        "Every number here is a query on `flywheel.duckdb`: views `leaderboard`, `before_after`, `funnel`, `flips`, `lineage`, `cost`.",
    ]
    return "\n\n".join(parts) + "\n"


def render_iterations(summary: Summary) -> str:
    """Return the table of iterations as Markdown."""
    return render_table(ITERATION_COLUMNS, iteration_cells(summary))


ITERATION_COLUMNS = ["iteration", "stage", "score", "n", "Δ", "p", "promoted", "why"]


def iteration_cells(summary: Summary) -> list[list[str]]:
    """Return the cells of the table of iterations; stages that were left out have no score but a reason."""
    rows = [
        [
            str(c["iteration"]), c["stage"], _score(c), _n(c), _delta(c), "" if c["p_value"] is None else f"{c['p_value']:.2g}",
            _outcome(c, summary.undone), c["reason"],
        ]
        for c in summary.challengers
    ]  # fmt: skip
    rows += [
        [str(r["iteration"]), r["step"].split("/")[0], "", "", "", "", "left out", r["reason"]]
        for r in summary.left_out
    ]
    return sorted(rows, key=lambda row: int(row[0]))


def _outcome(challenger: Row, undone: set[str]) -> str:
    if challenger["role"] == "baseline":
        return "baseline"
    if not challenger["promoted"]:
        return "no"
    return "yes, rolled back" if challenger["checkpoint_id"] in undone else "yes"


def describe_champion(champion: Row) -> str:
    """Say how a champion (a row of the view ``champions``) came to be in use, since when and why."""
    how = {"first": "the first model", "promoted": "promoted", "rolled back": "put back by flywheel rollback"}
    since = f"{how[champion['how']]}, since {champion['created_at']:%Y-%m-%d %H:%M} UTC"
    reason = champion["reason"] or ("no reason given" if champion["how"] == "rolled back" else "")
    return since + (f": {reason}" if reason else "")


def _champions_part(summary: Summary) -> list[str]:
    """Return who was champion, in their order; nothing while it is the first one."""
    if len(summary.champions) < 2:
        return []
    rows = [
        [
            c["number"], c["iteration"], c["checkpoint_id"], c["how"], f"{c['created_at']:%Y-%m-%d %H:%M}",
            "in use" if c["is_current"] else "", c["reason"] or "",
        ]
        for c in summary.champions
    ]  # fmt: skip
    columns = ["", "iteration", "checkpoint", "how", "since (UTC)", "", "why"]
    return ["## Champions", render_table(columns, rows)]


def describe_outcome(summary: Summary) -> str:
    """Say in one sentence what the run achieved."""
    if not summary.left_out and not any(c["role"] == "gate" for c in summary.challengers):
        return "No challenger has been tried yet: the first champion is in use."
    last = summary.champions[-1]
    if not summary.overall:
        return _describe_rollback(last) or "No challenger was promoted: the first champion stays."
    rows = [r for r in summary.overall if r["metric"] == summary.challengers[0]["metric"]]
    parts = [
        f"{r['suite']}/{r['split']}: {_side(r, 'before')} → {_side(r, 'after')} ({_change(r)}, p = {r['p_value']:.2g}, n = {r['n']})"
        for r in rows
    ]
    said = "Champion against the first model: " + "; ".join(parts) + "."
    return f"{said} {_describe_rollback(last)}".strip()


def _describe_rollback(last: Row) -> str:
    """Say that the champion is one that a person put back; empty when it is not."""
    if last["how"] != "rolled back":
        return ""
    return f"Put back by flywheel rollback at {last['created_at']:%Y-%m-%d %H:%M} UTC: {last['checkpoint_id']} ({last['reason'] or 'no reason given'})."


def _overall_part(summary: Summary) -> list[str]:
    return ["## Champion against the first model", describe_outcome(summary)]


BEFORE_AFTER_COLUMNS = ["before", "after", "suite", "split", "metric", "score before", "score after", "Δ", "p", "n"]


def before_after_cells(summary: Summary) -> list[list[str]]:
    """Return what trainings and comparisons of the project measured, before and after, outside the gate."""
    return [
        [
            r["before_id"], f"{r['after_id']} ({r['stage']})", r["suite"], r["split"], r["metric"], _side(r, "before"),
            _side(r, "after"), _change(r), "" if r["p_value"] is None else f"{r['p_value']:.2g}", str(r["n"]),
        ]
        for r in summary.before_after
    ]  # fmt: skip


def measured_cells(summary: Summary) -> list[list[str]]:
    """Return the scores that no gate decided on."""
    return [
        [s["checkpoint_id"], s["stage"] or "", s["suite"], s["split"], s["metric"], _score(s), _n(s)]
        for s in summary.measured
    ]


MEASURED_COLUMNS = ["checkpoint", "stage", "suite", "split", "metric", "score", "n"]


def _before_after_part(summary: Summary) -> list[str]:
    if not summary.before_after:
        return []
    return [
        "## Before and after, outside the gate",
        "What trainings measured on held-out rows, and `flywheel eval` of a checkpoint and of what it was trained from or was "
        "compared with. Scores ± standard error; Δ is after minus before; p (two-sided, paired by item) only of "
        "`flywheel eval --compare`, which tells more in `before_after.md`. Nothing is decided by these.",
        render_table(BEFORE_AFTER_COLUMNS, before_after_cells(summary)),
    ]


def _score(row: Row) -> str:
    return show_score(row["metric"], row["score"], row["stderr"], higher_is_better=row["higher_is_better"], n=row["n"])


def _n(row: Row) -> str:
    """Return the number of items, and of those how many answers were cut."""
    return f"{row['n']} ({show_cut(row['cut'])})" if row["cut"] else str(row["n"])


def _delta(row: Row) -> str:
    if row["delta"] is None:
        return ""
    return show_delta(row["metric"], row["delta"], row["score"], higher_is_better=row["higher_is_better"])


def _side(row: Row, side: str) -> str:
    shown = {"higher_is_better": row["higher_is_better"], "n": row["n"]}
    return show_score(row["metric"], row[side], row[f"{side}_stderr"], **shown)


def _change(row: Row) -> str:
    """Return after minus before, with its unit."""
    metric, sides, up = row["metric"], (row["before"], row["after"]), row["higher_is_better"]
    shown = show_delta(metric, sides[1] - sides[0], *sides, higher_is_better=up)
    return f"{shown} points" if is_share(metric, *sides, higher_is_better=up) else shown


def _splits_part(summary: Summary) -> list[str]:
    """Return how often each split has decided, and a warning for each that is worn."""
    if not summary.splits:
        return []
    rows = [
        [s["suite"], s["split"], s["n"], s["decided"], s["promoted"], s["looked"], f"{100 * s['worst_optimism']:.1f}"]
        for s in summary.splits
    ]
    columns = ["suite", "split", "n", "decided", "promoted", "looked at", "worst case, points"]
    warnings = [
        f"**The {s['split']} split of {s['suite']} is worn**: its {s['n']} items have decided {s['decided']} times, more than once "
        f"for every 25 items. In the worst case its scores flatter by {100 * s['worst_optimism']:.0f} points (½·√(k/n), Blum and "
        "Hardt 2015). Believe the report split, and take fresh rows for the gate."
        for s in summary.splits
        if s["worn"]
    ]
    return ["## Splits", render_table(columns, rows), *warnings]


def _lengths_part(summary: Summary) -> list[str]:
    if not summary.lengths:
        return []
    rows = [
        [
            p.iteration, p.kind, p.pairs, f"{100 * p.share:.1f} %", f"{p.p_value:.2g}",
            "" if p.correlation is None else f"{p.correlation:+.2f}", round(p.chosen_chars), round(p.rejected_chars),
        ]
        for p in summary.lengths
    ]  # fmt: skip
    columns = ["iteration", "kind", "n", "longer one chosen", "p", "correlation", "characters, chosen", "rejected"]
    return [
        "## Pairs and length",
        "How often the longer completion of a pair is the chosen one (equal lengths count half; p: exact binomial test against "
        "one half), and the point-biserial correlation of being chosen with length.",
        render_table(columns, rows),
        *(f"Warning: {p.warning}." for p in summary.lengths if p.warning),
    ]


def describe_trained(row: Row) -> str:
    """Return a training that no gate has decided on, in one line."""
    rows = "" if row["n_rows"] is None else f" on {count(row['n_rows'], 'row')}"
    return f"{row['stage']}{rows}{_losses(row, ', loss ')}, checkpoint {row['checkpoint_id']} from {row['parent_id']}, {row['created_at']:%Y-%m-%d %H:%M} UTC"


def _losses(row: Row, before: str = "") -> str:
    return "" if row["first_loss"] is None else f"{before}{row['first_loss']:.4f} → {row['last_loss']:.4f}"


def _trained_part(summary: Summary) -> list[str]:
    if not summary.trained:
        return []
    cells = [
        [r["checkpoint_id"], r["stage"], r["parent_id"], r["n_rows"], _losses(r), f"{r['created_at']:%Y-%m-%d %H:%M}"]
        for r in summary.trained
    ]
    columns = ["checkpoint", "stage", "from", "rows", "loss", "UTC"]
    return ["## Trainings that no gate has decided on", render_table(columns, cells)]


def _watch_part(summary: Summary) -> list[str]:
    if not summary.measures:
        return []
    return [
        "## Collapse watch",
        MEASURES_SAID,
        render_table(MEASURE_COLUMNS, measure_cells(summary)),
        *finding_lines(summary),
    ]


def _examples_part(summary: Summary) -> list[str]:
    if not summary.examples:
        return []
    rows = [
        [
            "won" if e["won"] else "lost",
            shorten_cell(prompt_of(e["prompt"])),
            shorten_cell(e["before"]),
            shorten_cell(e["after"]),
            shorten_cell(final_of(e["target"])),
        ]
        for e in summary.examples
    ]
    return ["## Before and after", render_table(["", "prompt", "first model", "champion", "answer"], rows)]


def prompt_of(messages: str) -> str:
    """Return the text of a prompt, without a chat template's own marks; an image by its name, behind the text."""
    content = json.loads(messages)[-1]["content"]
    if not isinstance(content, list):
        return _CHAT_MARK.sub("", str(content))
    texts = [str(part["text"]) for part in content if part.get("text")]
    return "\n".join([*texts, *(f"[image {url}]" for url in image_urls([{"content": content}]))])


def final_of(target: Any) -> str:
    """Return the final answer of a GSM8K solution, or the whole target."""
    return str(target).rsplit("####", 1)[-1].strip()


def shorten_cell(text: Any) -> str:
    """Return a text as a cell of a table: cut, on one line, its marks escaped."""
    cut = str(text)[:TEXT_CHARS] + ("…" if len(str(text)) > TEXT_CHARS else "")
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").strip().replace("\n", "<br>")


def _score_cells(s: Row) -> list[Any]:
    p = "" if s["p_value"] is None else f"{s['p_value']:.2g}"
    about = ["" if s[k] is None else s[k] for k in ("iteration", "stage", "checkpoint_id", "suite", "split", "metric")]
    return [*about, _score(s), _n(s), _delta(s), p, s["role"]]


def render_table(columns: list[str], rows: list[list[Any]]) -> str:
    """Return a table as Markdown."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows])


def _figure(width: float = 7.5, height: float = 4.0) -> Any:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, stem: Path) -> None:
    figure.savefig(stem.with_suffix(".png"), dpi=150)
    figure.savefig(stem.with_suffix(".svg"))


def _plot_scores(summary: Summary, stem: Path) -> None:
    figure = _figure()
    axes = figure.add_subplot()
    rows = summary.challengers
    x = list(range(len(rows)))
    shares = all(is_share(r["metric"], r["score"], higher_is_better=r["higher_is_better"]) for r in rows)
    scale = 100 if shares else 1
    scores = [scale * r["score"] for r in rows]
    errors = [[scale * e for e in side] for side in zip(*map(_reach, rows), strict=True)] or [[], []]
    axes.errorbar(x, scores, yerr=errors, fmt="o", color="0.6", ecolor="0.75", capsize=3, label="kept out")
    kept = [i for i, r in enumerate(rows) if r["promoted"] or r["role"] == "baseline"]
    axes.errorbar(
        kept,
        [scores[i] for i in kept],
        yerr=[[side[i] for i in kept] for side in errors],
        fmt="o-",
        color="C0",
        capsize=3,
        label="champion",
    )
    axes.set_xticks(x, [f"{r['iteration']}\n{r['stage']}" for r in rows])
    axes.set_xlabel("iteration, stage")
    axes.set_ylabel("score, % (± standard error)" if shares else "score (± standard error)")
    if rows:
        axes.set_title(f"{rows[0]['suite']}/{rows[0]['split']}, {rows[0]['metric']}, n = {rows[0]['n']}")
    axes.grid(axis="y", alpha=0.3)
    axes.legend()
    _save(figure, stem)


def _reach(row: Row) -> tuple[float, float]:
    """Return how far an error bar of one standard error reaches below and above a score."""
    if has_false_bar(row["metric"], row["score"], row["stderr"], row["n"]):
        low, high = find_wilson(row["score"], row["n"], z=1.0)
        return row["score"] - low, high - row["score"]
    return (row["stderr"] or 0.0,) * 2


def _plot_losses(summary: Summary, stem: Path) -> None:
    figure = _figure()
    axes = figure.add_subplot()
    curves: dict[tuple[int, str], list[Row]] = {}
    for entry in summary.log:
        curves.setdefault((entry["iteration"], entry["stage"]), []).append(entry)
    for (iteration, stage), entries in curves.items():
        axes.plot([e["step"] for e in entries], [e["loss"] for e in entries], marker=".", label=f"{iteration} {stage}")
    axes.set_xlabel("step")
    axes.set_ylabel("training loss (per method; not comparable between methods)")
    axes.set_yscale("log" if all(e["loss"] > 0 for e in summary.log) else "linear")  # GRPO's may be below 0
    axes.legend()
    axes.grid(alpha=0.3)
    _save(figure, stem)
