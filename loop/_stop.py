"""When a run ends before its iterations are complete: the recipe's rules, and ``flywheel stop``."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from ..config import Recipe
from ..errors import RecipeError, StoppedError, StoreError, interrupts_of_queries
from ..eval import Split
from ..store import Project, Store, find_owner
from ._checkpoints import find_champion

POLL_S = 0.1

_WITHOUT_PROMOTION = """
    SELECT count(*) FROM iterations i WHERE run_id = $1 AND finished_at IS NOT NULL AND iteration > coalesce(
        (SELECT max(iteration) FROM iterations WHERE run_id = $1 AND finished_at IS NOT NULL AND champion_before <> champion_after), 0)
"""
_SCORE = """
    SELECT s.score_id, s.score FROM scores s JOIN decisions d USING (score_id)
    WHERE d.run_id = ? AND s.checkpoint_id = ? AND s.suite = ? AND s.split = 'gate' AND s.metric = ?
    ORDER BY s.created_at DESC LIMIT 1
"""


_ENDPOINTS = """
    SELECT s.score_id, k.config ->> '$.model' FROM scores s JOIN checkpoints k USING (checkpoint_id)
    WHERE k.stage = 'endpoint' AND s.suite_hash = $1 AND s.suite = $2 AND s.split = 'gate' AND s.metric = $3
      AND coalesce($4, k.config ->> '$.model') = k.config ->> '$.model' ORDER BY s.created_at DESC LIMIT 1
"""
_PAIRED = """
    SELECT count(*), avg(m.value), avg(t.value), count(*) FILTER (m.value > t.value), count(*) FILTER (m.value < t.value)
    FROM score_items m JOIN score_items t USING (item_id, ordinal) WHERE m.score_id = ? AND t.score_id = ?
"""


class Rule(NamedTuple):
    """A rule of the recipe that ends a run between two iterations.

    Attributes:
        name: its key under ``stop``.
        said: why, in words.
    """

    name: str
    said: str


def find_stop(store: Store, recipe: Recipe, run_id: str, splits: Sequence[Split]) -> Rule | None:
    """Return which of the recipe's rules ends the run now, between two iterations; ``splits`` are those of its suites."""
    rules = recipe.stop
    if rules.target and (mine := _champion_score(store, recipe, run_id)) is not None:
        reached = _reach_endpoint(store, recipe, mine[0], splits) if rules.target == "endpoint" else None
        if rules.target != "endpoint" and mine[1] >= rules.target:
            reached = f"the champion scores {mine[1]:.4g} on {recipe.gate_suite}, stop.target = {rules.target:g}"
        if reached:
            return Rule("target", reached)
    if rules.plateau:
        ((n,),) = store.query(_WITHOUT_PROMOTION, [run_id])
        if n >= rules.plateau:
            return Rule("plateau", f"{n} iterations without a promotion, stop.plateau = {rules.plateau}")
    return None


def _champion_score(store: Store, recipe: Recipe, run_id: str) -> tuple[str, float] | None:
    """Return id and value of the champion's score that the gate looks at."""
    metric = recipe.suite(recipe.gate_suite).metric
    found = store.query(_SCORE, [run_id, find_champion(store, run_id), recipe.gate_suite, metric])
    return (str(found[0][0]), float(found[0][1])) if found else None


def require_endpoint_score(store: Store, recipe: Recipe, splits: Sequence[Split]) -> None:
    """Refuse to begin a run whose target is the endpoint's score where none is on record for these very items.

    Raises:
        RecipeError: ``stop.target`` is ``endpoint``, and its model was not scored on the gate's split as it is now.
    """
    if recipe.stop.target == "endpoint" and _find_endpoint(store, recipe, splits) is None:
        raise RecipeError(
            "recipe, stop.target: endpoint",
            expected=f"a score of {recipe.engine.model or 'the model at the endpoint'} on {recipe.gate_suite}/gate, as the suite is now",
            received="none", cure="flywheel eval --engine openai puts it on record; give it before the run",
        )  # fmt: skip


def _find_endpoint(store: Store, recipe: Recipe, splits: Sequence[Split]) -> tuple[str, str] | None:
    """Return id and model of the last score of the endpoint on the gate's items."""
    split = next(s for s in splits if (s.suite.name, s.name) == (recipe.gate_suite, "gate"))
    named = [split.suite_hash, split.suite.name, split.suite.metric, recipe.engine.model]
    found = store.query(_ENDPOINTS, named)
    return (str(found[0][0]), str(found[0][1])) if found else None


def _reach_endpoint(store: Store, recipe: Recipe, score_id: str, splits: Sequence[Split]) -> str | None:
    """Return in words that the champion scores no worse than the endpoint's model on the items that both have; None when it does."""
    theirs = _find_endpoint(store, recipe, splits)
    if theirs is None:
        return None
    ((n, mine, other, won, lost),) = store.query(_PAIRED, [score_id, theirs[0]])
    if not n or mine < other:
        return None
    return (
        f"the champion scores {mine:.4g} on {recipe.gate_suite}, {theirs[1]} at the endpoint {other:.4g} on the same {n} items "
        f"({won} won, {lost} lost), stop.target = endpoint"
    )


@contextmanager
def time_limit(hours: float) -> Iterator[None]:
    """End the block when its time is over, as Ctrl-C would: what is in flight is finished and kept; 0 = no limit.

    Raises:
        StoppedError: it was ended so.
    """
    if not hours:
        yield
        return
    over = threading.Event()

    def end() -> None:
        over.set()
        os.kill(os.getpid(), signal.SIGINT if callable(signal.getsignal(signal.SIGINT)) else signal.SIGTERM)

    timer = threading.Timer(hours * 3600, end)
    timer.daemon = True
    timer.start()
    try:
        with interrupts_of_queries():
            yield
    except KeyboardInterrupt:
        if not over.is_set():
            raise
        raise StoppedError(
            "flywheel run", expected="the end of the iterations", received=f"stop.hours = {hours:g} are over",
            cure="everything answered is kept; the same command goes on from here, with hours of its own", rule="hours",
        ) from None  # fmt: skip
    finally:
        timer.cancel()


def stop_run(project: Project, patience_s: float) -> str | None:
    """Ask whoever owns the project to finish what is in flight, save it and end; wait until it has.

    Args:
        patience_s: how long; 0 = not at all.

    Returns:
        Who it was, ``PID (command)``; None when nobody owns it.

    Raises:
        StoreError: it cannot be told, or has not ended in time.
    """
    owner = find_owner(project.run_lock)
    if owner is None:
        return None
    place = f"project {project.root}"
    process = re.match(r"\d+", owner)
    try:
        os.kill(int(process[0]) if process else 0, signal.SIGTERM) if process else None
    except ProcessLookupError:
        return owner
    except PermissionError:
        raise StoreError(
            place, expected="a run of this user", received=f"process {owner}, of another one",
            cure="ask its owner, or give the command as that user",
        ) from None  # fmt: skip
    until = time.monotonic() + patience_s
    while patience_s and find_owner(project.run_lock) == owner:
        if time.monotonic() > until:
            raise StoreError(
                place, expected=f"its end within {patience_s:g} s", received=f"process {owner} goes on",
                cure="it was told, and finishes what is in flight; wait longer with --wait, or kill -9 it: nothing answered is lost",
            )  # fmt: skip
        time.sleep(POLL_S)
    return owner
