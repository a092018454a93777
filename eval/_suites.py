"""Suites: the rows of each split, frozen into files, and what identifies a measurement."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import SuiteConfig
from ..errors import InputError
from ..schema import canonical_json, content_id
from ..stage import write_json
from ..store import Project, SourceRow, read_source
from ._check import check_rows, check_task
from ._task_files import LM_EVAL, find_task_file, read_definition, read_task

QUESTION_KEYS = ("question", "prompt", "problem", "claim", "input", "instruction", "text")


@dataclass(frozen=True)
class Split:
    """One split of a suite, ready to be scored.

    Attributes:
        suite_hash: of the rows, the task's definition and the settings: equal hashes mean comparable scores.
        content_id: of the rows and the task's definition alone, whichever lm-eval runs it.
        path: a JSON file with the rows.
    """

    suite: SuiteConfig
    name: str
    suite_hash: str
    content_id: str
    path: Path
    fewshot_path: Path | None
    task_file: Path
    rows: tuple[dict[str, Any], ...]

    @property
    def item_ids(self) -> list[str]:
        """Content ids of the items, in order."""
        return [content_id("item", row) for row in self.rows]

    def texts(self) -> list[tuple[str, str]]:
        """Return (item id, text of the question) of every item."""
        return [(item, _question(row)) for item, row in zip(self.item_ids, self.rows, strict=True)]


def _question(row: dict[str, Any]) -> str:
    for key in QUESTION_KEYS:
        if isinstance(row.get(key), str):
            return str(row[key])
    return " ".join(str(v) for v in row.values() if isinstance(v, str))


def prepare_suites(project: Project, suites: tuple[SuiteConfig, ...], base: Path) -> list[Split]:
    """Read and freeze every split of ``suites``.

    Raises:
        NotFoundError: a file, data set or task does not exist.
        InputError: a row cannot be read; an evaluation set is taken whole or not at all.
    """
    return [
        _prepare(project, suite, name, spec, base)
        for suite in suites
        for name, spec in (("gate", suite.gate), ("report", suite.report))
        if spec is not None
    ]


def _prepare(project: Project, suite: SuiteConfig, name: str, spec: str, base: Path) -> Split:
    task_file = find_task_file(suite.task, base)
    task = read_task(task_file)
    check_task(suite, task, task_file, is_own=task_file.is_relative_to(base))
    found = _read_rows(spec, base, f"suite {suite.name}, {name} split")
    shots = _read_rows(suite.fewshot, base, f"suite {suite.name}, fewshot") if suite.fewshot else []
    check_rows(suite, task, found, f"suite {suite.name}, {name} split: {spec}")
    check_rows(suite, task, shots, f"suite {suite.name}, fewshot: {suite.fewshot}")
    rows, fewshot = _canonical(found), _canonical(shots)
    settings = suite.model_dump(mode="json", exclude={"name", "gate", "report", "fewshot", "metric"})
    definition = read_definition(task_file)
    identity = {"rows": rows, "fewshot": fewshot, "task": definition, "settings": settings}
    suite_hash = content_id("suite", json.loads(json.dumps(identity, default=str)))
    content = content_id("items", [rows, fewshot, {k: v for k, v in definition.items() if k != LM_EVAL}])
    folder = project.work / "suites"
    folder.mkdir(parents=True, exist_ok=True)
    path, fewshot_path = folder / f"{suite_hash}.json", folder / f"{suite_hash}.fewshot.json"
    if not path.exists():
        if fewshot:
            write_json(fewshot_path, fewshot)
        write_json(path, rows)
    return Split(suite, name, suite_hash, content, path, fewshot_path if fewshot else None, task_file, tuple(rows))


def _canonical(rows: list[SourceRow]) -> list[dict[str, Any]]:
    return [json.loads(canonical_json(r.row)) for r in rows]


def _read_rows(spec: str, base: Path, place: str) -> list[SourceRow]:
    rows = list(read_source(spec, base))
    for row in rows:
        if row.fault:
            raise InputError(
                f"{place}: {spec}:{row.ordinal + 1}",
                expected="a JSON object on each line",
                received=f"{row.fault}: {row.raw[:120]!r}",
                cure="mend or remove the line; an evaluation set is never scored in part",
            )
    if not rows:
        raise InputError(
            f"{place}: {spec}", expected="at least one row", received="none", cure="check the file and the slice"
        )
    return rows
