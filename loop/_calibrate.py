"""A judge against people, before it labels anything: labelled rows are judged like any samples, each request on record, and
what the recipe demands is compared with what is measured. The outcome is a row of ``calibrations``.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..config import CalibrationConfig, JudgeConfig
from ..errors import InputError, RecipeError
from ..files import ABSENT, read_lines, read_path
from ..gen import Step
from ..judge.calibration import (
    Calibration,
    Figure,
    Kind,
    Minimum,
    Reading,
    calibrate,
    find_figure,
    find_shortfall,
    lower_end,
    read_examples,
)
from ..schema import RequestRow, SampleRow, canonical_json, content_id, hash_files, utc_now
from ..store import Store

PREFIX = "calibration."
"""What the steps of labelled rows begin with."""
SHOWN = ("question", "completion", "reference", "answer", "first", "second", "prompt")
"""What a judge is shown of a labelled row."""
_WINNERS = {1.0: "first", 0.5: "tie", 0.0: "second"}

Labelled = dict[str, tuple[int, Mapping[str, Any]]]
"""Lines and rows by the ids of their samples."""


def load_labelled(store: Store, config: JudgeConfig, labels: Path, step: Step) -> Labelled:
    """Bring labelled rows in as samples of a step of their own, each once; return them.

    Raises:
        InputError: the file has no row that can be used.
    """
    rows: Labelled = {}
    for line in read_lines(labels):
        if line.row is not None:
            rows[content_id("smp", [step.run_id, step.name, labels.name, line.number, line.row])] = (
                line.number,
                line.row,
            )
    if not rows:
        raise InputError(
            f"data file {labels}",
            expected="rows with people's labels",
            received="none that can be read",
            cure="check the file",
        )
    sql = "SELECT sample_id FROM samples WHERE run_id = ? AND step = ?"
    known = {i for (i,) in store.query(sql, [step.run_id, step.name])}
    names = config.calibration.map if config.calibration else {}
    store.append(*(_rows_of(i, n, row, names, step, labels.name) for i, (n, row) in rows.items() if i not in known))
    store.fold()
    store.replan(step.run_id, step.iteration, step.name, [(hash_files([labels]), len(rows))])
    return rows


def show_labelled(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return what a judge is shown of a labelled row.

    Args:
        names: the row's columns, where they are called otherwise.
    """
    found = {name: read_path(row, names.get(name, name)) for name in SHOWN}
    return {name: value for name, value in found.items() if value is not ABSENT and value is not None}


def _rows_of(
    sample_id: str, number: int, row: Mapping[str, Any], names: Mapping[str, str], step: Step, file: str
) -> list[RequestRow | SampleRow]:  # fmt: skip
    shown = show_labelled(row, names)
    prompt, completion = shown.pop("prompt", None), shown.pop("completion", None)
    messages = (
        prompt if isinstance(prompt, list) else [{"role": "user", "content": shown.get("question") or prompt or ""}]
    )
    text = completion if isinstance(completion, str) else "" if completion is None else canonical_json(completion)
    now, place = utc_now(), f"{file}:{number}"
    request_id = content_id("req", [sample_id])
    return [
        RequestRow(
            request_id, step.run_id, step.iteration, step.name, place, None, "import", file, None, canonical_json(messages),
            "{}", 1, canonical_json([text]), 0, 0, 0, None, now, now,
        ),
        SampleRow(
            sample_id, request_id, 0, step.run_id, step.iteration, step.name, None, text, None, None, place, now, place, 0,
            None, json.dumps(shown, ensure_ascii=False),
        ),
    ]  # fmt: skip


def measure(store: Store, config: JudgeConfig, filed: str, rows: Labelled, place: str) -> Calibration:
    """Return how far the verdicts on labelled rows agree with people.

    Raises:
        InputError: the labels or the verdicts cannot be read.
        RecipeError: ``map`` has no sense.
    """
    wanted: CalibrationConfig = config.calibration  # type: ignore[assignment]
    kind: Kind = wanted.kind or ("pairwise" if config.kind == "pairwise" else "binary")
    said = {
        i: _say(kind, passed, score)
        for i, passed, score in store.query("SELECT sample_id, passed, score FROM verdicts WHERE judge = ?", [filed])
    }
    labels = wanted.map.get("label", "label").split(",")
    columns = {"label": labels, "verdict": ["_verdict"]}
    columns |= {n: [wanted.map.get(n, n)] for n in (("first", "second") if kind == "pairwise" else ("completion",))}
    numbered = [(number, {**row, "_verdict": said.get(i)}) for i, (number, row) in rows.items()]
    return calibrate(read_examples(numbered, Reading(columns, kind, wanted.values), place), filed)


def _say(kind: str, passed: bool | None, score: float | None) -> Any:
    if kind == "score":
        return score
    if kind == "pairwise":
        return None if score is None else _WINNERS.get(score, "tie")
    return None if passed is None else "pass" if passed else "fail"


def settle(store: Store, config: JudgeConfig, filed: str, labels: Path, found: Calibration, run_id: str) -> str:
    """Put a calibration on record and refuse a judge that falls short of a minimum; return what was found, in words.

    Raises:
        RecipeError: with what was demanded, what was found, and what to do.
    """
    wanted: CalibrationConfig = config.calibration  # type: ignore[assignment]
    minima = [Minimum(figure, value, wanted.by, wanted.n) for figure, value in sorted(wanted.minimum.items())]
    short = [(m, why) for m in minima if (why := find_shortfall(m, found.figures))]
    digest = hash_files([labels])
    row = {
        "calibration_id": content_id("cal", [run_id, filed, digest, wanted.model_dump(mode="json")]), "run_id": run_id,
        "judge": filed, "labels": labels.name, "labels_hash": digest, "kind": found.kind, "n": found.n,
        "figures": canonical_json([asdict(f) for f in found.figures]), "minimum": canonical_json(wanted.minimum),
        "met": not short, "reason": "; ".join(why for _, why in short) or None, "created_at": utc_now(),
    }  # fmt: skip
    store.insert("calibrations", [row], key="calibration_id")
    if short:
        which = "lower end of the interval" if wanted.by == "low" else "value"
        raise RecipeError(
            f"judge {config.name}, minimum agreement with people",
            expected=", ".join(f"{m.figure}: {which} of {m.at_least:g} or more on {m.n} rows or more" for m in minima),
            received=str(row["reason"]),
            cure="better criteria, another model or a panel; more labelled rows where the interval is wide; or a lower minimum",
        )
    return ", ".join(
        _describe(f, m.at_least) for m in minima if (f := find_figure(found.figures, m.figure, abstentions="wrong"))
    )


def _describe(figure: Figure, least: float) -> str:
    low = lower_end(figure)
    interval = "no interval" if low is None or figure.high is None else f"{low:.3f} to {figure.high:.3f}"
    return f"{figure.name} {figure.value:.3f} ({interval}, n = {figure.n}), {least:g} demanded"


def is_settled(store: Store, config: JudgeConfig, filed: str, labels: Path, run_id: str) -> bool:
    """Say whether the judge has been found good enough on these labels already."""
    wanted: CalibrationConfig = config.calibration  # type: ignore[assignment]
    key = content_id("cal", [run_id, filed, hash_files([labels]), wanted.model_dump(mode="json")])
    return bool(store.query("SELECT 1 FROM calibrations WHERE calibration_id = ? AND met", [key]))
