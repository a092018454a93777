"""Task definitions: lm-eval's YAML, read without running the functions that it names."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from ..config import explain_yaml, read_text
from ..errors import NotFoundError, RecipeError
from ..schema import content_id
from ..stage import package_folder, run_stage

LM_EVAL = "lm_eval"
FINDER = "flywheel.eval._find"
_NAMED = re.compile(r"^(?:task|group|tag): *[\"']?([\w./-]+)[\"']?\s*$", re.M)


class Function(str):
    """Stands for a function that a task file names with ``!function``."""


Task = dict[str, Any]
"""A task definition, what it includes merged in."""


@dataclass(frozen=True)
class FoundTask:
    """One task of those that a name stands for.

    Attributes:
        name: the task's own.
        file: the YAML that defines it.
        overrides: keys that a group gives its members.
    """

    name: str
    file: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def read(self) -> Task:
        """Return the task's keys, its group's above its own."""
        return {**read_task(self.file), **self.overrides}


def find_tasks(task: str, base: Path, work: Path) -> list[FoundTask]:
    """Return the task called ``task``, or the tasks of the group or tag of that name, in lm-eval's order.

    Args:
        task: a file of the user's, one of ours, or a name of lm-eval's.
        base: folder that files are looked for in.
        work: folder where what a group holds is remembered: finding it reads all of lm-eval's files, ten seconds.

    Raises:
        NotFoundError: no such task or group.
        RecipeError: a member of the group is defined by Python code, not by YAML.
    """
    file = _find_file(task, base)
    if file is None and not _is_mentioned(task):
        raise _no_such_task(task, base)
    if file is not None and not isinstance((own := read_task(file)).get("task"), list):
        return [FoundTask(str(own.get("task") or task), file)]
    job = {"name": task, "file": str(file) if file else None, "base": str(base)}
    definition = {p.name: p.read_text(encoding="utf-8") for p in sorted(base.glob("*.y*ml"))} if file else {}
    version = metadata.version(LM_EVAL)
    found = run_stage(FINDER, job, work / content_id("find", [job, version, definition]))["tasks"]
    if not found:
        raise _no_such_task(task, base)
    return [FoundTask(one["task"], Path(one["file"]), one["overrides"]) for one in found]


def _find_file(task: str, base: Path) -> Path | None:
    """Return the YAML that defines ``task``: a file of the user's, one of ours, or one of lm-eval's."""
    own = base / task
    if own.suffix in (".yaml", ".yml") and own.is_file():
        return own
    packaged = Path(__file__).parent / "tasks" / f"{task}.yaml"
    if packaged.is_file():
        return packaged
    tasks = package_folder(LM_EVAL, "evaluation", "eval") / "tasks"
    direct = tasks / task / f"{task}.yaml"
    for file in [direct] if direct.is_file() else sorted(tasks.rglob("*.yaml")):
        if file == direct or f"task: {task}\n" in file.read_text(encoding="utf-8", errors="ignore"):
            return file
    return None


def _is_mentioned(name: str) -> bool:
    """Whether a file of lm-eval's has the name of a group or tag: a misspelt one is told at once."""
    word = re.compile(rf"(?:group|tag|task): *[\"']?{re.escape(name)}[\"']?\s|- *[\"']?{re.escape(name)}[\"']?\s")
    tasks = package_folder(LM_EVAL, "evaluation", "eval") / "tasks"
    return any(word.search(f.read_text(encoding="utf-8", errors="ignore") + "\n") for f in tasks.rglob("*.yaml"))


def _no_such_task(task: str, base: Path) -> NotFoundError:
    near = difflib.get_close_matches(task, list_names(base), n=1, cutoff=0.7)
    return NotFoundError(
        f"task {task!r}",
        expected="a task or group of lm-eval, a task of flywheel's, or a task YAML beside the recipe",
        received="no such task",
        cure=f"did you mean {near[0]!r}?" if near else "lm-eval ls tasks lists its tasks",
    )


def list_names(base: Path) -> set[str]:
    """Return what a task may be called: ours, the files beside the recipe, and lm-eval's tasks, groups and tags."""
    ours = {p.stem for p in (Path(__file__).parent / "tasks").glob("*.yaml")}
    beside = {p.name for p in base.iterdir() if p.suffix in (".yaml", ".yml")} if base.is_dir() else set()
    tasks = package_folder(LM_EVAL, "evaluation", "eval") / "tasks"
    files = tasks.rglob("*.yaml")
    return ours | beside | {n for f in files for n in _NAMED.findall(f.read_text(encoding="utf-8", errors="ignore"))}


def read_definition(task_file: Path) -> dict[str, str]:
    """Return everything that defines a task, by file name.

    That is its YAML, what the YAML includes, the functions beside it, and the version of lm-eval that runs it.
    """
    found = {LM_EVAL: metadata.version(LM_EVAL)}
    for file, _ in _chain(task_file):
        text = file.read_text(encoding="utf-8")
        found[file.name] = text
        if "!function" in text:
            found |= {p.name: p.read_text(encoding="utf-8") for p in sorted(file.parent.glob("*.py"))}
    return found


def read_task(task_file: Path) -> Task:
    """Return a task's keys; a file's own win over those that it includes.

    Raises:
        RecipeError: a file is not YAML, or no mapping.
        NotFoundError: an included file does not exist.
    """
    merged: Task = {}
    for _, data in reversed(_chain(task_file)):
        merged |= {k: v for k, v in data.items() if k != "include"}
    return merged


def task_version(task: Mapping[str, Any]) -> str:
    """Return the version that a task, or the file that it includes, gives itself; ``?`` without one."""
    metadata_of_task = task.get("metadata")
    version = metadata_of_task.get("version") if isinstance(metadata_of_task, dict) else None
    return "?" if version is None else str(version)


def _chain(task_file: Path) -> list[tuple[Path, Task]]:
    """Return a task file and all that it includes, each with its own keys, the file itself first."""
    found: dict[Path, Task] = {}
    pending = [task_file]
    while pending:
        file = pending.pop(0)
        if file in found:
            continue
        found[file] = data = _parse(file)
        included = data.get("include") or []
        names = [included] if isinstance(included, str) else included
        pending += [file.parent / name for name in reversed(names)]  # of two that are included, the later wins
    return list(found.items())


def _parse(file: Path) -> Task:
    class Loader(yaml.SafeLoader):
        """Reads task files without running the functions that they name."""

    Loader.add_constructor("!function", lambda loader, node: Function(node.value))
    text = read_text(file, f"task file {file}", cure="check the path, and 'include' in the file that names it")
    try:
        data = yaml.load(text, Loader=Loader)
    except yaml.YAMLError as error:
        raise explain_yaml(error, f"task file {file}") from None
    if not isinstance(data, dict):
        raise RecipeError(
            f"task file {file}", expected="a mapping of lm-eval's task keys",
            received="nothing" if data is None else f"a {type(data).__name__}", cure="see docs of lm-eval's task YAML",
        )  # fmt: skip
    return data
