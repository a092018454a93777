"""The plan of a step over the store's rows: which of them it takes, fixed window by window.

Asking begins when the first rows are planned; of a million the rest is planned meanwhile. Rows that came since an earlier
process planned are added. Rows that no version in use has any more leave the plan, as far as nothing has come of them.
Prompts that were imported without a completion stand behind all samples: their places begin at :data:`PROMPTS_AT`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

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
AGAIN_AT = 1 << 41
"""Added to the places of rows that an earlier iteration had, where they come behind those that none had."""
POLL_S = 0.02

Page = Sequence[tuple[int, str]]
"""Places and ids of inputs."""

ID_OF = {"chunks": "chunk_id", "problems": "problem_id", "imported": "sample_id"}
_LAST = {
    "chunks": "SELECT max(rowid) FROM chunks", "problems": "SELECT max(rowid) FROM problems",
    "imported": "SELECT max(place) FROM placed_samples",
}  # fmt: skip
_ALL_CHUNKS = "SELECT c.rowid AS place, c.* FROM chunks c"
_ROWS = {
    "chunks": f"{_ALL_CHUNKS} WHERE c.chunk_id IN (SELECT chunk_id FROM current_chunks)",
    "problems": "SELECT rowid AS place, * FROM problems WHERE problem_id NOT IN (SELECT problem_id FROM outdated_problems)",
    "imported": f"""
        SELECT {COLUMNS} FROM placed_samples s JOIN requests r USING (request_id)
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
    SELECT r.place + {PROMPTS_AT} AS place, {COLUMNS}
    FROM (FROM samples WHERE false UNION ALL BY NAME FROM imported_prompts) s JOIN placed_requests r USING (request_id)
    WHERE s.request_id NOT IN (SELECT request_id FROM replaced_rows)"""
_LAST_PROMPT = f"SELECT max(place) FROM placed_requests WHERE step = '{IMPORT}' AND n_draws = 0"
_REPLACED = "SELECT 1 FROM documents GROUP BY source HAVING count(*) > 1 LIMIT 1"
_PLANNED = """EXISTS (SELECT 1 FROM plans p WHERE p.run_id = batch.run_id AND p.iteration = batch.iteration
    AND p.step = batch.step AND p.input_id = batch.input_id)"""
_FORGET = """
    DELETE FROM plans WHERE run_id = $1 AND iteration = $2 AND step = $3 AND {left_behind}
    AND input_id NOT IN (SELECT input_id FROM samples WHERE run_id = $1 AND iteration = $2 AND step = $3 AND input_id IS NOT NULL)
    AND input_id NOT IN (SELECT input_id FROM drops WHERE run_id = $1 AND iteration = $2 AND step = $3)"""
_PAGE = """
    SELECT ordinal, input_id FROM plans WHERE run_id = $1 AND iteration = $2 AND step = $3
    AND (ordinal > $4 OR (ordinal = $4 AND input_id > $5)) AND ordinal < $6
    ORDER BY ordinal, input_id LIMIT $7"""


class Range(NamedTuple):
    """Some of the rows to choose from.

    Attributes:
        rows: the query.
        low: first place.
        end: end of the places.
        only: condition on them, or empty.
        shift: added to their places in the plan.
    """

    rows: str
    low: int
    end: int
    only: str = ""
    shift: int = 0


class Planning:
    """Plans a step over the store's rows.

    Attributes:
        n: inputs that are planned so far.
    """

    def __init__(self, store: Store, stage: Stage, step: Step) -> None:
        self._store = store
        self._config = stage.config
        self._step = step
        self._may_wait = stage.may_wait
        self._scope = [step.run_id, step.iteration, step.name]
        self._low, self._chosen = 0, 0
        self._ranges: list[Range] = []
        self._unless = ""
        self._over = threading.Event()
        self.n = 0

    def begin(self) -> None:
        """Plan until there is something to ask.

        Raises:
            RecipeError: ``where`` is no condition on the rows, or no row meets it.
        """
        self.n = count_planned(self._store, self._step)
        ranges = self._find_ranges()
        self._ranges = [r._replace(only=only, shift=shift) for only, shift in self._find_turns() for r in ranges]
        self._low = self._ranges[0].low
        self._unless = _PLANNED if self.n else "false"  # of a new plan no row can be there
        if self.n:
            forget = _FORGET.format(left_behind=_LEFT_BEHIND[self._config.source])
            with self._store.write() as connection:
                connection.execute(forget, self._scope).fetchall()
            self.n = count_planned(self._store, self._step)
            if self._config.limit:
                self._chosen = self._count_current()
        while self.advance() and not self._chosen:
            pass

    def _count_current(self) -> int:
        """Return how many planned inputs a version in use has: they count to the limit, wherever their rows stand now."""
        sql = f"SELECT count(*) FROM plans WHERE run_id = ? AND iteration = ? AND step = ? AND NOT ({_LEFT_BEHIND[self._config.source]})"
        ((n,),) = self._store.query(sql, self._scope)
        return int(n)

    def _find_turns(self) -> list[tuple[str, int]]:
        """Return which rows are taken one after the other, as (condition, shift of their places): see ``take``."""
        take, step = self._config.take, self._step
        if take == "all" or step.iteration <= 1:
            return [("", 0)]
        before = f"""{ID_OF[self._config.source]} {{}} (SELECT p.input_id FROM plans p
            WHERE p.run_id = '{step.run_id}' AND p.step = '{step.name}' AND p.iteration < {step.iteration})"""
        new = (before.format("NOT IN"), 0)
        return [new] if take == "new" else [new, (before.format("IN"), AGAIN_AT)]

    def _find_ranges(self) -> list[Range]:
        """Return the range of the source's rows, and the one behind :data:`PROMPTS_AT` where there is any."""
        source = self._config.source
        ((most,),) = self._store.query(_LAST[source])
        ((last,),) = self._store.query(_LAST_PROMPT) if source == "imported" else [(None,)]
        found = [Range(self._choose_rows(), 0, 0 if most is None else int(most) + 1)]
        if last is not None:
            found.append(Range(_PROMPTS, PROMPTS_AT, PROMPTS_AT + int(last) + 1))
        return found

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
        if self._low >= self._ranges[0].end and len(self._ranges) > 1:
            del self._ranges[0]
            self._low = self._ranges[0].low
        now = self._ranges[0]
        high = min(self._low + (WINDOW if self._low else FIRST_WINDOW), now.end)
        self._plan(now, high)
        self._low = high
        limit = self._config.limit
        if (high >= now.end and len(self._ranges) == 1) or (limit and self._chosen >= limit):
            self._over.set()
            if not self.n and not self._may_be_empty():
                raise RecipeError(
                    f"step {self._step.name!r}, where: {self._config.where}",
                    expected=f"a condition that rows of {self._config.source} meet", received="no row that does",
                    cure=f"see what there is: flywheel sql \"from {self._config.source} limit 5\"",
                )  # fmt: skip
        return not self._over.is_set()

    def _may_be_empty(self) -> bool:
        """Say whether no row is no fault: all that there are an earlier iteration had, or they are still to come."""
        return self._may_wait or (self._config.take == "new" and self._step.iteration > 1)

    def stop(self) -> None:
        """Plan nothing more; who waits for pages is let go."""
        self._over.set()

    def pages(self) -> Iterator[Page]:
        """Yield the planned inputs as :func:`read_plan` does, as far as they are planned; wait for the rest."""
        return read_plan(
            self._store, self._step, lambda: None if self._over.is_set() else self._ranges[0].shift + self._low
        )

    def _plan(self, now: Range, high: int) -> None:
        """Plan the rows of a range from the last window's end to place ``high``."""
        config, key, step = self._config, ID_OF[self._config.source], self._step
        condition = (f"AND ({config.where}\n)" if config.where else "") + (f" AND {now.only}" if now.only else "")
        limit = ""
        if config.limit:
            limit = f"LIMIT {max(0, config.limit - self._chosen)}"
            condition += f""" AND {key} NOT IN (SELECT p.input_id FROM plans p
                WHERE p.run_id = '{step.run_id}' AND p.iteration = {step.iteration} AND p.step = '{step.name}')"""
        chosen = f"""
            SELECT place::BIGINT + {now.shift} AS ordinal, {key} AS input_id FROM ({now.rows}) AS r
            WHERE place >= {self._low} AND place < {high} {condition} ORDER BY ordinal {limit}"""
        found = self._run_users(chosen) if config.where else self._run(chosen)
        same = {"run_id": step.run_id, "iteration": step.iteration, "step": step.name, "n": 1}
        self._chosen += found.num_rows
        self.n += self._store.insert_table("plans", found, same=same, unless=self._unless)

    def _run(self, chosen: str) -> Any:
        with self._store.read() as connection:
            return connection.sql(chosen).to_arrow_table()

    def _run_users(self, chosen: str) -> Any:
        """Run a query with the user's condition in it: as any SQL of a user's, by a connection that only reads."""
        config = self._config
        try:
            return run_query(self._store.project, chosen, place="where").table
        except QueryError as error:
            raise RecipeError(
                f"step {self._step.name!r}, where: {config.where}", expected=f"an SQL condition on rows of {config.source}",
                received=error.received, cure='try it first: flywheel sql "select … where …"',
            ) from None  # fmt: skip


def read_plan(store: Store, step: Step, edge: Callable[[], int | None] = lambda: None) -> Iterator[Page]:
    """Yield (place, id) of the inputs in the plan of a step, in the order of their places.

    Args:
        edge: returns the place up to which the plan is whole, None once it is; inputs behind it are waited for.
    """
    last, after, size = -1, "", FIRST_PAGE
    while True:
        end = edge()
        page = store.query(
            _PAGE, [step.run_id, step.iteration, step.name, last, after, (1 << 62) if end is None else end, size]
        )
        if page:
            yield [(int(place), str(key)) for place, key in page]
            (last, after), size = page[-1], PAGE
        elif end is None:
            return
        else:
            time.sleep(POLL_S)


def count_planned(store: Store, step: Step) -> int:
    """Return how many inputs the plan of a step has."""
    sql = "SELECT count(*) FROM plans WHERE run_id = ? AND iteration = ? AND step = ?"
    ((n,),) = store.query(sql, [step.run_id, step.iteration, step.name])
    return int(n)
