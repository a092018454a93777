"""Find a generator by what the recipe calls it: a name, an entry point, a file, or a module.

``backtranslate`` is one of flywheel's own, or one that an installed package offers in the entry point group
``flywheel.generators``; ``haiku.py`` or ``haiku.py:name`` is a file under the project's folder; ``package.module:name``
is importable. A user's generator is trusted code: it runs in the process, with the rights of the user.
"""

import difflib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import NotFoundError, RecipeError
from ..schema import content_id
from ._generator import REQUIRED, Generator

ENTRY_POINTS = "flywheel.generators"


def find_generator(name: str, folder: Path, place: str = "generator") -> Generator:
    """Return the generator called ``name``.

    Args:
        name: see the module.
        folder: the project's; files are looked for under it.
        place: where the name stands, for messages.

    Raises:
        NotFoundError: there is no generator, file or module of that name.
        RecipeError: the file cannot be run, or has no generator or several.
    """
    where, _, attribute = name.partition(":")
    if where.endswith(".py"):
        return _pick(load_user_module(folder / where, place), attribute, f"{place}: {where}")
    if attribute:
        return _pick(_import(where, place), attribute, f"{place}: {where}")
    if found := built_in().get(name):
        return found
    for point in entry_points(group=ENTRY_POINTS, name=name):
        return _check_is_generator(_run(point.load, f"{place}: entry point {point.value}"), f"{place}: {point.value}")
    known = [*built_in(), *(point.name for point in entry_points(group=ENTRY_POINTS))]
    raise NotFoundError(
        f"{place} {name!r}", expected=f"one of {', '.join(sorted(known))}; a file such as own.py; or package.module:name",
        received="no such generator", cure=_nearest(name, known) or "check the name",
    )  # fmt: skip


def built_in() -> dict[str, Generator]:
    """Return flywheel's own generators by name, in alphabetical order."""
    from .generators import ALL

    return {g.name: g for g in sorted(ALL, key=lambda g: g.name)}


def complete_options(generator: Generator, options: Mapping[str, Any], place: str = "options") -> dict[str, Any]:
    """Return ``options`` with the generator's defaults filled in.

    Raises:
        RecipeError: an unknown option, one that is required and missing, or a value of another kind than the default.
    """
    for key, value in options.items():
        if key not in generator.options:
            known = ", ".join(generator.options) or "no options"
            raise RecipeError(
                f"{place}.{key}", expected=f"of generator {generator.name}: {known}", received=f"unknown option {key!r}",
                cure=_nearest(key, generator.options) or "remove it",
            )  # fmt: skip
        _check_value(generator, key, value, f"{place}.{key}")
    complete = {**generator.options, **options}
    missing = [key for key, value in complete.items() if value is REQUIRED]
    if missing:
        raise RecipeError(
            f"{place}.{missing[0]}", expected=f"a value: generator {generator.name} needs it", received="nothing",
            cure=f"add {missing[0]!r}",
        )  # fmt: skip
    return complete


def _check_value(generator: Generator, key: str, value: Any, place: str) -> None:
    choices, default = generator.choices.get(key), generator.options[key]
    if choices is not None:
        many = value if isinstance(default, list | tuple) and isinstance(value, list | tuple) else [value]
        if wrong := [v for v in many if v not in choices]:
            cure = _nearest(str(wrong[0]), map(str, choices)) or "change the value"
            raise RecipeError(
                place, expected=f"one of {', '.join(map(str, choices))}", received=repr(wrong[0]), cure=cure
            )
    if default is None or default is REQUIRED or _is_alike(value, default):
        return
    raise RecipeError(place, expected=_kind(default), received=repr(value)[:200], cure=f"the default is {default!r}")


def _is_alike(value: Any, default: Any) -> bool:
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, int):
        return isinstance(value, int) and value >= 0
    if isinstance(default, float):
        return isinstance(value, int | float)
    return isinstance(value, list | tuple) if isinstance(default, list | tuple) else isinstance(value, type(default))


def _kind(default: Any) -> str:
    names = {bool: "true or false", int: "a whole number, 0 or more", float: "a number", str: "text", dict: "a mapping"}
    return names.get(type(default), "a list")


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else ""


def load_user_module(path: Path, place: str) -> ModuleType:
    """Run a Python file of the user's and return its module; once for each path and content.

    Raises:
        NotFoundError: there is no such file.
        RecipeError: it raises.
    """
    if not path.is_file():
        near = _nearest(path.name, (p.name for p in path.parent.glob("*.py"))) if path.parent.is_dir() else ""
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


def _pick(module: ModuleType, attribute: str, place: str) -> Generator:
    found = {key: value for key, value in vars(module).items() if isinstance(value, Generator)}
    if attribute:
        if not hasattr(module, attribute):
            raise NotFoundError(
                f"{place}:{attribute}", expected=f"one of {', '.join(found) or 'its generators (it has none)'}",
                received="no such name", cure=_nearest(attribute, found) or "check the name after the colon",
            )  # fmt: skip
        return _check_is_generator(getattr(module, attribute), f"{place}:{attribute}")
    if len(found) != 1:
        raise RecipeError(
            place, expected="one function with @generator", received=", ".join(found) or "none",
            cure="add the decorator" if not found else f"name one: {place.rpartition(' ')[2]}:{next(iter(found))}",
        )  # fmt: skip
    return _check_is_generator(next(iter(found.values())), place)


def _check_is_generator(value: Any, place: str) -> Generator:
    if not isinstance(value, Generator):
        raise RecipeError(
            place, expected="a function with @generator", received=type(value).__name__, cure="add the decorator"
        )
    if not inspect.isasyncgenfunction(value.run):
        raise RecipeError(
            place, expected="async def …(item, ask) with a yield in it", received=f"{value.name}, which is no such function",
            cure="write async def, and yield what completion.made() and completion.fail() return",
        )  # fmt: skip
    return value
