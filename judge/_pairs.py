"""Preference pairs from verified completions: a correct one over an incorrect one of the same prompt."""

import itertools
import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from ..config import PairConfig
from ..schema import DropRow, content_id, utc_now
from ..store import Store
from ._rows import insert_drops
from ._verify import MATH_JUDGE

KIND = "correct/incorrect"
STEP = "pair"


@dataclass(frozen=True)
class Judged:
    """A verified completion."""

    sample_id: str
    problem_id: str
    completion: str
    passed: bool
    reason: str


def make_pairs(store: Store, run_id: str, iteration: int, step: str, config: PairConfig, seed: int) -> int:
    """Pair the samples of ``step``; problems that give no pair become drops with the reason.

    Returns:
        How many pairs the iteration has.
    """
    by_problem: dict[str, list[Judged]] = defaultdict(list)
    for row in _read_judged(store, run_id, iteration, step):
        by_problem[row.problem_id].append(row)
    pairs: list[dict[str, Any]] = []
    drops: list[DropRow] = []
    for problem_id, judged in sorted(by_problem.items()):
        chosen = pair_up(judged, config.per_problem, random.Random(f"{seed}/{problem_id}"))
        pairs += [_pair_row(run_id, iteration, c, r) for c, r in chosen]
        if not chosen:
            reason = "all correct" if all(j.passed for j in judged) else "none correct"
            drop_id = content_id("drop", [run_id, iteration, STEP, problem_id])
            drops.append(DropRow(drop_id, run_id, iteration, STEP, reason, problem_id, None, None))
    _forget(store, run_id, iteration, len(by_problem))
    store.fix_plan(run_id, iteration, STEP, [("problems", len(by_problem))])
    store.insert("pairs", pairs, key="pair_id")
    insert_drops(store, drops)
    return len(pairs)


def _forget(store: Store, run_id: str, iteration: int, n: int) -> None:
    """Take back plan and drops of an earlier pairing over fewer problems, as a second import makes necessary."""
    where = "run_id = ? AND iteration = ? AND step = ?"
    key = [run_id, iteration, STEP]
    if store.query(f"SELECT n FROM plans WHERE {where}", key) not in ([], [(n,)]):
        with store.write() as connection:
            connection.execute(f"DELETE FROM plans WHERE {where}", key).fetchall()
            connection.execute(f"DELETE FROM drops WHERE {where}", key).fetchall()


def _pair_row(run_id: str, iteration: int, chosen: Judged, rejected: Judged) -> dict[str, Any]:
    return {
        "pair_id": content_id("pair", [run_id, iteration, chosen.sample_id, rejected.sample_id]), "run_id": run_id,
        "iteration": iteration, "problem_id": chosen.problem_id, "chosen_sample_id": chosen.sample_id,
        "rejected_sample_id": rejected.sample_id, "kind": KIND, "created_at": utc_now(),
    }  # fmt: skip


def pair_up(judged: list[Judged], most: int, rng: random.Random) -> list[tuple[Judged, Judged]]:
    """Return up to ``most`` (correct, incorrect) pairs, no text used twice on its side.

    Incorrect completions that reach an answer come first: they teach more than ones that stop half-way.
    """
    right = _distinct([j for j in judged if j.passed], rng)
    wrong = _distinct([j for j in judged if not j.passed], rng)
    wrong.sort(key=lambda j: j.reason != "wrong answer")
    n = min(most, max(len(right), len(wrong))) if right and wrong else 0
    return list(itertools.islice(zip(itertools.cycle(right), itertools.cycle(wrong), strict=False), n))


def _distinct(judged: list[Judged], rng: random.Random) -> list[Judged]:
    unique = list({j.completion: j for j in sorted(judged, key=lambda j: j.sample_id)}.values())
    rng.shuffle(unique)
    return unique


def _read_judged(store: Store, run_id: str, iteration: int, step: str) -> list[Judged]:
    rows = store.query(
        """
        SELECT s.sample_id, s.problem_id, s.completion, v.passed, v.reason
        FROM samples s JOIN verdicts v USING (sample_id)
        WHERE s.run_id = ? AND s.iteration = ? AND s.step = ? AND v.passed IS NOT NULL AND v.judge = ?
        ORDER BY s.problem_id, s.draw
        """,
        [run_id, iteration, step, MATH_JUDGE],
    )
    return [Judged(*row) for row in rows]
