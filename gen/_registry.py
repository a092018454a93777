"""Find a generator by what the recipe calls it: a name, an entry point, a file, or a module.

``backtranslate`` is one of flywheel's own, or one that an installed package offers in the entry point group
``flywheel.generators``; ``haiku.py`` or ``haiku.py:name`` is a file under the project's folder; ``package.module:name``
is importable. A user's generator is trusted code: it runs in the process, with the rights of the user.
"""

import inspect
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from .. import plugins
from ..errors import RecipeError
from ._generator import Generator


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
    return plugins.find_plugin(_KIND, name, folder, place, entry_points)


def built_in() -> dict[str, Generator]:
    """Return flywheel's own generators by name, in alphabetical order."""
    from .generators import ALL

    return {g.name: g for g in sorted(ALL, key=lambda g: g.name)}


def complete_options(generator: Generator, options: Mapping[str, Any], place: str = "options") -> dict[str, Any]:
    """Return ``options`` with the generator's defaults filled in.

    Raises:
        RecipeError: an unknown option, one that is required and missing, a value of another kind than the default, or
            options with which no row can come of any input.
    """
    complete = plugins.complete_options(generator, "generator", options, place)
    requests, rows = (1, 1) if generator.most is None else generator.most(complete, 1)
    if rows < 1 or (requests < 1 and generator.templates):  # without a template it asks nothing by nature
        given = ", ".join(f"{k}: {v}" for k, v in options.items())
        raise RecipeError(
            place, expected="options with which a row can come of an input", received=given,
            cure="a count of 0 asks for nothing: make it 1 or more",
        )  # fmt: skip
    return complete


def _check_function(value: Generator, place: str) -> None:
    if not inspect.isasyncgenfunction(value.run):
        raise RecipeError(
            place, expected="async def …(item, ask) with a yield in it", received=f"{value.name}, which is no such function",
            cure="write async def, and yield what completion.made() and completion.fail() return",
        )  # fmt: skip


_KIND = plugins.PluginKind("generator", Generator, built_in, _check_function)
ENTRY_POINTS = _KIND.group
