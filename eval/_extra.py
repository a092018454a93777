"""Suites that no recipe has: named on the command line, scored and reported, never used to decide."""

import difflib
import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from ..config import PROMPTS_TASK, SuiteConfig
from ..errors import NotFoundError
from ..store import Project
from ._grade import Grader
from ._suites import Split, prepare_suites
from ._task_files import find_tasks, list_names

SUFFIXES = (".yaml", ".yml", ".csv", ".tsv")
"""Of files of prompts."""
OWN_SPLITS = ("test_split", "validation_split")
"""Where a task has the rows that it is scored on, in lm-eval's order."""


def prepare_extra_suite(
    project: Project, name: str, known: Collection[str], base: Path, grader: Grader | None
) -> list[Split]:
    """Return the suite of a file of prompts, or of an lm-eval task on its own data, as one split ``report``.

    Args:
        project: where the rows are frozen.
        name: the file, from ``base`` or from where the command stands; or the task or group.
        known: the recipe's suites, for a misspelt one.
        base: folder that the recipe's paths start from.
        grader: checks what the rows ask of verifiers.

    Raises:
        NotFoundError: there is no such file, task or group.
    """
    files = [p for p in (base / name, Path.cwd() / name) if p.is_file() and p.suffix in SUFFIXES]
    if files and not _is_task(files[0]):
        config = SuiteConfig(name=_as_name(files[0].stem), task=PROMPTS_TASK, gate=str(files[0]), metric="pass,none")
        return [replace(s, name="report") for s in prepare_suites(project, (config,), files[0].parent, grader)]
    try:
        found = find_tasks(name, base, project.work / "suites")
    except NotFoundError as error:
        files_here = {p.name for p in base.iterdir() if p.suffix in SUFFIXES}
        near = difflib.get_close_matches(name, {*known, *files_here, *list_names(base)}, n=1, cutoff=0.7)
        own = f"one of the recipe's ({', '.join(sorted(known))}), " if known else ""
        raise NotFoundError(
            f"suite {name!r}", expected=f"{own}a file of prompts, or a task of lm-eval",
            received="no such suite", cure=f"did you mean {near[0]!r}?" if near else error.cure,
        ) from None  # fmt: skip
    task = found[0].read()
    split = next((task[k] for k in OWN_SPLITS if isinstance(task.get(k), str)), "test")
    config = SuiteConfig(name=_as_name(name), task=name, gate=f"task:{split}", metric="")
    return [replace(s, name="report") for s in prepare_suites(project, (config,), base, grader)]


def _is_task(file: Path) -> bool:
    return (
        file.suffix in (".yaml", ".yml")
        and re.search(r"^(task|group):", file.read_text(encoding="utf-8"), re.M) is not None
    )


def _as_name(text: str) -> str:
    return re.sub(r"[^a-z0-9_.-]+", "-", Path(text).stem.lower()).strip("-._") or "suite"
