"""A calibration as Markdown with plots."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ._calibrate import Calibration
from ._figure import Figure

COLUMNS = ("figure", "value", "interval", "n", "ties count as", "abstentions count as")
TEXT_CHARS = 300


def figure_cells(figure: Figure) -> list[str]:
    """Return the cells of a figure, in the order of :data:`COLUMNS`."""
    p = "" if figure.p_value is None else f" (p = {figure.p_value:.2g})"
    return [
        figure.name, "not defined" if figure.value is None else f"{figure.value:.4f}{p}",
        "" if figure.low is None or figure.high is None else f"{figure.low:.4f} to {figure.high:.4f}", str(figure.n),
        figure.ties, figure.abstentions,
    ]  # fmt: skip


def describe(found: Calibration) -> str:
    """Return in a few lines what was compared and what the judge said."""
    orders = ", each judged in both orders" if found.n_orders == 2 else ""
    lines = [
        f"{found.judge}: {found.n:,} rows ({found.kind}){orders}.",
        f"The judge said: {_counts(found.verdicts)}.", f"People said: {_counts(found.labels) or 'nothing'}.",
    ]  # fmt: skip
    if found.left_out:
        lines.append(f"Left out of every comparison with people: {_counts(found.left_out)}.")
    interval = (
        f"{100 * found.level:g} % percentile bootstrap over rows, {found.resamples:,} resamples, seed {found.seed}"
    )
    lines.append(f"Intervals: {interval}; all figures rest on the same draws." if found.resamples else "No intervals.")
    return "\n".join(lines)


def render_calibration(found: Calibration, plots: Sequence[str] = ()) -> str:
    """Return the report.

    Args:
        found: the calibration.
        plots: paths of the plots, as the report names them.
    """
    parts = [
        f"# Calibration of {found.judge}", describe(found).replace("\n", "\n\n"), "## Figures",
        _table(COLUMNS, [figure_cells(f) for f in found.figures]), "## What is measured",
        "\n".join(f"* {name}: {how}." for name, how in {f.name: f.how for f in found.figures if f.how}.items())
        or "The figures are what their names say.",
        *(f"![{Path(p).stem}]({p})" for p in plots),
    ]  # fmt: skip
    if found.table:
        cells = [[label, verdict, n] for (label, verdict), n in found.table.items()]
        parts += ["## Labels and verdicts", _table(("people", "judge", "verdicts"), cells)]
    if found.abstentions:
        shown = [[line, _cell(text)] for line, text in found.abstentions]
        parts += [f"## Abstentions ({found.n_abstained} in all)", _table(("line", "what the judge said"), shown)]
    return "\n\n".join(parts) + "\n"


def plot_calibration(found: Calibration, folder: Path) -> list[Path]:
    """Write the plots into ``folder``; return their paths."""
    import matplotlib

    matplotlib.use("Agg")
    paths = [_plot_figures(found, folder / "figures.png")]
    if found.table:
        paths.append(_plot_table(found, folder / "verdicts.png"))
    return paths


def _plot_figures(found: Calibration, path: Path) -> Path:
    from matplotlib.figure import Figure as Canvas

    shown = [f for f in found.figures if f.value is not None and f.low is not None and abs(f.value) <= 1][::-1]
    canvas = Canvas(figsize=(9, 1.2 + 0.28 * len(shown)), layout="constrained")
    axes = canvas.add_subplot()
    for y, f in enumerate(shown):
        axes.plot([f.low, f.high], [y, y], color="0.6")
        axes.plot(f.value, y, "o", color="C0", markersize=4)
    axes.set_yticks(range(len(shown)), [_label(f) for f in shown], fontsize=7)
    axes.set_xlabel(f"value, with {100 * found.level:g} % interval")
    axes.axvline(0, color="0.85", zorder=0)
    axes.grid(axis="x", alpha=0.3)
    axes.set_title(f"{found.judge}, {found.n} rows")
    canvas.savefig(path, dpi=150)
    return path


def _label(f: Figure) -> str:
    return f"{f.name[:70]}\nties {f.ties}; abstentions {f.abstentions}; n = {f.n}"


def _plot_table(found: Calibration, path: Path) -> Path:
    from matplotlib.figure import Figure as Canvas

    labels = sorted({a for a, _ in found.table})
    verdicts = sorted({b for _, b in found.table})
    counts = [[found.table.get((a, b), 0) for b in verdicts] for a in labels]
    canvas = Canvas(figsize=(2 + 0.9 * len(verdicts), 1.6 + 0.6 * len(labels)), layout="constrained")
    axes = canvas.add_subplot()
    axes.imshow(counts, cmap="Blues", aspect="auto")
    for y, row in enumerate(counts):
        for x, n in enumerate(row):
            axes.text(
                x, y, str(n), ha="center", va="center", color="white" if 2 * n > max(map(max, counts)) else "black"
            )
    axes.set_xticks(range(len(verdicts)), verdicts)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("judge")
    axes.set_ylabel("people")
    canvas.savefig(path, dpi=150)
    return path


def _counts(counts: Any) -> str:
    shown = list(counts.items())
    more = f", and {len(shown) - 12} other values" if len(shown) > 12 else ""
    return ", ".join(f"{name} {n:,}" for name, n in shown[:12]) + more


def _cell(text: str) -> str:
    cut = text[:TEXT_CHARS] + ("…" if len(text) > TEXT_CHARS else "")
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").strip().replace("\n", "<br>")


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    return "\n".join(lines + ["| " + " | ".join(str(c) for c in row) + " |" for row in rows])
