"""Preference pairs from verdicts, and the choice among those that are there already.

A pair is made of two completions of one prompt. From verdicts: a passed one over a failed one (``correct/incorrect``,
``cited/uncited``, ``safe/unsafe``), or a higher over a lower score (``higher/lower``). Pairs of generators and imported sets
go through the same rules. The funnel has two lines: ``pair``, prompts that gave a pair or a drop with the reason, and
``pair/items``, single pairs; and ``pair/limit`` where an iteration takes a part of those that came ready. Each pair names its kind,
judge, verdicts and margin.

Memory: completions of one prompt at a time, and some 300 bytes a pair.
A chosen completion that says nothing and calls no tool makes no pair; nor do pairs that contradict each other.
"""

import itertools
import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..config import VERDICT_KINDS, PairConfig, PairKind
from ..schema import DropRow, content_id, utc_now
from ..store import Store
from ._demands import Demands
from ._rank import (
    Compared,
    Judged,
    explain_no_winner,
    explain_none,
    find_fault,
    find_opposed_pairs,
    margin_of,
    rank_compared,
    rank_pairs,
    spread_word,
)
from ._rows import replace_drops

STEP = "pair"
ITEMS = "pair/items"
LIMIT = "pair/limit"
BATCH = 5000
TOO_MANY = "more than pairs.per_problem"
REJECTED = "a person rejected the chosen one"
ACCEPTED = "a person accepted the rejected one"
PERSON = "human"
OPPOSED = "another pair has its two completions the other way round"


@dataclass(frozen=True)
class Scope:
    """Whose samples are paired: a run's iteration, and some of its steps; ``import`` = those of imported sets too."""

    run_id: str
    iteration: int
    steps: tuple[str, ...]


@dataclass
class _Made:
    """What pairing came to."""

    entered: Counter[str] = field(default_factory=Counter)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    plan: list[tuple[str, int]] = field(default_factory=list)
    drops: list[DropRow] = field(default_factory=list)
    turns: list[tuple[str, int]] = field(default_factory=list)
    """Of kinds with a limit, how many pairs were taken and how many left to other iterations."""
    lengths: list[tuple[str, float]] = field(default_factory=list)
    """Id of each pair that stays, and ln of the chosen one's length over the rejected one's."""


def make_pairs(store: Store, scope: Scope, config: PairConfig, *, verifier: str, seed: int) -> int:
    """Pair the samples of ``scope``; prompts that give no pair, and pairs that are not used, become drops with the reason.

    Args:
        verifier: what verdicts of the recipe's verifier are filed under.

    Returns:
        How many pairs there are to train on.
    """
    made = _Made()
    for kind in config.kinds:
        if kind.kind in VERDICT_KINDS:
            _pair_judged(made, store, scope, kind, config, verifier, seed)
        else:
            _choose_ready(made, store, scope, kind, config)
        if config.length_balanced:
            _balance(made, scope)
    store.replan(scope.run_id, scope.iteration, STEP, [(f"prompts, {k}", n) for k, n in sorted(made.entered.items())])
    store.replan(scope.run_id, scope.iteration, LIMIT, made.turns)
    store.replan(scope.run_id, scope.iteration, ITEMS, made.plan)
    for start in range(0, len(made.pairs), BATCH):
        store.insert("pairs", made.pairs[start : start + BATCH], key="pair_id")
    for step in (STEP, ITEMS):
        replace_drops(store, scope.run_id, scope.iteration, step, [d for d in made.drops if d.step == step])
    return len(made.plan) - sum(d.step == ITEMS for d in made.drops)


def _pair_judged(
    made: _Made, store: Store, scope: Scope, kind: PairKind, config: PairConfig, verifier: str, seed: int
) -> None:  # fmt: skip
    used: Counter[str] = Counter()
    demands = Demands(store, kind.chosen_passes, (j.sample_id for j in _read_judged(store, scope, kind, verifier)))
    known: set[tuple[str, str]] | None = None
    for (key, _, iteration), group in itertools.groupby(
        _read_judged(store, scope, kind, verifier), key=lambda j: (j.key, j.judge, j.iteration)
    ):
        judged = [_hear(j, demands) for j in spread_word(list(group))]
        pairs = rank_pairs(judged, kind, random.Random(f"{seed}/{key}"))
        if iteration != scope.iteration:  # an earlier one's: the others have had their turn
            known = _read_earlier(store, scope) if known is None else known
            pairs = [p for p in pairs if (p[0].person or p[1].person) and (p[0].sample_id, p[1].sample_id) not in known]
        _take(made, scope, kind, config, judged[0], pairs, explain_none(judged, kind), used)
    if kind.kind == "higher/lower":
        sides = (side.sample_id for c in _read_compared(store, scope, kind) for side in (c.first, c.second))
        demands = Demands(store, kind.chosen_passes, sides)
        for _, compared in itertools.groupby(
            _read_compared(store, scope, kind), key=lambda c: (c.first.key, c.first.judge)
        ):
            rows = [replace(c, first=_hear(c.first, demands), second=_hear(c.second, demands)) for c in compared]
            reason = explain_no_winner(rows, kind.margin)
            _take(made, scope, kind, config, rows[0].first, rank_compared(rows, kind.margin), reason, used)


def _hear(one: Judged, demands: Demands) -> Judged:
    """Return a completion with what speaks against choosing it, unless a person accepted it."""
    if not demands or (one.person is not None and one.passed):
        return one
    return replace(one, objection=demands.find_objection(one.sample_id))


def _take(
    made: _Made, scope: Scope, kind: PairKind, config: PairConfig, one: Judged, pairs: Iterable[tuple[Judged, Judged]], why_none: str,
    used: Counter[str],
) -> None:  # fmt: skip
    """Take the first pairs of a prompt, as many as may be (``used`` counts them), that are not near-identical.

    Args:
        one: any of the prompt's completions.
        why_none: the reason, if there is none.
    """
    made.entered[kind.kind] += 1
    chosen, gone = 0, Counter[str]()
    for better, worse in pairs:
        if used[one.key] == config.per_problem:
            break
        row = _pair_row(scope, kind, better, worse)
        made.plan.append((row["pair_id"], 1))
        fault = better.objection or find_fault(better.completion, worse.completion, config.near)
        if fault is not None:
            gone[fault[0]] += 1
            made.drops.append(_drop_pair(scope, row["pair_id"], *fault))
            continue
        chosen, used[one.key] = chosen + 1, used[one.key] + 1
        made.pairs.append(row)
        made.lengths.append((row["pair_id"], _log_ratio(better.completion, worse.completion)))
    if not chosen:
        key = [scope.run_id, scope.iteration, STEP, kind.kind, kind.judge and one.judge, one.key]
        if one.iteration != scope.iteration:
            key.append(one.iteration)
        full = used[one.key] == config.per_problem
        reason = TOO_MANY if full else gone.most_common(1)[0][0] if gone else why_none
        made.drops.append(
            DropRow(content_id("drop", key), scope.run_id, scope.iteration, STEP, reason, one.key, None, None)
        )


def _choose_ready(made: _Made, store: Store, scope: Scope, kind: PairKind, config: PairConfig) -> None:
    """Choose among pairs that generators or imported sets brought."""
    per_prompt: Counter[str] = Counter()
    ready = store.spool(_READY, [scope.run_id, scope.iteration, kind.kind])
    demands = Demands(store, kind.chosen_passes, (row[4] for row in ready.rows()))
    opposed = find_opposed_pairs((key, better, worse) for _, key, better, worse, *_ in ready.rows())
    taken = _take_turn(made, store, scope, kind, [pair_id for pair_id, *_ in ready.rows()]) if kind.limit else None
    for place, (pair_id, key, better, worse, chosen_id, for_chosen, for_rejected, *edit) in enumerate(ready.rows()):
        if taken is not None and pair_id not in taken:
            continue
        made.plan.append((pair_id, 1))
        if for_chosen is False and edit[0] is not None and not for_rejected:
            _choose_edited(made, scope, kind, worse, *edit)
        objection = demands.find_objection(chosen_id) if for_chosen is None else None
        if for_chosen is False or for_rejected:
            made.drops.append(
                _drop_pair(scope, pair_id, REJECTED if for_chosen is False else ACCEPTED, "the last word of a person")
            )
        elif fault := objection or find_fault(better, worse, config.near):
            made.drops.append(_drop_pair(scope, pair_id, *fault))
        elif place in opposed:
            made.drops.append(_drop_pair(scope, pair_id, "conflicting preferences", OPPOSED))
        elif per_prompt[key] >= config.per_problem:
            made.drops.append(_drop_pair(scope, pair_id, TOO_MANY, f"{config.per_problem} of its prompt"))
        else:
            per_prompt[key] += 1
            made.lengths.append((pair_id, _log_ratio(better, worse)))


def _take_turn(made: _Made, store: Store, scope: Scope, kind: PairKind, pair_ids: Sequence[str]) -> set[str]:
    """Return the pairs whose turn it is, ``kind.limit`` at most, in an order that the run shuffles: those that no earlier iteration took,
    then those whose turn is longest ago. So pairs that come between two iterations have their turn, and cost no other one its own.
    """
    known: dict[str, int] = dict(store.query(_TURNS, [scope.run_id, scope.iteration, ITEMS]))
    order = sorted(pair_ids, key=lambda p: (known.get(p, -1), content_id("turn", [scope.run_id, p])))
    n = min(kind.limit, len(order))
    made.turns += [(f"{kind.kind}, taken", n), (f"{kind.kind}, left", len(order) - n)]
    return set(order[:n])


def _choose_edited(
    made: _Made, scope: Scope, kind: PairKind, worse: str, edited_id: str, text: str, verdict_id: str, person: str, rejected_id: str,
    problem_id: str | None, prompt_id: str,
) -> None:  # fmt: skip
    """Let what a person made of a pair's chosen completion stand in its place."""
    known = (problem_id or prompt_id, prompt_id)
    better = Judged(edited_id, problem_id, text, True, "edited", None, verdict_id, person, *known, person)
    row = _pair_row(scope, kind, better, Judged(rejected_id, problem_id, worse, None, "", None, None, person, *known))
    made.pairs.append(row)
    made.plan.append((row["pair_id"], 1))
    made.lengths.append((row["pair_id"], _log_ratio(text, worse)))


def _balance(made: _Made, scope: Scope) -> None:
    """Drop pairs until as many have the longer one chosen as the shorter; those first that differ most."""
    longer = sorted((p for p in made.lengths if p[1] > 0), key=lambda p: (-p[1], p[0]))
    shorter = sorted((p for p in made.lengths if p[1] < 0), key=lambda p: (p[1], p[0]))
    surplus = (
        longer[: len(longer) - len(shorter)] if len(longer) > len(shorter) else shorter[: len(shorter) - len(longer)]
    )
    for pair_id, ratio in surplus:
        side = "longer" if ratio > 0 else "shorter"
        evidence = f"the chosen one is {side}, {math.exp(ratio):.2f} times as long"
        made.drops.append(_drop_pair(scope, pair_id, "length balance", evidence))
    made.lengths = []


def _log_ratio(better: str, worse: str) -> float:
    return math.log((len(better) + 1) / (len(worse) + 1))


def _pair_row(scope: Scope, kind: PairKind, better: Judged, worse: Judged) -> dict[str, Any]:
    key = [scope.run_id, scope.iteration, better.sample_id, worse.sample_id]
    if kind.kind != "correct/incorrect" or kind.judge is not None:
        key += [kind.kind, str(better.judge)]
    known = better.score is not None and worse.score is not None
    return {
        "pair_id": content_id("pair", key), "run_id": scope.run_id,
        "iteration": scope.iteration, "problem_id": better.problem_id, "chosen_sample_id": better.sample_id,
        "rejected_sample_id": worse.sample_id, "kind": kind.kind, "created_at": utc_now(), "prompt_id": better.prompt_id,
        "judge": better.judge, "margin": margin_of(better, worse) if known else None,
        "chosen_verdict_id": better.verdict_id, "rejected_verdict_id": worse.verdict_id,
    }  # fmt: skip


def _drop_pair(scope: Scope, pair_id: str, reason: str, evidence: str) -> DropRow:
    drop_id = content_id("drop", [scope.run_id, scope.iteration, ITEMS, pair_id])
    return DropRow(drop_id, scope.run_id, scope.iteration, ITEMS, reason, pair_id, None, None, evidence=evidence)


def _read_earlier(store: Store, scope: Scope) -> set[tuple[str, str]]:
    """Return chosen and rejected of the pairs that earlier iterations made of what a person decided on by now."""
    return set(store.query(_EARLIER, [scope.run_id, scope.iteration]))


def _read_judged(store: Store, scope: Scope, kind: PairKind, verifier: str) -> Iterator[Judged]:
    """Yield the judged samples, those of one prompt one after the other; of a judge whose settings changed the newest verdicts."""
    if kind.judge is None and kind.kind == "correct/incorrect":
        whose, name = "v.judge = $4", verifier
    else:
        whose, name = "split_part(v.judge, '@', 1) = $4", kind.judge or "citations"
    rows = store.spool(_JUDGED.replace("{whose}", whose), [scope.run_id, scope.iteration, list(scope.steps), name])
    for row in rows.rows():
        key = row[1] or row[8]  # the problem, or the prompt
        yield Judged(*(*row[:8], key, *row[8:]))


def _read_compared(store: Store, scope: Scope, kind: PairKind) -> Iterator[Compared]:
    """Yield a judge's comparisons of two samples of ``scope``, those of one prompt one after the other."""
    rows = store.spool(_COMPARED, [scope.run_id, scope.iteration, list(scope.steps), kind.judge])
    for (
        a,
        one,
        said_a,
        b,
        other,
        said_b,
        problem_id,
        passed,
        reason,
        score,
        verdict_id,
        judge,
        prompt_id,
    ) in rows.rows():
        known = (verdict_id, judge, problem_id or prompt_id, prompt_id)
        flipped = (None if passed is None else not passed, None if score is None else 1 - score)
        first = _side(a, problem_id, one, (passed, score), reason, known, said_a)
        second = _side(b, problem_id, other, flipped, reason, known, said_b)
        yield Compared(first, second, passed)


def _side(
    sample_id: str, problem_id: str | None, text: str, outcome: tuple[bool | None, float | None], reason: str,
    known: tuple[str, str, str, str], said: bool | None,
) -> Judged:  # fmt: skip
    """Return one side of a comparison; a person's word on it, if there is one, stands in the place of the outcome."""
    passed, score = outcome
    person = None if said is None else PERSON
    return Judged(sample_id, problem_id, text, passed if said is None else said, reason, score, *known, person)


_JUDGED = """
    WITH RECURSIVE since AS (
        -- what people said of earlier iterations' samples after the pairs of the last one were frozen
        SELECT x.iteration, coalesce(x.problem_id, x.input_id) AS about FROM people_verdicts h JOIN samples x USING (sample_id)
        WHERE x.run_id = $1 AND x.iteration < $2 AND h.created_at > coalesce(
            (SELECT max(n.created_at) FROM snapshots n WHERE n.run_id = $1 AND n.stage = 'dpo' AND n.iteration < $2), '-infinity'::TIMESTAMP)
    ), family(sample_id, root_id) AS (  -- with what people made of them by editing
        SELECT s.sample_id, s.sample_id FROM samples s
        WHERE (s.run_id = $1 AND s.iteration = $2 AND list_contains($3::VARCHAR[], s.step))
           OR (list_contains($3::VARCHAR[], 'import') AND s.run_id = 'project' AND s.step = 'import')
           OR (s.run_id = $1 AND s.iteration < $2 AND list_contains($3::VARCHAR[], s.step)
               AND (s.iteration, coalesce(s.problem_id, s.input_id)) IN (SELECT (iteration, about) FROM since))
        UNION
        SELECT s.sample_id, f.root_id FROM samples s JOIN family f ON s.input_id = f.sample_id WHERE s.step = 'people'
    ), chosen AS (
        SELECT s.sample_id, f.root_id, s.problem_id, coalesce(nullif(s.completion, ''), nullif(s.fields ->> '$.message.tool_calls', '[]'), '') AS completion, s.draw, coalesce(s.prompt, r.messages)::VARCHAR AS prompt,
               CASE WHEN s.run_id = $1 THEN s.iteration ELSE $2 END AS iteration
        FROM family f JOIN samples s USING (sample_id) JOIN requests r USING (request_id)
    ), filed AS (
        -- verdicts under other settings of the judge (criteria, model) are on another scale; those of imported sets are its own
        SELECT arg_max(v.judge, (v.created_at, v.judge)) AS judge FROM verdicts v
        WHERE {whose} AND v.sample_id IN (SELECT sample_id FROM chosen)
    ), said AS (
        SELECT DISTINCT ON (v.sample_id) v.* FROM verdicts v
        WHERE {whose} AND v.sample_id IN (SELECT sample_id FROM chosen)
          AND (starts_with(v.judge, 'recorded@') OR v.judge = (SELECT judge FROM filed))
        ORDER BY v.sample_id, v.created_at DESC, v.verdict_id
    )
    SELECT c.sample_id, c.problem_id, c.completion, coalesce(h.passed, v.passed), coalesce(h.reason, v.reason), v.score,
           coalesce(h.verdict_id, v.verdict_id), coalesce(v.judge, w.judge, $4) AS judge,
           md5(coalesce(c.problem_id, '') || c.prompt) || CASE WHEN c.iteration < $2 THEN '/' || c.iteration ELSE '' END AS prompt_id,
           h.judge, c.iteration
    FROM chosen c LEFT JOIN said v ON v.sample_id = c.sample_id LEFT JOIN said w ON w.sample_id = c.root_id
    LEFT JOIN people_verdicts h ON h.sample_id = c.sample_id
    WHERE v.sample_id IS NOT NULL OR h.sample_id IS NOT NULL
    ORDER BY coalesce(c.problem_id, ''), prompt_id, judge, c.iteration, h.created_at NULLS LAST, c.draw, c.sample_id
"""

_TURNS = (
    "SELECT input_id, max(iteration) FROM plans WHERE run_id = $1 AND iteration < $2 AND step = $3 GROUP BY input_id"
)
"""In which iteration each pair was last taken, whether it stayed or went."""

_EARLIER = """
    SELECT chosen_sample_id, rejected_sample_id FROM pairs
    WHERE run_id = $1 AND iteration < $2 AND (chosen_sample_id IN (SELECT sample_id FROM people_verdicts)
                                              OR rejected_sample_id IN (SELECT sample_id FROM people_verdicts))
"""

_COMPARED = """
    SELECT a.sample_id, a.completion, ha.passed, b.sample_id, b.completion, hb.passed, a.problem_id, v.passed, v.reason, v.score, v.verdict_id, v.judge,
           md5(coalesce(a.problem_id, '') || coalesce(a.prompt, r.messages)::VARCHAR) AS prompt_id
    FROM samples c
    JOIN (SELECT DISTINCT ON (sample_id) * FROM verdicts WHERE split_part(judge, '@', 1) = $4
          ORDER BY sample_id, created_at DESC, verdict_id) v ON v.sample_id = c.sample_id
    JOIN samples a ON a.sample_id = c.fields ->> '$.first_id' JOIN samples b ON b.sample_id = c.fields ->> '$.second_id'
    LEFT JOIN requests r ON r.request_id = a.request_id
    LEFT JOIN people_verdicts ha ON ha.sample_id = a.sample_id LEFT JOIN people_verdicts hb ON hb.sample_id = b.sample_id
    WHERE c.run_id = $1 AND c.iteration = $2 AND starts_with(c.step, 'compare.') AND list_contains($3::VARCHAR[], a.step)
    ORDER BY coalesce(a.problem_id, ''), prompt_id, v.judge, c.sample_id
"""

_READY = """
    SELECT p.pair_id, coalesce(p.problem_id, md5(coalesce(c.prompt, r.messages)::VARCHAR)),
           coalesce(nullif(c.completion, ''), nullif(c.fields ->> '$.message.tool_calls', '[]'), ''),
           coalesce(nullif(j.completion, ''), nullif(j.fields ->> '$.message.tool_calls', '[]'), ''), c.sample_id, hc.passed, hj.passed,
           e.sample_id, e.completion, e.verdict_id, e.judge, j.sample_id, p.problem_id,
           md5(coalesce(p.problem_id, '') || coalesce(c.prompt, r.messages)::VARCHAR)
    FROM (SELECT DISTINCT ON (pair_id) * FROM pairs) p
    JOIN samples c ON c.sample_id = p.chosen_sample_id JOIN samples j ON j.sample_id = p.rejected_sample_id
    JOIN requests r ON r.request_id = c.request_id
    LEFT JOIN people_verdicts hc ON hc.sample_id = c.sample_id LEFT JOIN people_verdicts hj ON hj.sample_id = j.sample_id
    LEFT JOIN (SELECT DISTINCT ON (x.input_id) x.input_id, x.sample_id, x.completion, h.verdict_id, h.judge
               FROM samples x JOIN people_verdicts h USING (sample_id) WHERE x.step = 'people' AND h.passed
               ORDER BY x.input_id, h.created_at DESC) e ON e.input_id = c.sample_id
    WHERE p.kind = $3 AND p.prompt_id IS NULL
      AND ((p.run_id = $1 AND p.iteration = $2) OR (p.run_id = 'project' AND $3 = 'imported'))
    ORDER BY p.pair_id
"""
