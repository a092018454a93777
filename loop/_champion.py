"""Which model a project has in use, for whoever serves it: read-only, and while a run is on."""

from pathlib import Path

from ..config import Recipe
from ..errors import NotFoundError
from ..llm import ResolvedModel
from ..store import Project, Store
from ._checkpoints import Checkpoints
from ._run import id_of, resolve_first_model

PATIENCE_S = 10.0
_CURRENT = """
    SELECT run_id, checkpoint_id FROM champions WHERE is_current AND ($1 = '' OR starts_with(run_id, $1))
    ORDER BY how = 'first', created_at DESC LIMIT 1
"""


class ChampionWatch:
    """Finds the champion in use: of the run that promoted or rolled back last; before any of these the newest run's first
    model; before any run the recipe's.

    Args:
        project: the project's folder; nothing in it is changed.
        recipe: names the first model.
        base: folder that the recipe's paths start from.
        run: id of a run or its beginning: only its champion counts. Empty = any.
    """

    def __init__(self, project: Project, recipe: Recipe, base: Path, run: str = "") -> None:
        self._store = Store(project, patience_s=PATIENCE_S)
        self._run = run
        self._first = resolve_first_model(recipe, base)
        self._stamp: tuple[tuple[int, int] | None, ...] = ()
        self._found: ResolvedModel | None = None

    def find(self) -> ResolvedModel:
        """Return the champion, named by its checkpoint id. The store is asked only when its file has changed.

        Raises:
            StoreError: the store cannot be read, or is held by another program.
            NotFoundError: the champion's weights are gone, or there is no such run.
        """
        stamp = self._store.project.stamp()
        if self._found is None or stamp != self._stamp:
            self._found = self._read()
            self._stamp = stamp
        return self._found

    def _read(self) -> ResolvedModel:
        found = self._store.query(_CURRENT, [self._run]) if self._store.project.store_path.is_file() else []
        if not found and self._run:
            raise NotFoundError(
                f"run {self._run}", expected="the id of a run, or its beginning", received="none of that id",
                cure='flywheel sql "select run_id, name, started_at from runs"',
            )  # fmt: skip
        if not found:
            return _named(self._first, id_of(self._first))
        ((run_id, checkpoint_id),) = found
        checkpoints = Checkpoints(self._store, str(run_id), self._first)
        return _named(checkpoints.resolve(checkpoints.load(str(checkpoint_id))), str(checkpoint_id))


def _named(model: ResolvedModel, checkpoint_id: str) -> ResolvedModel:
    return ResolvedModel(checkpoint_id, model.path, model.revision, checkpoint_id)
