"""Find a plugin by what the recipe calls it: a name, an entry point, a file, or a module.

``NAME`` is one of flywheel's own, or one that an installed package offers in the kind's entry point group; ``own.py`` or
``own.py:name`` is a file under the project's folder; ``package.module:name`` is importable. A user's plugin is trusted
code: it runs in the process, with the rights of the user.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from ..errors import NotFoundError, RecipeError
from ..schema import content_id
from ._options import find_nearest

T = TypeVar("T")


@dataclass(frozen=True)
class PluginKind(Generic[T]):
    """A kind of plugin.

    Attributes:
        word: what it is called: ``generator``, ``verifier``; also its decorator's name and its entry points' group.
        type: what the decorator makes.
        built_in: flywheel's own by name.
        check: raises :class:`RecipeError` for a plugin that cannot work; given the plugin and its place.
    """

    word: str
    type: type[T]
    built_in: Callable[[], Mapping[str, T]]
    check: Callable[[T, str], None] = lambda plugin, place: None

    @property
    def group(self) -> str:
        """Name of the entry point group."""
        return f"flywheel.{self.word}s"


def find_plugin(
    kind: PluginKind[T], name: str, folder: Path, place: str, points: Callable[..., Iterable[EntryPoint]]
) -> T:
    """Return the plugin called ``name``.

    Args:
        kind: what is looked for.
        name: see the module.
        folder: the project's; files are looked for under it.
        place: where the name stands, for messages.
        points: :func:`importlib.metadata.entry_points`.

    Raises:
        NotFoundError: there is no plugin, file or module of that name.
        RecipeError: the file cannot be run, or has no plugin or several.
    """
    where, _, attribute = name.partition(":")
    if where.endswith(".py"):
        return _pick(kind, load_user_module(folder / where, place), attribute, f"{place}: {where}")
    if attribute:
        return _pick(kind, _import(where, place), attribute, f"{place}: {where}")
    if found := kind.built_in().get(name):
        return found
    for point in points(group=kind.group, name=name):
        return _checked(kind, _run(point.load, f"{place}: entry point {point.value}"), f"{place}: {point.value}")
    known = [*kind.built_in(), *(point.name for point in points(group=kind.group))]
    raise NotFoundError(
        f"{place} {name!r}", expected=f"one of {', '.join(sorted(known))}; a file such as own.py; or package.module:name",
        received=f"no such {kind.word}", cure=find_nearest(name, known) or "check the name",
    )  # fmt: skip


def load_user_module(path: Path, place: str) -> ModuleType:
    """Run a Python file of the user's and return its module; once for each path and content.

    Raises:
        NotFoundError: there is no such file.
        RecipeError: it raises.
    """
    if not path.is_file():
        near = find_nearest(path.name, (p.name for p in path.parent.glob("*.py"))) if path.parent.is_dir() else ""
        raise NotFoundError(
            f"{place} {path.name!r}", expected=f"a file {path}", received="no such file", cure=near or "check the path"
        )
    source = path.read_bytes()
    name = "flywheel_user_" + content_id("mod", [str(path.resolve()), source.decode("utf-8", "replace")])
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        _run(lambda: spec.loader.exec_module(module), f"{place}: {path}")  # type: ignore[union-attr]
    except RecipeError:
        del sys.modules[name]
        raise
    return module


def _import(name: str, place: str) -> ModuleType:
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None:
        raise NotFoundError(
            f"{place} {name!r}", expected="a module that can be imported", received="no such module",
            cure="install its package, or give a file: own.py",
        )  # fmt: skip
    return _run(lambda: importlib.import_module(name), f"{place}: {name}")  # type: ignore[no-any-return]


def _run(load: Callable[[], Any], place: str) -> Any:
    """Run code of a user's: whatever it raises is the user's to mend."""
    try:
        return load()
    except Exception as error:
        raise RecipeError(
            place,
            expected="Python that can be imported",
            received=f"{type(error).__name__}: {error}",
            cure="mend the file",
        ) from error


def _pick(kind: PluginKind[T], module: ModuleType, attribute: str, place: str) -> T:
    found = {key: value for key, value in vars(module).items() if isinstance(value, kind.type)}
    if attribute:
        if not hasattr(module, attribute):
            raise NotFoundError(
                f"{place}:{attribute}", expected=f"one of {', '.join(found) or f'its {kind.word}s (it has none)'}",
                received="no such name", cure=find_nearest(attribute, found) or "check the name after the colon",
            )  # fmt: skip
        return _checked(kind, getattr(module, attribute), f"{place}:{attribute}")
    if len(found) != 1:
        raise RecipeError(
            place, expected=f"one function with @{kind.word}", received=", ".join(found) or "none",
            cure="add the decorator" if not found else f"name one: {place.rpartition(' ')[2]}:{next(iter(found))}",
        )  # fmt: skip
    return _checked(kind, next(iter(found.values())), place)


def _checked(kind: PluginKind[T], value: Any, place: str) -> T:
    if not isinstance(value, kind.type):
        raise RecipeError(
            place, expected=f"a function with @{kind.word}", received=type(value).__name__, cure="add the decorator"
        )
    kind.check(value, place)
    return value
