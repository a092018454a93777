"""The card of a data set, from the store by SQL: where its rows come from and what was done to them.

Names and figures only: no path of this machine, no recipe, no endpoint.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ...schema import PROJECT_RUN
from ...store import Store
from .._plan import ON_POLICY, SOLVE
from ._exported import ORIGIN, Exported
from ._record import DPO, KIND_NAMES, KTO, PROBLEM, PROMPT, SCORED, SFT
from ._rows import ENGINE, STEP

PROBLEMS_ENGINE = "problems"
"""What stands for the engine of rows that are problems."""

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
    sources = _sources(store, exported)
    sections = [
        _head(exported, sources),
        _intro(exported),
        _table("Sources", ("source", "kind", "licence", "rows"), sources),
        _table("Models", ("model", "engine", "rows"), _models(store, exported)),
        _table("Templates", ("template", "id", "rows"), _templates(store, exported)),
        _table("How the rows were made", ("step", "entered", "kept", "dropped"), _funnel(store, exported)),
        _decontamination(store),
        _table("Scores of models trained in this project", SCORE_COLUMNS, _scores(store, exported)),
        _left_out(exported),
    ]
    (folder / "README.md").write_text("\n".join(s for s in sections if s), encoding="utf-8")


def _head(exported: Exported, sources: Sequence[Sequence[Any]]) -> str:
    licences = sorted({str(s[2]) for s in sources if s[2]})
    known = all(s[2] for s in sources)
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


def _sources(store: Store, exported: Exported) -> list[tuple[Any, ...]]:
    """Return (source, kind, licence, rows): imported sets and problem sets with their rows here, then the documents."""
    licence_of = dict(store.query("SELECT name, arg_max(licence, imported_at) FROM datasets GROUP BY name"))
    counted = Counter[tuple[str, str]]()
    for origin, n in exported.origins.items():
        at = dict(zip(ORIGIN, origin, strict=True))
        if at["engine"] == ENGINE and at["run_id"] in (PROJECT_RUN, ""):
            counted[at["model"], "imported set"] += n
        elif at["engine"] == PROBLEMS_ENGINE:
            counted[at["model"], "problem set"] += n
        elif at["problem_source"]:
            counted[at["problem_source"], "problems that were answered"] += n
    found = [(_file_name(name), kind, licence_of.get(name), n) for (name, kind), n in counted.most_common()]
    rest = exported.rows - counted.total()
    return found + (_documents(store, rest) if rest else [])


def _documents(store: Store, rows: int) -> list[tuple[Any, ...]]:
    """Return the documents in use by licence; where their licences differ, the rows are those of all."""
    found = store.query(
        """
        SELECT count(*)::VARCHAR || ' documents', 'ingested', licence FROM
            (SELECT source, arg_max(licence, version) AS licence FROM documents GROUP BY source)
        GROUP BY licence ORDER BY count(*) DESC
        """
    )
    return [(*one, rows if i == 0 else "(with the line above)") for i, one in enumerate(found)]


def _models(store: Store, exported: Exported) -> list[tuple[Any, ...]]:
    counted = Counter[tuple[str, str]]()
    for (engine, model, *_), n in exported.origins.items():
        if engine not in (ENGINE, PROBLEMS_ENGINE):
            counted[_model_name(model), engine] += n
    return [(model, engine, n) for (model, engine), n in counted.most_common()]


def _templates(store: Store, exported: Exported) -> list[tuple[Any, ...]]:
    names = dict(store.query("SELECT template_id, name FROM templates"))
    counted = Counter[str]()
    for (_, _, _, template, *_), n in exported.origins.items():
        counted[template] += n if template else 0
    return [(names.get(t, "?"), t, n) for t, n in counted.most_common() if n]


def _funnel(store: Store, exported: Exported) -> list[tuple[Any, ...]]:
    """Return the funnel of the steps that the rows went through, in their order, and of no others."""
    steps: dict[tuple[str, str], None] = {}
    for origin in exported.origins:
        at = dict(zip(ORIGIN, origin, strict=True))
        if at["run_id"]:
            steps |= dict.fromkeys(_way_of(store, at["run_id"], at["step"]))
    if exported.kinds.keys() == {DPO}:
        steps |= {(run_id, "pair"): None for run_id, _ in list(steps)}
    found: list[tuple[Any, ...]] = []
    for run_id, step in sorted(steps, key=lambda s: s[0] != PROJECT_RUN):
        found += store.query(
            """
            SELECT step, sum(entered)::BIGINT, sum(kept)::BIGINT, sum(dropped)::BIGINT FROM funnel
            WHERE run_id = $1 AND (step = $2 OR step IN ($2 || '/items', $2 || '/verify')) GROUP BY 1 ORDER BY 1
            """,
            [run_id, step],
        )
    return found


def _way_of(store: Store, run_id: str, step: str) -> list[tuple[str, str]]:
    """Return the steps that lead to a step and itself, the first one first, each with its run."""
    recipe = store.query("SELECT recipe FROM runs WHERE run_id = ?", [run_id])
    source_of = (
        {s["step"]: s.get("source", CHUNKS) for s in json.loads(recipe[0][0]).get("generate") or ()} if recipe else {}
    )
    way = [(run_id, step)]
    while step in source_of:
        step = source_of[step]
        way.insert(0, (PROJECT_RUN, _BROUGHT_IN[step]) if step in _BROUGHT_IN else (run_id, step))
    return [(run_id, PROBLEMS), *way] if step in (SOLVE, ON_POLICY) else way


def _decontamination(store: Store) -> str:
    dropped = store.query(
        "SELECT reason, sum(n)::BIGINT FROM drops WHERE starts_with(reason, 'contaminated') GROUP BY 1 ORDER BY 2 DESC"
    )
    if not dropped:
        return "## Decontamination\n\nNo row is on record as contaminated by an evaluation item.\n"
    return _table("Decontamination", ("removed because", "rows"), dropped)


CHUNKS, PROBLEMS = "chunks", "problems"
_BROUGHT_IN = {CHUNKS: "ingest", "imported": STEP}
"""What brought in the rows that a step may start from, by its ``source``."""

SCORE_COLUMNS = ("iteration", "stage", "suite", "split", "metric", "score", "stderr", "n")


def _scores(store: Store, exported: Exported) -> list[tuple[Any, ...]]:
    rows = store.query(f"SELECT {', '.join(SCORE_COLUMNS)} FROM leaderboard ORDER BY iteration, stage, suite, split")
    return [tuple(f"{v:.4f}" if isinstance(v, float) else v for v in row) for row in rows]


def _left_out(exported: Exported) -> str:
    return _table("Left out", ("reason", "rows"), exported.left_out.most_common())


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
