"""How hard a problem is for the model at hand, and in which order rows are trained on."""

import itertools
import random
from collections.abc import Sequence

from ...config import DifficultyConfig
from ...store import Store

PASS_RATES = """
    SELECT s.problem_id, avg(v.passed::INT) AS pass_rate, count(*) AS n
    FROM samples s JOIN verdicts v USING (sample_id)
    WHERE s.run_id = ? AND s.iteration = ? AND s.step = ? AND v.judge = ? AND v.passed IS NOT NULL AND s.problem_id IS NOT NULL
    GROUP BY s.problem_id ORDER BY s.problem_id
"""
"""Share of a problem's draws that passed; abstentions do not count as draws."""


def read_pass_rates(store: Store, run_id: str, iteration: int, step: str, judge: str) -> dict[str, tuple[float, int]]:
    """Return (share of draws that ``judge`` passed, number of draws) of each problem; abstentions are left out."""
    rows = store.query(PASS_RATES, [run_id, iteration, step, judge])
    return {problem: (float(rate), int(n)) for problem, rate, n in rows}


def order_rows(pass_rates: Sequence[float | None], config: DifficultyConfig, seed: int) -> list[int]:
    """Return the rows in the order of training: as given, easy to hard, or in stages with a mixture.

    Rows of one pass rate keep their order; rows without one stand last, in the last stage. A row stands once.
    """
    rows = list(range(len(pass_rates)))
    if config.order == "given":
        return rows
    easy_first = sorted(rows, key=lambda i: 1.0 if (rate := pass_rates[i]) is None else -rate)
    return easy_first if config.order == "easy_to_hard" else _mix_stages(easy_first, config, seed)


def _mix_stages(rows: list[int], config: DifficultyConfig, seed: int) -> list[int]:
    """Cut ``rows`` into stages of equal size, swap a share of each with the others, and shuffle each."""
    rng = random.Random(f"{seed}/stages")
    k = min(config.stages, len(rows)) or 1
    bounds = [round(i * len(rows) / k) for i in range(k + 1)]
    stages = [rows[a:b] for a, b in itertools.pairwise(bounds)]
    pool = [
        (s, i)
        for s, stage in enumerate(stages)
        for i in rng.sample(range(len(stage)), round(config.mixture * len(stage)))
    ]
    given = [stages[s][i] for s, i in pool]
    rng.shuffle(given)
    for (s, i), row in zip(pool, given, strict=True):
        stages[s][i] = row
    for stage in stages:
        rng.shuffle(stage)
    return [row for stage in stages for row in stage]
