"""What the new completions of an iteration measure, by step: diversity, length, entropy, repeats, disagreement, gap.

An iteration is measured once, before it is closed; the figures follow from its rows alone, so that one that was interrupted has
the same. What cannot be had is NULL. Everything is counted in the store, but for what is of n-grams: of these, at most
``MOST_SAMPLED`` texts are read.
"""

from typing import Any

from ..config import Recipe
from ..judge.curate import measure_diversity, measure_entropy
from ..schema import utc_now
from ..store import Store
from ._words import is_share

MOST_SAMPLED = 10_000
"""Completions that distinct-n and the entropy of n-grams are of, at most."""

_OWN = "run_id = $1 AND iteration = $2 AND step = $3"
_STEPS = "SELECT step, count(*), avg(length(completion)) FROM samples WHERE run_id = $1 AND iteration = $2 GROUP BY step ORDER BY step"
_FIRST = """
    SELECT sampled, mean_chars FROM iteration_measures WHERE run_id = $1 AND iteration < $2 AND step = $3
    ORDER BY iteration LIMIT 1"""
_TEXTS = f"SELECT completion FROM samples WHERE {_OWN} ORDER BY sample_id LIMIT $4"
_TOKEN_ENTROPY = f"""
    WITH asked AS (
        SELECT request_id, sum(logprob) AS logprob, count(logprob) AS n FROM samples WHERE {_OWN} GROUP BY request_id
    )
    SELECT -sum(a.logprob) / sum(r.completion_tokens) FROM asked a JOIN requests r USING (request_id)
    WHERE a.n = r.n_draws AND r.completion_tokens > 0"""
_REPEATS = f"""
    WITH mine AS (SELECT hash(completion) AS text, count(*) AS n FROM samples WHERE {_OWN} GROUP BY text),
    before AS (
        SELECT DISTINCT hash(completion) AS text FROM samples
        WHERE run_id = $1 AND iteration BETWEEN 1 AND $2 - 1 AND step = $3 AND hash(completion) IN (SELECT text FROM mine)
    )
    SELECT coalesce(sum(n) FILTER (n > 1 OR b.text IS NOT NULL), 0) / sum(n), coalesce(sum(n) FILTER (b.text IS NOT NULL), 0) / sum(n)
    FROM mine LEFT JOIN before b USING (text)"""
_DISAGREEMENT = f"""
    WITH mine AS (SELECT sample_id FROM samples WHERE {_OWN}),
    said AS (
        SELECT sample_id, judge, passed FROM verdicts WHERE passed IS NOT NULL AND sample_id IN (SELECT sample_id FROM mine)
    )
    SELECT count(*), avg((v.passed <> j.passed)::INT)
    FROM said v JOIN said j USING (sample_id)
    WHERE v.judge = $4 AND split_part(j.judge, '@', 1) IN (SELECT unnest($5::VARCHAR[]))"""
_PASS_RATE = """
    SELECT avg(v.passed::INT), avg(v.passed::INT) FILTER (c.reason IS NULL OR c.reason = 'new')
    FROM samples s JOIN verdicts v ON v.sample_id = s.sample_id AND v.judge = $4 AND v.passed IS NOT NULL
    LEFT JOIN problem_choices c
      ON c.run_id = s.run_id AND c.iteration = s.iteration AND c.step = s.step AND c.problem_id = s.problem_id
    WHERE s.run_id = $1 AND s.iteration = $2 AND s.step = $3"""
_MADE_BY = f"SELECT DISTINCT checkpoint_id FROM requests WHERE {_OWN}"
_GATE_SCORE = """
    SELECT score FROM scores WHERE checkpoint_id = ? AND suite = ? AND split = 'gate' AND metric = ?
    ORDER BY created_at DESC LIMIT 1"""


def measure_iteration(store: Store, recipe: Recipe, run_id: str, iteration: int, verifier: str) -> None:
    """Put the measures of an iteration on record, once.

    Args:
        verifier: what its verdicts are filed under.
    """
    store.fold()
    with store.kept_open():
        if not store.query(
            "SELECT 1 FROM iteration_measures WHERE run_id = ? AND iteration = ? LIMIT 1", [run_id, iteration]
        ):
            found = store.query(_STEPS, [run_id, iteration])
            rows = [_measure(store, recipe, [run_id, iteration, step], n, chars, verifier) for step, n, chars in found]
            store.insert_all("iteration_measures", rows)


def measure_finished(store: Store, recipe: Recipe, run_id: str, verifier: str) -> None:
    """Measure the complete iterations that have no measures: those of an earlier flywheel."""
    for (iteration,) in store.query(
        "SELECT iteration FROM iterations WHERE run_id = $1 AND finished_at IS NOT NULL AND iteration NOT IN "
        "(SELECT iteration FROM iteration_measures WHERE run_id = $1) ORDER BY iteration", [run_id],
    ):  # fmt: skip
        measure_iteration(store, recipe, run_id, int(iteration), verifier)


def _measure(
    store: Store, recipe: Recipe, scope: list[Any], n: int, chars: float, verifier: str
) -> dict[str, Any]:  # fmt: skip
    """Return the row of a step."""
    first = store.query(_FIRST, scope)
    sampled = min(n, MOST_SAMPLED, *([first[0][0]] if first else []))
    texts = [text for (text,) in store.query(_TEXTS, [*scope, sampled])]
    ((repeated, repeated_earlier),) = store.query(_REPEATS, scope)
    judges = [j.name for j in recipe.judges]
    ((twice, disagreement),) = store.query(_DISAGREEMENT, [*scope, verifier, judges])
    return {
        "run_id": scope[0], "iteration": scope[1], "step": scope[2], "n": n, "sampled": sampled, **_vary(texts), "mean_chars": chars,
        "length_drift": chars / first[0][1] - 1 if first and first[0][1] else None, **_entropy(store, scope, texts),
        "repeated": repeated, "repeated_earlier": repeated_earlier, "judged_twice": twice, "disagreement": disagreement,
        **_compare_with_gate(store, recipe, scope, verifier), "created_at": utc_now(),
    }  # fmt: skip


def _vary(texts: list[str]) -> dict[str, float | None]:
    """Return distinct-n and self-repetition; NULL where no text has so many words."""
    found = measure_diversity(texts, (1, 2, 4))
    return {
        **{f"distinct_{n}": share or None for n, share in found.distinct.items()},
        "self_repetition": found.self_repetition if found.words else None,
    }


def _entropy(store: Store, scope: list[Any], texts: list[str]) -> dict[str, Any]:
    """Return the entropy of tokens where there are log-probabilities, else that of 2-grams of words."""
    ((of_tokens,),) = store.query(_TOKEN_ENTROPY, scope)
    if of_tokens is not None:
        return {"entropy": of_tokens, "entropy_of": "tokens"}
    of_words = measure_entropy(texts, 2)
    return {"entropy": of_words, "entropy_of": None if of_words is None else "2-grams"}


def _compare_with_gate(store: Store, recipe: Recipe, scope: list[Any], verifier: str) -> dict[str, float | None]:
    """Return the pass rate, the gate score of the checkpoint that made the completions, and the gap."""
    ((rate, unbiased),) = store.query(_PASS_RATE, [*scope, verifier])
    score = _find_gate_score(store, recipe, [c for (c,) in store.query(_MADE_BY, scope)])
    gap = None if unbiased is None or score is None else unbiased - score
    return {"pass_rate": rate, "gate_score": score, "train_gate_gap": gap}


def _find_gate_score(store: Store, recipe: Recipe, made_by: list[str | None]) -> float | None:
    if len(made_by) != 1 or made_by[0] is None or not recipe.suites:
        return None
    metric = recipe.suite(recipe.gate_suite).metric
    found = store.query(_GATE_SCORE, [made_by[0], recipe.gate_suite, metric])
    return float(found[0][0]) if found and is_share(metric, found[0][0]) else None
