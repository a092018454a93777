"""Where things are in a project folder."""

from dataclasses import dataclass
from pathlib import Path

STORE_FILE = "flywheel.duckdb"
STATE_FOLDER = ".flywheel"


@dataclass(frozen=True)
class Project:
    """A project folder: one store file, one recipe, and a hidden folder of journals, snapshots and checkpoints."""

    root: Path

    @property
    def store_path(self) -> Path:
        """The DuckDB file."""
        return self.root / STORE_FILE

    @property
    def state(self) -> Path:
        """The hidden folder."""
        return self.root / STATE_FOLDER

    @property
    def journal(self) -> Path:
        """Finished requests that are not in the store yet."""
        return self.state / "journal"

    @property
    def workers(self) -> Path:
        """Journals of workers on other machines, a folder each; where the recipe names no other place for them."""
        return self.state / "workers"

    def stamp(self) -> tuple[tuple[int, int] | None, ...]:
        """Return what changes whenever the store does: time and size of its file and of what DuckDB has yet to put in it."""
        return tuple(_stamp_of(p) for p in (self.store_path, self.store_path.with_name(self.store_path.name + ".wal")))

    @property
    def people(self) -> Path:
        """What people decided and is not in the store yet, a file per decision."""
        return self.state / "people"

    @property
    def checkpoints(self) -> Path:
        """Model weights, a folder per checkpoint id."""
        return self.state / "checkpoints"

    @property
    def models(self) -> Path:
        """Models from scratch, a folder each: what a recipe began with where it only described a model."""
        return self.state / "models"

    @property
    def snapshots(self) -> Path:
        """Training sets as the trainers read them, a file per snapshot id."""
        return self.state / "snapshots"

    @property
    def documents(self) -> Path:
        """Ingested documents as text, a file per document id: what the spans of chunks count in."""
        return self.state / "documents"

    @property
    def media(self) -> Path:
        """Ingested images, a file per content hash."""
        return self.state / "media"

    @property
    def work(self) -> Path:
        """Jobs, logs and answers of child processes."""
        return self.state / "work"

    @property
    def logs(self) -> Path:
        """Logs of managed servers."""
        return self.state / "logs"

    @property
    def run_lock(self) -> Path:
        """Held by the one process that turns the wheel."""
        return self.state / "run.lock"

    def make_folders(self) -> None:
        """Create the project's folders; existing ones stay as they are."""
        for folder in (self.journal, self.checkpoints, self.snapshots, self.work):
            folder.mkdir(parents=True, exist_ok=True)


def _stamp_of(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size
