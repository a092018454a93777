"""Comparisons: which completions of one prompt a pairwise judge is shown, as samples of a step of their own.

A comparison holds both texts and the ids of their samples, so that its verdict makes a pair of them. Completions of one prompt
are compared evenly, each as often as the others as far as possible, in an order that only the run decides.
"""

import itertools
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

from ..gen import Step
from ..schema import PROJECT_RUN, DropRow, SampleRow, content_id, utc_now
from ..store import Store

PREFIX = "compare."
"""What the steps of comparisons begin with."""
ALONE = "prompts with one completion"
PAGE = 2000


class Compared(NamedTuple):
    """A completion that may be compared."""

    key: str
    sample_id: str
    completion: str
    prompt: str
    problem_id: str | None


def compare_samples(store: Store, scope: Step, most: int) -> str | None:
    """Make the comparisons of a step's samples, each once; return the step that holds them, None where no prompt has two different
    completions.

    Samples that hold ``first`` and ``second`` themselves are comparisons already: then it is the step itself.

    Args:
        scope: whose samples; the step ``imported`` = those of imported sets.
        most: comparisons of one prompt.
    """
    source = [PROJECT_RUN, 0, "import"] if scope.name == "imported" else [scope.run_id, scope.iteration, scope.name]
    if store.query(f"SELECT 1 FROM samples s WHERE {_OF} AND (s.fields -> '$.first') IS NOT NULL LIMIT 1", source):
        return scope.name
    step = Step(scope.run_id, scope.iteration, f"{PREFIX}{scope.name}.{most}")
    known = {
        str(i)
        for (i,) in store.query("SELECT sample_id FROM samples WHERE step = ? AND run_id = ?", [step.name, step.run_id])
    }
    n, alone, rows = 0, [], []
    if not store.query(f"SELECT 1 FROM samples s WHERE {_OF} LIMIT 1", source):
        return scope.name
    for key, group in itertools.groupby(map(Compared._make, store.spool(_SAMPLES, source).rows()), key=lambda c: c.key):
        pairs = choose_pairs(list(group), most, f"{scope.run_id}/{key}")
        n += len(pairs)
        alone += [key] if not pairs else []
        rows += [row for row in (_row(step, *pair) for pair in pairs) if row.sample_id not in known]
        if len(rows) >= PAGE:
            store.append(rows)
            rows = []
    store.append(rows)
    store.fold()
    store.replan(step.run_id, step.iteration, step.name, [("comparisons", n), (ALONE, len(alone))])
    _drop(store, step, alone)
    return step.name if n else None


def choose_pairs(completions: Sequence[Compared], most: int, seed: str) -> list[tuple[Compared, Compared]]:
    """Return pairs of different texts, those first whose two have been chosen least; which comes first is chance."""
    texts = list({c.completion: c for c in sorted(completions, key=lambda c: c.sample_id)}.values())
    random.Random(seed).shuffle(texts)
    left = list(itertools.combinations(texts[: 2 * most], 2))
    used: Counter[str] = Counter()
    chosen: list[tuple[Compared, Compared]] = []
    while left and len(chosen) < most:
        best = min(left, key=lambda p: (used[p[0].sample_id] + used[p[1].sample_id], max(used[c.sample_id] for c in p)))
        left.remove(best)
        used.update(c.sample_id for c in best)
        chosen.append(best)
    return chosen


def _row(step: Step, first: Compared, second: Compared) -> SampleRow:
    sample_id = content_id("smp", [step.run_id, step.iteration, step.name, first.sample_id, second.sample_id])
    fields = {
        "first": first.completion, "second": second.completion, "first_id": first.sample_id, "second_id": second.sample_id,
    }  # fmt: skip
    return SampleRow(
        sample_id, None, 0, step.run_id, step.iteration, step.name, first.problem_id, "", None, None, "comparison", utc_now(),
        first.sample_id, 0, first.prompt, json.dumps(fields, ensure_ascii=False),
    )  # fmt: skip


def _drop(store: Store, step: Step, keys: Sequence[str]) -> None:
    if keys:
        drop_id = content_id("drop", [step.run_id, step.iteration, step.name])
        why = "one completion of its prompt"
        row = DropRow(drop_id, step.run_id, step.iteration, step.name, why, ALONE, None, None, len(keys))
        store.insert("drops", [asdict(row)], key="drop_id")


_OF = "s.run_id = ? AND s.iteration = ? AND s.step = ?"
_SAMPLES = f"""
    SELECT coalesce(s.problem_id, md5(coalesce(s.prompt, r.messages)::VARCHAR)) AS key, s.sample_id, s.completion,
           coalesce(s.prompt, r.messages)::VARCHAR, s.problem_id
    FROM samples s LEFT JOIN requests r ON r.request_id = s.request_id
    WHERE {_OF} AND s.completion <> '' ORDER BY key, s.sample_id
"""
