"""The files of a project folder that are no documents: what flywheel reads and writes there.

Whoever ingests the project folder itself (``flywheel ingest .``) means what else lies in it. What is left out is counted
and said; a copy under another name is a document like any other.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from ...config import RECIPE_FILE
from ...schema import texts_in
from ...store import Store

URL_LIST = ".urls"
TEMPLATES = re.compile(r"prompts/[^/]+\.ya?ml")
REPORTS = {"report.md": b"# Run ", "before_after.md": b"# Before and after", "data-card.md": b"# Data card"}
"""What flywheel writes for people, with its first words; its plots lie in a folder of the same name."""
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
        self._reasons |= dict.fromkeys(_named_files(root), f"named by {RECIPE_FILE}")
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


def _named_files(root: Path) -> Iterator[str]:
    """Yield the files that the project's recipe names: problems, suites, generators of the user's own."""
    try:
        recipe = yaml.safe_load((root / RECIPE_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return
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
