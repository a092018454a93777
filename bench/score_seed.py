"""Scores a model in the seed's world by number of steps and kind of question: ``python bench/score_seed.py [MODEL] [N]``.

Held-out problems of the gate split, greedy and with 8 draws at temperature 0.8. The figures of seed/MODEL_CARD.md.
"""

import asyncio
import sys
from collections import defaultdict

from flywheel.judge import verify_math
from flywheel.llm import LocalEngine, Request, Sampling, resolve_model
from flywheel.seed import generate_distinct


def answer(engine, problems, **sampling):
    """Return, per problem, whether each draw is right."""
    wanted = [
        Request(({"role": "user", "content": p.question},), Sampling(max_tokens=96, **sampling), engine.identity)
        for p in problems
    ]

    async def work():
        return {r.request.request_id: r.choices async for group in engine.stream(wanted, set()) for r in group}

    got = asyncio.run(work())
    return [
        [verify_math(c.text, p.final).passed for c in got[r.request_id]] for p, r in zip(problems, wanted, strict=True)
    ]


def main():
    """Print a line per group."""
    name, n = (sys.argv[1] if len(sys.argv) > 1 else "seed"), int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    engine = LocalEngine(resolve_model(name), batch_size=512)
    problems = generate_distinct("gate", 2026, {1: 0.2, 2: 0.4, 3: 0.4}, n)
    greedy, drawn = answer(engine, problems), answer(engine, problems, n=8, temperature=0.8)
    groups = defaultdict(list)
    for problem, first, draws in zip(problems, greedy, drawn, strict=True):
        row = (first[0], sum(draws) / 8, any(draws))
        groups[f"{problem.n_steps} steps"].append(row)
        if problem.n_steps > 1:
            groups["2 and 3 steps"].append(row)
            groups[f"2 and 3 steps, asks {problem.kind}"].append(row)
    print("group | n | greedy | one draw | any of 8")
    for group, rows in sorted(groups.items()):
        print(group, len(rows), *(f"{100 * sum(r[i] for r in rows) / len(rows):.1f} %" for i in range(3)), sep=" | ")


if __name__ == "__main__":
    main()
