"""The iterations of a run: which is under way, which are complete."""

from ..schema import utc_now
from ..store import Store


class Iterations:
    """The iterations of one run."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run_id = run_id

    def begin(self, iteration: int, champion_id: str) -> None:
        """Open an iteration and fix its champion; one that is open keeps it."""
        started = {
            "run_id": self._run_id, "iteration": iteration, "champion_before": champion_id, "champion_after": None,
            "started_at": utc_now(), "finished_at": None,
        }  # fmt: skip
        if not self.is_begun(iteration):
            self._store.insert_all("iterations", [started])

    def finish(self, iteration: int, champion_id: str) -> None:
        """Close an iteration."""
        with self._store.write() as connection:
            connection.execute(
                "UPDATE iterations SET champion_after = ?, finished_at = ? WHERE run_id = ? AND iteration = ? AND finished_at IS NULL",
                [champion_id, utc_now(), self._run_id, iteration],
            ).fetchall()

    def is_begun(self, iteration: int) -> bool:
        """Say whether an iteration has begun."""
        where = "run_id = ? AND iteration = ?"
        return bool(self._store.query(f"SELECT 1 FROM iterations WHERE {where}", [self._run_id, iteration]))

    def is_finished(self, iteration: int) -> bool:
        """Say whether an iteration is complete."""
        return bool(
            self._store.query(
                "SELECT 1 FROM iterations WHERE run_id = ? AND iteration = ? AND finished_at IS NOT NULL",
                [self._run_id, iteration],
            )
        )

    def current(self) -> int:
        """Return the number of the iteration that is under way or due."""
        ((done,),) = self._store.query(
            "SELECT coalesce(max(iteration), 0) FROM iterations WHERE run_id = ? AND finished_at IS NOT NULL",
            [self._run_id],
        )
        return int(done) + 1
