"""Suites: the rows of each split, frozen into files, and what identifies a measurement."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config import DEFAULT_GEN_TOKS, Source, SuiteConfig
from ..errors import RecipeError
from ..schema import canonical_json, content_id, image_urls, mark_image
from ..stage import write_json
from ..store import Project, SourceRow, add_distractors
from ._check import check_rows, check_task
from ._fever import read_claim
from ._grade import Grader
from ._programs import read_program
from ._prompts import read_prompts
from ._sources import find_own_shots, read_rows
from ._task_files import LM_EVAL, FoundTask, find_tasks, read_definition, task_version

LIMITS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""What tasks call their limit, in lm-eval's order of precedence."""
QUESTION_KEYS = ("question", "prompt", "problem", "claim", "input", "instruction", "text")


@dataclass(frozen=True)
class Part:
    """One task of a suite with its rows: most suites have one, a group's has one for each of its tasks.

    Attributes:
        found: the task.
        path: a JSON file with the rows.
        fewshot_path: one with the rows that examples are taken from.
        n: rows.
        max_gen_toks: most tokens of an answer.
    """

    found: FoundTask
    path: Path
    fewshot_path: Path | None
    n: int
    max_gen_toks: int


@dataclass(frozen=True)
class Split:
    """One split of a suite, ready to be scored.

    Attributes:
        suite_hash: of the rows, the task's definition and the settings: equal hashes mean comparable scores.
        content_id: of the rows and the task's definition alone, whichever lm-eval runs it.
        rows: of all parts, in order.
        version: the task's own.
        parts: one, or of a group one for each of its tasks.
    """

    suite: SuiteConfig
    name: str
    suite_hash: str
    content_id: str
    rows: tuple[dict[str, Any], ...] = field(repr=False)
    version: str = "?"
    parts: tuple[Part, ...] = ()

    @property
    def item_ids(self) -> list[str]:
        """Content ids of the items, in order."""
        return [content_id("item", row) for row in self.rows]

    @property
    def max_gen_toks(self) -> int:
        """Most tokens of an answer; of a group the most of any of its tasks."""
        return max(p.max_gen_toks for p in self.parts)

    def texts(self) -> list[tuple[str, str]]:
        """Return (item id, text of the question) of every item."""
        return [(item, _question(row)) for item, row in zip(self.item_ids, self.rows, strict=True)]


def _question(row: dict[str, Any]) -> str:
    """Return what a training row must not hold of an item: its question, or of one about images these, whatever is asked of them."""
    if isinstance(row.get("messages"), str) and "image_url" in row["messages"]:
        return "\n".join(map(mark_image, image_urls(json.loads(row["messages"]))))
    for key in QUESTION_KEYS:
        if isinstance(row.get(key), str):
            return str(row[key])
    return " ".join(str(v) for v in row.values() if isinstance(v, str))


def prepare_suites(
    project: Project, suites: Sequence[SuiteConfig], base: Path, grader: Grader | None = None
) -> list[Split]:
    """Read and freeze every split of ``suites``.

    Args:
        project: where the rows are frozen.
        suites: as the recipe has them.
        base: folder that its paths start from.
        grader: checks what the suites' rows ask of verifiers; None = such rows are taken as they are.

    Raises:
        NotFoundError: a file, data set or task does not exist.
        InputError: a row cannot be read; an evaluation set is taken whole or not at all.
    """
    return [
        _prepare(project, suite, name, spec, base, grader)
        for suite in suites
        for name, spec in (("gate", suite.gate), ("report", suite.report))
        if spec is not None
    ]


def _tell_short(spec: str, n: int | None, place: str) -> None:
    """Say on standard error when a slice ends behind the rows there are: fewer items are scored than it names."""
    source = Source.parse(spec)
    if n is not None and source.stop is not None and n < source.stop - source.start:
        print(f"note: {place}: {spec} names {source.stop - source.start} rows, there are {n}", file=sys.stderr)


@dataclass(frozen=True)
class _Read:
    """A task with its rows as they are scored."""

    found: FoundTask
    rows: list[dict[str, Any]]
    fewshot: list[dict[str, Any]]
    definition: dict[str, Any]


def _prepare(project: Project, suite: SuiteConfig, name: str, spec: str, base: Path, grader: Grader | None) -> Split:
    work = project.work / "suites"
    work.mkdir(parents=True, exist_ok=True)
    read = [_read(project, suite, name, spec, base, found, grader) for found in find_tasks(suite.task, base, work)]
    settings = suite.model_dump(mode="json", exclude={"name", "gate", "report", "fewshot", "metric", "distractors"})
    limits = [limit_answers(suite, r.found.read()) for r in read]
    settings["max_gen_toks"] = limits[0] if len(set(limits)) == 1 else limits
    shapes = [{"rows": r.rows, "fewshot": r.fewshot, "task": r.definition} for r in read]
    identity = {**shapes[0], "settings": settings, **({"parts": shapes[1:]} if len(shapes) > 1 else {})}
    suite_hash = content_id("suite", json.loads(json.dumps(identity, default=str)))
    contents = [[r.rows, r.fewshot, {k: v for k, v in r.definition.items() if k != LM_EVAL}] for r in read]
    content = content_id("items", contents[0] if len(contents) == 1 else contents)
    parts = tuple(_freeze(r, work, suite_hash, i, limit) for i, (r, limit) in enumerate(zip(read, limits, strict=True)))
    rows = tuple(row for r in read for row in r.rows)
    _tell_short(spec, len(rows) if len(read) == 1 else None, f"suite {suite.name}, {name} split")
    return Split(suite, name, suite_hash, content, rows, version=task_version(parts[0].found.read()), parts=parts)


def _read(
    project: Project, suite: SuiteConfig, name: str, spec: str, base: Path, found: FoundTask, grader: Grader | None
) -> _Read:
    task = found.read()
    check_task(suite, task, found.file, is_own=found.file.is_relative_to(base))
    place = f"suite {suite.name}, {name} split"
    raw = (
        read_prompts(spec, base, place, project) if _rows_of(task) == "prompts" else read_rows(spec, found, base, place)
    )
    raw = add_distractors(raw, suite.distractors) if suite.distractors else raw
    rows = _shape(raw, task, f"{place}: {spec}", grader)
    wanted = _find_shots(suite, task, spec)
    shots = []
    if wanted:
        place = f"suite {suite.name}, fewshot"
        shots = _shape(read_rows(wanted, found, base, place), task, f"{place}: {wanted}", grader)
    check_rows(suite, task, rows, f"suite {suite.name}, {name} split: {spec}")
    check_rows(suite, task, shots, f"suite {suite.name}, fewshot: {wanted}")
    definition: dict[str, Any] = dict(read_definition(found.file))
    if found.overrides:
        definition["overrides"] = dict(found.overrides)
    if grader is not None and (judges := _judges(rows, grader)):
        definition["judges"] = judges
    return _Read(found, _canonical(rows), _canonical(shots), definition)


def _find_shots(suite: SuiteConfig, task: dict[str, Any], spec: str) -> str | None:
    """Return where examples come from: the suite's own rows, else the task's where its own data are scored.

    Raises:
        RecipeError: examples are wanted and there is nothing to take them from.
    """
    if suite.fewshot:
        return suite.fewshot
    wanted = task.get("num_fewshot") if suite.num_fewshot is None else suite.num_fewshot
    if not wanted or "samples" in (task.get("fewshot_config") or {}):
        return None
    own = find_own_shots(task)
    if own and spec.startswith("task:"):
        return own
    raise RecipeError(
        f"suite {suite.name}: fewshot", expected=f"rows to take the {wanted} examples of task {suite.task} from",
        received="none", cure="name them (fewshot: train.jsonl[0:100], never rows that are scored), or set num_fewshot: 0",
    )  # fmt: skip


def _shape(rows: list[SourceRow], task: dict[str, Any], place: str, grader: Grader | None) -> list[SourceRow]:
    """Return rows as our own tasks want them: FEVER's and programs' in one shape, each with its checks complete."""
    if _rows_of(task) == "fever":
        variant, rules = task["metadata"]["evidence"], task["metadata"].get("citations") or {}
        rows = [SourceRow(r.ordinal, read_claim(r, variant, f"{place}:{r.ordinal + 1}", rules)) for r in rows]
    if _rows_of(task) == "code":
        rows = [SourceRow(r.ordinal, read_program(r, f"{place}:{r.ordinal + 1}")) for r in rows]
    return [_complete(row, f"{place}:{row.ordinal + 1}", grader) for row in rows]


def _rows_of(task: Mapping[str, Any]) -> str | None:
    """Return what one of our own tasks calls its rows; None of any other task."""
    given = task.get("metadata")
    return given.get("rows") if isinstance(given, dict) else None


def _complete(row: SourceRow, place: str, grader: Grader | None) -> SourceRow:
    """Fill the options of a row's checks in, so that a misspelt one is told before anything is scored."""
    if grader is None or not isinstance(row.row.get("checks"), str):
        return row
    checks = json.loads(row.row["checks"])
    for check in checks:
        if "verifier" in check:
            check["options"] = grader.complete(check["verifier"], check.get("options") or {}, f"{place}: {check['as']}")
    return SourceRow(row.ordinal, {**row.row, "checks": canonical_json(checks)})


def _judges(rows: list[SourceRow], grader: Grader) -> list[str]:
    """Return the verifiers that the rows name, with their versions: a new version is another measurement."""
    named = {
        check["verifier"]
        for row in rows
        if isinstance(row.row.get("checks"), str)
        for check in json.loads(row.row["checks"])
        if "verifier" in check
    }
    return sorted(grader.judge_of(name) for name in named)


def limit_answers(suite: SuiteConfig, task: Mapping[str, Any]) -> int:
    """Return the most tokens of an answer: the suite's, else the task's own, else lm-eval's default."""
    if suite.max_gen_toks is not None:
        return suite.max_gen_toks
    given = task.get("generation_kwargs")
    own = [given[k] for k in LIMITS if given.get(k)] if isinstance(given, dict) else []
    return int(own[0]) if own else DEFAULT_GEN_TOKS


def _freeze(read: _Read, folder: Path, suite_hash: str, number: int, max_gen_toks: int) -> Part:
    stem = suite_hash if number == 0 else f"{suite_hash}.{number}"
    path, fewshot_path = folder / f"{stem}.json", folder / f"{stem}.fewshot.json"
    if not path.exists():
        if read.fewshot:
            write_json(fewshot_path, read.fewshot)
        write_json(path, read.rows)
    return Part(read.found, path, fewshot_path if read.fewshot else None, len(read.rows), max_gen_toks)


def _canonical(rows: list[SourceRow]) -> list[dict[str, Any]]:
    return [json.loads(canonical_json(r.row)) for r in rows]
