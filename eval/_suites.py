"""Suites: the rows of each split, frozen into files, and what identifies a measurement."""

import importlib.util
import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from ..config import SuiteConfig
from ..errors import InputError, MissingExtraError, NotFoundError
from ..schema import canonical_json, content_id
from ..stage import write_json
from ..store import Project, read_source

LM_EVAL = "lm_eval"
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
    rows = _read_rows(spec, base, f"suite {suite.name}, {name} split")
    fewshot = _read_rows(suite.fewshot, base, f"suite {suite.name}, fewshot") if suite.fewshot else []
    task_file = find_task_file(suite.task, base)
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
    shots = fewshot_path if fewshot else None
    return Split(suite, name, suite_hash, content, path, shots, task_file, tuple(rows))


def _read_rows(spec: str, base: Path, place: str) -> list[dict[str, Any]]:
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
    return [json.loads(canonical_json(r.row)) for r in rows]


def find_task_file(task: str, base: Path) -> Path:
    """Return the YAML that defines ``task``: a file of the user's, one of ours, or one of lm-eval's.

    Raises:
        NotFoundError: no such task.
    """
    own = base / task
    if own.suffix in (".yaml", ".yml") and own.is_file():
        return own
    packaged = Path(__file__).parent / "tasks" / f"{task}.yaml"
    if packaged.is_file():
        return packaged
    spec = importlib.util.find_spec("lm_eval")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            "evaluation",
            expected="the package lm-eval",
            received="it is not installed",
            cure="pip install 'llm-flywheel[eval]'",
        )
    tasks = Path(spec.submodule_search_locations[0]) / "tasks"
    direct = tasks / task / f"{task}.yaml"
    for file in [direct] if direct.is_file() else sorted(tasks.rglob("*.yaml")):
        if file == direct or f"task: {task}\n" in file.read_text(encoding="utf-8", errors="ignore"):
            return file
    raise NotFoundError(
        f"task {task!r}",
        expected="a task of lm-eval, one of flywheel's, or a task YAML beside the recipe",
        received="no such task",
        cure="lm-eval ls tasks lists its tasks",
    )


def read_definition(task_file: Path) -> dict[str, str]:
    """Return everything that defines a task, by file name.

    That is its YAML, what the YAML includes, the functions beside it, and the version of lm-eval that runs it.
    """
    found = {LM_EVAL: metadata.version(LM_EVAL)}
    pending = [task_file]
    while pending:
        file = pending.pop()
        text = file.read_text(encoding="utf-8")
        found[file.name] = text
        included = _parse_task(text).get("include")
        pending += [file.parent / name for name in ([included] if isinstance(included, str) else included or [])]
        if "!function" in text:
            found |= {p.name: p.read_text(encoding="utf-8") for p in sorted(file.parent.glob("*.py"))}
    return found


def task_version(task_file: Path) -> str:
    """Return the version that a task, or the file that it includes, gives itself; ``?`` without one."""
    data = _parse_task(task_file.read_text(encoding="utf-8"))
    version = (data.get("metadata") or {}).get("version")
    if version is None and isinstance(data.get("include"), str):
        return task_version(task_file.parent / data["include"])
    return "?" if version is None else str(version)


def _parse_task(text: str) -> dict[str, Any]:
    class Loader(yaml.SafeLoader):
        """Reads task files without running the functions that they name."""

    Loader.add_constructor("!function", lambda loader, node: None)
    data: dict[str, Any] = yaml.load(text, Loader=Loader)
    return data
