"""Which step of which run rows belong to, and which problems an iteration takes."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

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


class Pool(NamedTuple):
    """Problems that a share of each iteration's is taken from."""

    share: float
    ids: tuple[str, ...]


def share_out(sets: Iterable[tuple[float | None, Sequence[str]]]) -> tuple[Pool, ...]:
    """Return the pools of sets of problems with their shares: those without one are one pool, the first, which takes what is left."""
    given = list(sets)
    rest = 1 - sum(share for share, _ in given if share is not None)
    others = tuple(p for share, ids in given if share is None for p in ids)
    apart = [Pool(share, tuple(ids)) for share, ids in given if share is not None]
    return (Pool(rest, others), *apart) if others else tuple(apart)


def find_quotas(pools: Sequence[Pool], n: int) -> list[int]:
    """Return how many problems each pool gives to an iteration that wants ``n``.

    Where a pool has too few for its share, all give less, so that the shares hold; a single pool gives what it has.
    """
    if len(pools) < 2:
        return [n] * len(pools)
    total = min(n, *(int(len(pool.ids) / pool.share + 1e-9) for pool in pools))
    later = [round(pool.share * total) for pool in pools[1:]]
    return [total - sum(later), *later]


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
