"""Find a verifier by what a recipe or command calls it: a name, an entry point, a file, or a module.

``math`` is one of flywheel's own, or one that an installed package offers in the entry point group
``flywheel.verifiers``; ``own.py`` or ``own.py:name`` is a file under the project's folder; ``package.module:name`` is
importable. A user's verifier is trusted code: it runs in the process, with the rights of the user.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from ... import plugins
from ...errors import RecipeError
from ._all import ALL
from ._verifier import Verifier


def find_verifier(name: str, folder: Path, place: str = "verifier") -> Verifier:
    """Return the verifier called ``name``.

    Args:
        name: see the module.
        folder: the project's; files are looked for under it.
        place: where the name stands, for messages.

    Raises:
        NotFoundError: there is no verifier, file or module of that name.
        RecipeError: the file cannot be run, or has no verifier or several.
    """
    return plugins.find_plugin(_KIND, name, folder, place, entry_points)


def built_in() -> Mapping[str, Verifier]:
    """Return flywheel's own verifiers by name, in alphabetical order."""
    return ALL


def complete_options(verifier: Verifier, options: Mapping[str, Any], place: str = "options") -> dict[str, Any]:
    """Return ``options`` with the verifier's defaults filled in, checked by the verifier itself too.

    Raises:
        RecipeError: an unknown option, one that is required and missing, or a value that the verifier cannot use.
    """
    complete = plugins.complete_options(verifier, "verifier", options, place)
    if verifier.prepare is not None:
        verifier.prepare(complete, place)
    return complete


def check_columns(verifier: Verifier, options: Mapping[str, Any], columns: Iterable[str], place: str) -> None:
    """Refuse options that name a column that no row has, before anything is judged.

    Args:
        verifier: whose options they are.
        options: complete ones.
        columns: of all rows.
        place: where the options stand, for messages.

    Raises:
        RecipeError: a column is missing; it is named.
    """
    named = verifier.prepare(options, place) if verifier.prepare is not None else ()
    known = set(columns)
    if missing := [name for name in named if name not in known]:
        raise RecipeError(
            place, expected=f"rows with a column {missing[0]!r}, which {verifier.name} reads",
            received=f"columns {', '.join(sorted(known)) or 'none'}",
            cure=plugins.find_nearest(missing[0], known) or f"add {missing[0]!r} to the rows, or name another in the options",
        )  # fmt: skip


_KIND = plugins.PluginKind("verifier", Verifier, built_in)
