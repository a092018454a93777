"""The plan of a generation step: which problems, how many completions each, fixed in the store before it starts."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ..store import Store


@dataclass(frozen=True)
class Step:
    """A step of an iteration of a run."""

    run_id: str
    iteration: int
    name: str

    @property
    def scope(self) -> str:
        """What keeps this step's requests apart from equal ones of other steps."""
        return f"{self.run_id}/{self.iteration}/{self.name}"


@dataclass(frozen=True)
class Planned:
    """One input of a step with what a template may use of it."""

    input_id: str
    n: int
    values: dict[str, str]


def choose_problems(problem_ids: Sequence[str], seed: int, offset: int, n: int) -> list[str]:
    """Return ``n`` problems from position ``offset`` of a seeded order that is walked round and round.

    Each round has an order of its own; within a round no problem comes twice.
    """
    chosen: list[str] = []
    size = len(problem_ids)
    position = offset
    while len(chosen) < min(n, size):
        lap, place = divmod(position, size)
        order = list(problem_ids)
        random.Random(f"{seed}/{lap}").shuffle(order)
        taken = set(chosen)
        chosen += [p for p in order[place : place + n - len(chosen)] if p not in taken]
        position = (lap + 1) * size
    return chosen


def read_problem_plan(store: Store, step: Step) -> list[Planned]:
    """Return the plan of a step over problems, in its order."""
    rows = store.query(
        """
        SELECT l.input_id, l.n, p.question
        FROM plans l JOIN (SELECT DISTINCT ON (problem_id) problem_id, question FROM problems) p ON p.problem_id = l.input_id
        WHERE l.run_id = ? AND l.iteration = ? AND l.step = ?
        ORDER BY l.ordinal
        """,
        [step.run_id, step.iteration, step.name],
    )
    return [Planned(i, n, {"question": q}) for i, n, q in rows]
