"""The files of a project folder that are no documents: what flywheel reads and writes there.

Whoever ingests the project folder itself (``flywheel ingest .``) means what else lies in it. What is left out is counted
and said; a copy under another name is a document like any other.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ...config import EXTENDS, RECIPE_FILE, walk_recipe_files
from ...errors import FlywheelError
from ...schema import texts_in
from ...store import Store

URL_LIST = ".urls"
TEMPLATES = re.compile(r"prompts/[^/]+\.ya?ml")
REPORTS = {"report.md": b"# Run ", "before_after.md": b"# Before and after", "data-card.md": b"# Data card"}
"""What flywheel writes for people, with its first words; its plots lie in a folder of the same name."""
LARGEST_RECIPE = 1 << 20
"""Bytes; what is larger is a document."""
_SLICE = re.compile(r"(\[[^\]]*\]|:\w+)$")


@dataclass
class Skipped:
    """The project's own files that a walk met, by reason, and the first of each."""

    n: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, source: str) -> None:
        """Count one."""
        self.n[reason] += 1
        self.first.setdefault(reason, source)


class OwnFiles:
    """Knows the project's own files by their sources: paths relative to the project folder.

    Args:
        store: an open store.
    """

    def __init__(self, store: Store) -> None:
        root, self._store_file = store.project.root, store.project.store_path.name
        found = ((path, "imported as a data set") for (path,) in store.query("SELECT DISTINCT path FROM datasets"))
        self._reasons: dict[str, str] = {str(path): reason for path, reason in found if path}
        for recipe in [*_find_variants(root), RECIPE_FILE]:  # the later reason is the one that is told
            self._reasons |= _explain_recipe(root, recipe)
        self._reasons[RECIPE_FILE] = "the project's recipe"
        self._folders = {f"{store.project.state.name}/": "the project's state"}
        for name, head in REPORTS.items():
            if _begins_with(root / name, head):
                self._reasons[name] = "a report of flywheel's"
                self._folders[f"{name.removesuffix('.md')}/"] = "a report of flywheel's"

    def reason_of(self, source: str) -> str | None:
        """Return why a source is no document; None when it is the user's."""
        if (reason := self._reasons.get(source)) is not None:
            return reason
        if source.endswith(URL_LIST):
            return "a list of URLs, which is fetched when it is named itself"
        if TEMPLATES.fullmatch(source):
            return "a template"
        if source.startswith(self._store_file):
            return "the project's store"
        return next((reason for folder, reason in self._folders.items() if source.startswith(folder)), None)


def _find_variants(root: Path) -> list[str]:
    """Return the recipes beside the project's own that extend another."""
    files = sorted(file for pattern in ("*.yaml", "*.yml") for file in root.glob(pattern) if file.name != RECIPE_FILE)
    return [file.name for file in files if _mentions_base(file)]


def _mentions_base(file: Path) -> bool:
    with suppress(OSError):
        return file.stat().st_size <= LARGEST_RECIPE and f"{EXTENDS}:".encode() in file.read_bytes()
    return False


def _explain_recipe(root: Path, recipe: str) -> dict[str, str]:
    """Return why the files of a recipe are no documents: it and what it extends, and the problems, suites, generators, …
    that they name.
    """
    named: dict[str, str] = {}
    files: dict[str, str] = {}
    with suppress(FlywheelError):
        for file in walk_recipe_files(root / recipe):
            if EXTENDS in file.data and not files:
                files[recipe] = "a recipe that extends another"
            elif file.path != root / recipe:
                files[Path(os.path.relpath(file.path, root)).as_posix()] = f"a recipe that {recipe} extends"
            named |= dict.fromkeys(_named_files(root, file.data), f"named by {recipe}")
    return named | files


def _named_files(root: Path, recipe: object) -> Iterator[str]:
    """Yield the files whose names stand in a recipe."""
    for text in texts_in(recipe):
        name = _SLICE.sub("", text.strip())
        if name and "\0" not in name and len(name) < 256 and (root / name).is_file():
            yield Path(name).as_posix()


def _begins_with(path: Path, head: bytes) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(head)) == head
    except OSError:
        return False
