"""The plan of a step over the store's rows: which of them it takes, fixed window by window.

Asking begins when the first rows are planned; of a million the rest is planned meanwhile. Rows that came since an earlier
process planned are added. Rows that no version in use has any more leave the plan, as far as nothing has come of them.
Prompts that were imported without a completion stand behind all samples: their places begin at :data:`PROMPTS_AT`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from ..errors import QueryError, RecipeError
from ..store import Store, run_query
from ._plan import Step
from ._steps import Stage
from .formats import IMPORT
from .formats import SAMPLE_COLUMNS as COLUMNS

FIRST_WINDOW, WINDOW = 4096, 50_000
"""Rows of the store that are looked at in one go."""
FIRST_PAGE, PAGE = 256, 2000
PROMPTS_AT = 1 << 40
POLL_S = 0.02

Page = Sequence[tuple[int, str]]
"""Places and ids of inputs."""

ID_OF = {"chunks": "chunk_id", "problems": "problem_id", "imported": "sample_id"}
_TABLE = {"chunks": "chunks", "problems": "problems", "imported": "samples"}
_ALL_CHUNKS = "SELECT c.rowid AS place, c.* FROM chunks c"
_ROWS = {
    "chunks": f"{_ALL_CHUNKS} WHERE c.chunk_id IN (SELECT chunk_id FROM current_chunks)",
    "problems": "SELECT rowid AS place, * FROM problems WHERE problem_id NOT IN (SELECT problem_id FROM outdated_problems)",
    "imported": f"""
        SELECT s.rowid AS place, {COLUMNS} FROM samples s JOIN requests r USING (request_id)
        WHERE s.step = '{IMPORT}' AND s.sample_id NOT IN (SELECT sample_id FROM worse_samples)
          AND s.request_id NOT IN (SELECT request_id FROM replaced_rows)""",
}
_LEFT_BEHIND = {
    "chunks": "input_id NOT IN (SELECT chunk_id FROM current_chunks)",
    "problems": "input_id IN (SELECT problem_id FROM outdated_problems)",
    "imported": """input_id IN (SELECT request_id FROM replaced_rows UNION ALL
        SELECT sample_id FROM samples WHERE request_id IN (SELECT request_id FROM replaced_rows))""",
}
"""Planned inputs that no version in use has any more."""
_PROMPTS = f"""
    SELECT r.rowid + {PROMPTS_AT} AS place, {COLUMNS}
    FROM (FROM samples WHERE false UNION ALL BY NAME FROM imported_prompts) s JOIN requests r USING (request_id)
    WHERE s.request_id NOT IN (SELECT request_id FROM replaced_rows)"""
_LAST_PROMPT = f"SELECT max(rowid) FROM requests WHERE step = '{IMPORT}' AND n_draws = 0"
_REPLACED = "SELECT 1 FROM documents GROUP BY source HAVING count(*) > 1 LIMIT 1"
_PLANNED = """EXISTS (SELECT 1 FROM plans p WHERE p.run_id = batch.run_id AND p.iteration = batch.iteration
    AND p.step = batch.step AND p.input_id = batch.input_id)"""
_FORGET = """
    DELETE FROM plans WHERE run_id = $1 AND iteration = $2 AND step = $3 AND {left_behind}
    AND input_id NOT IN (SELECT input_id FROM samples WHERE run_id = $1 AND iteration = $2 AND step = $3 AND input_id IS NOT NULL)
    AND input_id NOT IN (SELECT input_id FROM drops WHERE run_id = $1 AND iteration = $2 AND step = $3)"""
_PAGE = """
    SELECT ordinal, input_id FROM plans WHERE run_id = ? AND iteration = ? AND step = ? AND ordinal > ? AND ordinal < ?
    ORDER BY ordinal LIMIT ?"""


class Planning:
    """Plans a step over the store's rows.

    Attributes:
        n: inputs that are planned so far.
    """

    def __init__(self, store: Store, stage: Stage, step: Step) -> None:
        self._store = store
        self._config = stage.config
        self._step = step
        self._scope = [step.run_id, step.iteration, step.name]
        self._low, self._chosen = 0, 0
        self._ends: list[int] = []
        self._rows, self._unless = "", ""
        self._over = threading.Event()
        self.n = 0

    def begin(self) -> None:
        """Plan until there is something to ask.

        Raises:
            RecipeError: ``where`` is no condition on the rows, or no row meets it.
        """
        self._ends = self._find_ends()
        self.n = count_planned(self._store, self._step)
        self._rows = self._choose_rows()
        self._unless = _PLANNED if self.n else "false"  # of a new plan no row can be there
        if self.n:
            forget = _FORGET.format(left_behind=_LEFT_BEHIND[self._config.source])
            with self._store.write() as connection:
                connection.execute(forget, self._scope).fetchall()
            self.n = count_planned(self._store, self._step)
        while self.advance() and not self._chosen:
            pass

    def _find_ends(self) -> list[int]:
        """Return the end of the places of the source's rows, and of those behind :data:`PROMPTS_AT` where there are any."""
        source = self._config.source
        ((end,),) = self._store.query(f"SELECT coalesce(max(rowid) + 1, 0) FROM {_TABLE[source]}")
        ((last,),) = self._store.query(_LAST_PROMPT) if source == "imported" else [(None,)]
        return [int(end)] if last is None else [int(end), PROMPTS_AT + int(last) + 1]

    def _choose_rows(self) -> str:
        """Return the query of the rows to choose from: where no document was replaced, every chunk is one in use.

        To look a million chunks up, to see just that, took 0.1 s of the CPU and 100 MB for each window.
        """
        source = self._config.source
        return _ALL_CHUNKS if source == "chunks" and not self._store.query(_REPLACED) else _ROWS[source]

    def advance(self) -> bool:
        """Plan one window more; return whether there may be others.

        Raises:
            RecipeError: as in :meth:`begin`.
        """
        if self._over.is_set():
            return False
        if self._low >= self._ends[0] and len(self._ends) > 1:
            self._ends, self._rows = self._ends[1:], _PROMPTS
            self._low = PROMPTS_AT
        high = min(self._low + (WINDOW if self._low else FIRST_WINDOW), self._ends[0])
        self._plan(high)
        self._low = high
        limit = self._config.limit
        if (high >= self._ends[0] and len(self._ends) == 1) or (limit and self._chosen >= limit):
            self._over.set()
            if not self.n:
                raise RecipeError(
                    f"step {self._step.name!r}, where: {self._config.where}",
                    expected=f"a condition that rows of {self._config.source} meet", received="no row that does",
                    cure=f"see what there is: flywheel sql \"from {self._config.source} limit 5\"",
                )  # fmt: skip
        return not self._over.is_set()

    def stop(self) -> None:
        """Plan nothing more; who waits for pages is let go."""
        self._over.set()

    def pages(self) -> Iterator[Page]:
        """Yield the planned inputs as :func:`read_plan` does, as far as they are planned; wait for the rest."""
        return read_plan(self._store, self._step, lambda: None if self._over.is_set() else self._low)

    def _plan(self, high: int) -> None:
        """Plan the rows from the last window's end to place ``high``."""
        config, key, step = self._config, ID_OF[self._config.source], self._step
        condition = f"AND ({config.where}\n)" if config.where else ""
        limit = f"LIMIT {config.limit - self._chosen}" if config.limit else ""
        chosen = f"""
            SELECT place::BIGINT AS ordinal, {key} AS input_id FROM ({self._rows}) AS r
            WHERE place >= {self._low} AND place < {high} {condition} ORDER BY ordinal {limit}"""
        try:
            found = run_query(self._store.project, chosen, place="where").table
        except QueryError as error:
            raise RecipeError(
                f"step {step.name!r}, where: {config.where}", expected=f"an SQL condition on rows of {config.source}",
                received=error.received, cure='try it first: flywheel sql "select … where …"',
            ) from None  # fmt: skip
        same = {"run_id": step.run_id, "iteration": step.iteration, "step": step.name, "n": 1}
        self._chosen += found.num_rows
        self.n += self._store.insert_table("plans", found, same=same, unless=self._unless)


def read_plan(store: Store, step: Step, edge: Callable[[], int | None] = lambda: None) -> Iterator[Page]:
    """Yield (place, id) of the inputs in the plan of a step, in the order of their places.

    Args:
        edge: returns the place up to which the plan is whole, None once it is; inputs behind it are waited for.
    """
    last, size = -1, FIRST_PAGE
    while True:
        end = edge()
        page = store.query(
            _PAGE, [step.run_id, step.iteration, step.name, last, (1 << 62) if end is None else end, size]
        )
        if page:
            yield [(int(place), str(key)) for place, key in page]
            last, size = page[-1][0], PAGE
        elif end is None:
            return
        else:
            time.sleep(POLL_S)


def count_planned(store: Store, step: Step) -> int:
    """Return how many inputs the plan of a step has."""
    sql = "SELECT count(*) FROM plans WHERE run_id = ? AND iteration = ? AND step = ?"
    ((n,),) = store.query(sql, [step.run_id, step.iteration, step.name])
    return int(n)
