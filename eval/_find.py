"""What a group or tag of lm-eval's holds. Runs as ``python -m flywheel.eval._find FOLDER``: lm-eval's index of its 14,000
tasks takes ten seconds to read.
"""

from pathlib import Path
from typing import Any

from ..errors import RecipeError
from ..stage import Emit, child_main


def find(job: dict[str, Any], folder: Path, emit: Emit) -> dict[str, Any]:
    """Return the tasks that ``job["name"]`` stands for; none where there is no such name."""
    from lm_eval.tasks._index import TaskIndex

    index: Any = {}
    name = job["name"]
    if job["file"] is not None:
        index = TaskIndex.build([Path(job["base"])])
        name = next(n for n, e in index.items() if e.yaml_path == Path(job["file"]))
    if name not in index or not _is_whole(index, name):
        import lm_eval

        index = {**TaskIndex.build([Path(lm_eval.__file__).parent / "tasks"]), **index}
    return {"tasks": list(_expand(index, name, {})) if name in index else []}


def _is_whole(index: Any, name: str) -> bool:
    """Whether all members of a user's group stand beside it."""
    entry = index[name]
    if entry.kind.name != "GROUP":
        return True
    return all(_name_of(m) in index and _is_whole(index, _name_of(m)) for m in _members(entry.cfg))


def _members(config: dict[str, Any]) -> list[Any]:
    task = config.get("task") or []
    return task if isinstance(task, list) else [task]


def _name_of(member: Any) -> str:
    return str(member.get("task") or member.get("group")) if isinstance(member, dict) else str(member)


def _expand(index: Any, name: str, overrides: dict[str, Any]) -> Any:
    """Yield the leaves below ``name``, as lm-eval's own factory makes them: what is nearer to the leaf wins."""
    from lm_eval.tasks._factory import GROUP_FIELD_NAMES

    entry = index.get(name)
    if entry is None:
        raise _refused(name, "no such task")
    if entry.kind.name == "TAG":
        for task in sorted(entry.tags):
            yield from _expand(index, task, overrides)
    elif entry.kind.name == "GROUP":
        given = {**{k: v for k, v in entry.cfg.items() if k not in GROUP_FIELD_NAMES}, **overrides}
        for member in _members(entry.cfg):
            own = member if isinstance(member, dict) else {}
            if isinstance(own.get("task"), list):
                raise _refused(name, "a group defined within a group")
            yield from _expand(
                index, _name_of(member), {**given, **{k: v for k, v in own.items() if k not in ("task", "group")}}
            )
    elif entry.kind.name == "PY_TASK":
        raise _refused(name, "a task made by Python code")
    else:
        yield {"task": name, "file": str(entry.yaml_path), "overrides": overrides}


def _refused(name: str, received: str) -> RecipeError:
    return RecipeError(
        f"task {name!r}",
        expected="a task defined by YAML",
        received=received,
        cure="name the tasks one by one as suites",
    )


if __name__ == "__main__":
    child_main(find)
