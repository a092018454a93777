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


def write_plan(store: Store, step: Step, input_ids: Sequence[str], n: int) -> None:
    """Fix the inputs of ``step``; a step that has a plan keeps it."""
    rows = [
        {"run_id": step.run_id, "iteration": step.iteration, "step": step.name, "ordinal": i, "input_id": p, "n": n}
        for i, p in enumerate(input_ids)
    ]
    found = store.query(
        "SELECT count(*) FROM plans WHERE run_id = ? AND iteration = ? AND step = ?",
        [step.run_id, step.iteration, step.name],
    )
    if found == [(0,)]:
        store.insert_all("plans", rows)


def add_plan(store: Store, step: Step, input_id: str, n: int) -> None:
    """Add one input, standing for ``n``, to a plan that may grow; an input that is planned already is left alone."""
    found = store.query(
        "SELECT 1 FROM plans WHERE run_id = ? AND iteration = ? AND step = ? AND input_id = ?",
        [step.run_id, step.iteration, step.name, input_id],
    )
    if not found:
        row = {
            "run_id": step.run_id,
            "iteration": step.iteration,
            "step": step.name,
            "ordinal": 0,
            "input_id": input_id,
            "n": n,
        }
        store.insert_all("plans", [row])


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
