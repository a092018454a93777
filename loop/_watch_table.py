"""The collapse watch as a table by iteration, and its warnings as lines: for the terminal and the report."""

from typing import Any

from ._summary import Row, Summary

MEASURE_COLUMNS = [
    "iteration", "step", "n", "distinct-2", "chars", "drift", "entropy", "of", "repeated", "before", "disagree", "pass rate", "gap",
]  # fmt: skip
MEASURES_SAID = (
    "What the new completions of each iteration measure (`iteration_measures`; docs/loop.md): different 2-grams, mean length and its "
    "drift against the first iteration, entropy in nats, share repeated and share that an earlier iteration had, share on which judge "
    "and verifier disagree, pass rate, and its gap to the gate score. An empty cell could not be measured."
)


def measure_cells(summary: Summary) -> list[list[Any]]:
    """Return the cells of the table of measures."""
    return [
        [
            m["iteration"], m["step"], m["n"], _number(m["distinct_2"]), _number(m["mean_chars"], ".1f"), _share(m["length_drift"], "+.1f"),
            _number(m["entropy"]), m["entropy_of"] or "", _share(m["repeated"]), _share(m["repeated_earlier"]),
            _share(m["disagreement"]), _share(m["pass_rate"]), "" if m["train_gate_gap"] is None else f"{100 * m['train_gate_gap']:+.1f}",
        ]
        for m in summary.measures
    ]  # fmt: skip


def finding_lines(summary: Summary) -> list[str]:
    """Return what the watch found, a line each."""
    return [_line(f) for f in summary.findings]


def _line(finding: Row) -> str:
    word = "Warning" if finding["level"] == "warn" else "Stop"
    return f"{word}, iteration {finding['iteration']}, {finding['message']}."


def _number(value: float | None, how: str = ".3f") -> str:
    return "" if value is None else f"{value:{how}}"


def _share(value: float | None, how: str = ".1f") -> str:
    return "" if value is None else f"{100 * value:{how}} %"
