"""The training sets of methods beside SFT and DPO, and of rows of a user's own."""

from pathlib import Path

from ..config import Recipe
from ..errors import RecipeError
from ..gen import Step
from ..judge import (
    HERE,
    Decontaminator,
    Freezer,
    Mapper,
    OwnCuration,
    Snapshot,
    snapshot_grpo,
    snapshot_kto,
    snapshot_own,
)
from ..store import Store
from ._embed import Embed
from ._freeze import make_token_counter
from ._own_rows import read_own_rows


def freeze_for(freezer: Freezer, step: Step, parent_id: str) -> Snapshot:
    """Freeze what an iteration has for a method, named by the step.

    Raises:
        RecipeError: the method trains only on rows of a user's own.
    """
    run, clean, rules = (freezer.store, step.run_id, step.iteration), freezer.decontaminator, freezer.rules
    if step.name == "kto":
        return snapshot_kto(*run, judge=rules.verifier, per_problem=rules.select.per_problem, decontaminator=clean)
    if step.name == "grpo":
        return snapshot_grpo(*run, decontaminator=clean)
    if step.name == "reward":
        return freezer.freeze_dpo(parent_id)
    raise RecipeError(
        f"flywheel train --method {step.name}", expected="train.rows in the recipe", received="none",
        cure="name a file with the rows: train: {rows: rows.jsonl}",
    )  # fmt: skip


def freeze_own(
    store: Store, recipe: Recipe, step: Step, base: Path, clean: Decontaminator, model: Path, *, seed: int, embed: Embed | None = None,
    mapper: Mapper = HERE,
) -> Snapshot:  # fmt: skip
    """Freeze the rows that the recipe names, curated; tokens are those of ``model``, a folder."""
    spec = str(recipe.train.rows)
    rows = read_own_rows(recipe.train, base)
    references = tuple(dict.fromkeys([*(r.expected for r in recipe.train.rewards), "answer"]))
    rules = OwnCuration(
        recipe.curate, make_token_counter(recipe, model), embed, references, recipe.train.score_by, mapper
    )
    run = (store, step.run_id, step.iteration, step.name)
    return snapshot_own(*run, spec, rows, decontaminator=clean, rules=rules, seed=seed)
