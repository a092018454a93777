"""Recipe files that name only what differs from another: ``extends: recipe.yaml``.

Trees of YAML are merged, not values: each key keeps the file and the line where it was written, so that a fault is told where
it can be mended.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..errors import RecipeError
from ._text import construct_yaml, parse_yaml, read_text

EXTENDS = "extends"
WRITE_ONE = "write one with: flywheel init"


@dataclass(frozen=True)
class RecipeFile:
    """One file of a recipe, as it was written."""

    path: Path
    node: yaml.MappingNode
    data: dict[str, Any]


def walk_recipe_files(path: Path, *, cure: str = WRITE_ONE) -> Iterator[RecipeFile]:
    """Yield a recipe's file, the one that it extends, the one that this extends, and so on.

    All lie in the folder of the first, or below: paths in them start from there, whoever extends them.

    Args:
        path: the recipe file.
        cure: what to do when there is no such file.

    Raises:
        NotFoundError: there is no such file.
        FileAccessError: it cannot be read.
        RecipeError: not YAML, no mapping, or it extends itself or what lies elsewhere.
    """
    one, met = _read(path, f"recipe {path}", cure), [path]
    yield one
    while (found := _find_base(one, path.parent)) is not None:
        base, place = found
        if any(base.resolve() == file.resolve() for file in met):
            raise RecipeError(
                place, expected="a recipe that does not lead back here", received=" → ".join(f.name for f in (*met, base)),
                cure=f"remove the key {EXTENDS} from one of them",
            )  # fmt: skip
        one = _read(base, place, f"check the path, which starts from {one.path.parent}")
        met.append(base)
        yield one


def read_recipe_file(path: Path, *, cure: str = WRITE_ONE) -> tuple[yaml.Node, dict[str, Any]]:
    """Return the tree and the value of a recipe, with what it extends: mappings merge key by key, all else replaces.

    Raises:
        NotFoundError: there is no such file.
        FileAccessError: it cannot be read.
        RecipeError: see :func:`walk_recipe_files`.
    """
    files = list(walk_recipe_files(path, cure=cure))
    node = _without_extends(files[-1].node)
    for file in reversed(files[:-1]):
        node = _merge(node, _without_extends(file.node))
    return node, construct_yaml(node, str(path))


def _read(path: Path, place: str, cure: str) -> RecipeFile:
    node, data = parse_yaml(read_text(path, place, expected="a recipe file", cure=cure), str(path))
    if not isinstance(data, dict) or not isinstance(node, yaml.MappingNode):
        received = "nothing" if data is None else f"a {type(data).__name__}"
        raise RecipeError(str(path), expected="a mapping of recipe keys", received=received, cure=WRITE_ONE)
    return RecipeFile(path, node, data)


def _find_base(file: RecipeFile, folder: Path) -> tuple[Path, str] | None:
    """Return the file that one extends and the place that says so; None when it extends none."""
    if EXTENDS not in file.data:
        return None
    line = next(key.start_mark.line + 1 for key, _ in file.node.value if key.value == EXTENDS)
    place, name = f"{file.path}:{line}: key {EXTENDS}", file.data[EXTENDS]
    if not isinstance(name, str) or not name.strip():
        received = "nothing" if name is None else repr(name)
        raise RecipeError(
            place, expected="the name of a recipe file", received=received, cure=f"{EXTENDS}: recipe.yaml"
        )
    base = file.path.parent / name
    if not _lies_in(base, folder):
        raise RecipeError(
            place, expected="a file in the recipe's folder or below, where its paths start from", received=repr(name),
            cure=f"copy it into {folder}, with the files that it names",
        )  # fmt: skip
    return base, place


def _lies_in(path: Path, folder: Path) -> bool:
    """Say whether a path leads into a folder by its name; where a link on the way points to is the user's own affair."""
    root = folder.absolute()
    depth = 0
    if not path.absolute().is_relative_to(root):
        return False
    for part in path.absolute().relative_to(root).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def _without_extends(node: yaml.MappingNode) -> yaml.MappingNode:
    return _like(node, [(key, value) for key, value in node.value if key.value != EXTENDS])


def _merge(base: yaml.MappingNode, over: yaml.MappingNode) -> yaml.MappingNode:
    """Return a mapping of the keys of both; neither is changed, since an alias may stand for it elsewhere."""
    pairs = {key.value: (key, value) for key, value in base.value}
    for key, value in over.value:
        below = pairs.get(key.value, (key, None))[1]
        both = isinstance(below, yaml.MappingNode) and isinstance(value, yaml.MappingNode)
        pairs[key.value] = (key, _merge(below, value) if both else value)
    return _like(over, list(pairs.values()))


def _like(node: yaml.MappingNode, pairs: list[tuple[yaml.Node, yaml.Node]]) -> yaml.MappingNode:
    return yaml.MappingNode(node.tag, pairs, node.start_mark, node.end_mark)
