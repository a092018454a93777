"""Which step of which run rows belong to, and which problems an iteration takes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

SOLVE, ON_POLICY = "solve", "on-policy"
"""The wheel's own steps of completions."""


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
