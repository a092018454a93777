"""The card of a data set, from the store by SQL: where its rows come from and what was done to them.

Names and figures only: no path of this machine, no recipe, no endpoint.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ...schema import find_interval
from ...store import Store
from ._exported import Exported
from ._load import ASIDE
from ._provenance import Provenance, Table, group_by_licence, trace_rows
from ._record import DPO, KIND_NAMES, KTO, PROBLEM, PROMPT, SCORED, SFT

COLUMNS = {
    SFT: "`prompt` and `completion`, lists of messages (TRL); `tools` as JSON where there are any",
    DPO: "`prompt`, `chosen` and `rejected`, lists of messages (TRL)",
    KTO: "`prompt` and `completion`, lists of messages, and `label` (TRL)",
    SCORED: "`instruction` and `completions`, each with its score",
    PROBLEM: "`question` and `answer`, which ends in `####` and the final answer",
    PROMPT: "`prompt`, a list of messages, or a text (TRL); `tools` as JSON where there are any",
}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"))
SPDX = re.compile(r"^[A-Za-z0-9.\-+]+$")


def write_card(store: Store, folder: Path, exported: Exported) -> None:
    """Write ``folder/README.md`` for the Parquet files in ``folder/data``."""
    found = trace_rows(store, exported)
    sources = _sources(found)
    sections = [
        _head(exported, sources),
        _intro(exported),
        _table("Sources", ("source", "kind", "licence", "rows"), sources),
        _table("Models", ("step", "model", "engine", "rows"), _models(found)),
        _table("Templates", ("step", "template", "id", "rows"), found.templates),
        _table("How the rows were made", ("step", "entered", "kept", "dropped"), found.funnel),
        _table("Verdicts on the rows", ("judge", "passed", "failed", "abstained", "mean score"), _verdicts(found)),
        _decontamination(exported, found),
        _table("Scores of models trained in this project", SCORE_COLUMNS, _scores(store, found)),
        _left_out(exported),
    ]
    (folder / "README.md").write_text("\n".join(s for s in sections if s), encoding="utf-8")


def _head(exported: Exported, sources: Sequence[Sequence[Any]]) -> str:
    licences = sorted({str(s[2]) for s in sources if s[2]})
    known = bool(sources) and all(s[2] for s in sources)
    licence = licences[0].lower() if len(licences) == 1 and known and SPDX.match(licences[0]) else "other"
    size = next((name for most, name in SIZES if exported.rows < most), "n>10M")
    front: dict[str, Any] = {"license": licence}
    if licence == "other":
        front["license_name"] = "see-sources"
    front |= {
        "task_categories": ["text-generation"], "size_categories": [size], "tags": ["flywheel"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]}],
    }  # fmt: skip
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n"


def _intro(exported: Exported) -> str:
    (kind,) = exported.kinds
    return (
        f"# A data set of {exported.rows:,} rows\n\n"
        f"{KIND_NAMES[kind].capitalize()}, selected as `{exported.what}`: {COLUMNS[kind]}.\n"
        "Made by `flywheel export`; every figure below is from the project's store.\n"
    )


def _sources(found: Provenance) -> Table:
    """Return (source, kind, licence, rows): sets and problems by name, documents too unless they are many."""
    named = [source for source in found.sources if source[1] != "document"]
    documents = [source for source in found.sources if source[1] == "document"]
    if len(documents) > MOST_DOCUMENTS:
        documents = group_by_licence(documents)
    return [(_file_name(name), kind, licence or None, n) for name, kind, licence, n in (*named, *documents)]


def _models(found: Provenance) -> Table:
    return [(step, _model_name(model), engine, n) for step, model, engine, n in found.models]


def _verdicts(found: Provenance) -> Table:
    return [
        (_judge_name(judge), *counts, "" if score is None else f"{score:.4f}")
        for judge, *counts, score in found.verdicts
    ]


def _decontamination(exported: Exported, found: Provenance) -> str:
    """Say which rows were compared with evaluation items, and which never were: only training sets are, when they are made."""
    others = exported.rows - found.n_compared - found.n_contaminated
    suites = f" ({', '.join(found.suites)})" if found.suites else ""
    lines = [f"* Rows compared with the evaluation items of this project's suites{suites}: {found.n_compared:,}."]
    if not found.n_compared and not found.n_contaminated:
        lines = ["Not done: none of the rows was compared with evaluation items."]
    elif others > 0:
        lines.append(f"* Rows not compared, since no training set of this project holds them: {others:,}.")
    if removed := exported.aside.get(CONTAMINATED):
        lines.append(f"* Left out, since they hold an evaluation item: {removed:,}.")
    if found.n_contaminated:
        lines.append(f"* **Rows that hold an evaluation item: {found.n_contaminated:,}.**")
    return "## Decontamination\n\n" + "\n".join(lines) + "\n"


CONTAMINATED = "contaminated"
MOST_DOCUMENTS = 30
"""Documents that are named one by one."""
SCORE_COLUMNS = ("iteration", "stage", "suite", "split", "metric", "score", "95 % interval", "n")


def _scores(store: Store, found: Provenance) -> Table:
    rows = store.query(
        "SELECT iteration, stage, suite, split, metric, score, stderr, n FROM leaderboard WHERE run_id IN (SELECT unnest(?::VARCHAR[])) ORDER BY iteration, stage, suite, split",
        [found.run_ids],
    )
    return [
        (*of, metric, f"{score:.4f}", _interval(metric, score, stderr, n), n) for *of, metric, score, stderr, n in rows
    ]


def _interval(metric: str, score: float, stderr: float | None, n: int) -> str | None:
    found = find_interval(metric, score, stderr, n)
    return found and f"{found[0]:.4f} to {found[1]:.4f}"


def _left_out(exported: Exported) -> str:
    reasons = [*exported.left_out.most_common(), *((ASIDE[key][1], n) for key, n in exported.aside.items())]
    return _table("Left out", ("reason", "rows"), reasons)


def _judge_name(name: str) -> str:
    kind, at, what = name.partition("@")
    return f"{kind}{at}{_file_name(what)}" if at else name


def _file_name(name: str) -> str:
    """Cut the folders off a path: a card names no path of the machine that it was made on."""
    return name if name.startswith("hub:") else Path(name).name


def _model_name(name: str) -> str:
    """Cut the folders off a model that is a folder; ``owner/name`` of the hub stays."""
    return Path(name).name if name.startswith(("/", "~", ".")) or name.count("/") > 1 else name


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return ""
    lines = [f"## {title}", "", "| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    lines += ["| " + " | ".join(_cell(v) for v in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    text = "not given" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
