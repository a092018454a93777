"""The row of a run: its first model, and what its recipe names; and what has changed since an earlier run."""

import json
from dataclasses import replace
from pathlib import Path

from ..config import Recipe, is_wheel
from ..errors import NotFoundError, RecipeError
from ..llm import SEED_MODEL, ResolvedModel, hash_model, resolve_model
from ..schema import content_id, utc_now
from ..store import Project, Store
from ..train import draw_model, is_bare
from ._content import Content, find_earlier_run
from ._versions import versions_of

VERSIONED = ("duckdb", "torch", "transformers", "trl", "datasets", "lm-eval", "openai", "math-verify")


def require_wheel(recipe: Recipe) -> None:
    """Refuse a recipe that has no whole turn of the wheel in it.

    Raises:
        RecipeError: it has no suites, or neither problems nor steps to train on.
    """
    if not is_wheel(recipe):
        raise RecipeError(
            f"recipe {recipe.name}", expected="problems to solve (or select.steps to train on) and suites to score, for flywheel run",
            received="no suites" if not recipe.suites else "no problems",
            cure="flywheel generate, train or eval do what the recipe is for; or add problems and suites to it",
        )  # fmt: skip


def resolve_first_model(recipe: Recipe, base: Path, *, draws: bool = True) -> ResolvedModel:
    """Find the first champion; of a folder that only describes a model, draw its weights by the recipe's seed, once.

    Args:
        recipe: that names it.
        base: folder that a relative path starts from; weights that are drawn are kept under it.
        draws: False = weights that are not there yet are left so.

    Raises:
        NotFoundError: there is no such model.
        RecipeError: what is described cannot be made.
    """
    folder = base / Path(recipe.model).expanduser()
    if draws and recipe.model != SEED_MODEL and is_bare(folder):
        name = content_id("model", [hash_model(folder), recipe.seed])
        made = draw_model(folder, Project(base).models / name, recipe.seed)
        return replace(resolve_model(str(made)), name=recipe.model)
    try:
        return resolve_model(recipe.model, base)
    except NotFoundError as error:
        folder = (base / Path(recipe.model).expanduser()).resolve()
        if not folder.exists():
            raise
        what = f"the folder {folder}, without a config.json in it" if folder.is_dir() else f"the file {folder}"
        raise NotFoundError(
            error.place, expected=error.expected, received=what, cure="name the folder that holds the model's files"
        ) from None


def describe_change(store: Store, run_id: str, recipe: Recipe, model: ResolvedModel, content: Content) -> str | None:
    """Return what to say when this is a new run only because files have changed under the recipe."""
    if store.query("SELECT 1 FROM runs WHERE run_id = ?", [run_id]):
        return None
    earlier = find_earlier_run(store, recipe, id_of(model))
    if earlier is None:
        return None
    changed = ", ".join(sorted(k for k in content if content[k] != earlier.content.get(k)))
    return f"Changed since run {earlier.run_id}: {changed}. This is a new run; the rows of the other stay."


def record_run(
    store: Store, run_id: str, recipe: Recipe, model: ResolvedModel, problem_set_id: str | None, content: Content
) -> None:
    """Write down a run and its first checkpoint, each once."""
    now, base_id = utc_now(), id_of(model)
    checkpoint = {
        "checkpoint_id": base_id, "run_id": None, "iteration": None, "stage": "seed", "parent_id": None,
        "snapshot_id": None, "path": model.path, "config": json.dumps({"model": model.name, "revision": model.revision}),
        "metrics": None, "created_at": now,
    }  # fmt: skip
    run = {
        "run_id": run_id, "name": recipe.name, "seed": recipe.seed, "model": recipe.model, "base_checkpoint_id": base_id,
        "recipe": recipe.model_dump_json(), "versions": json.dumps(versions_of(VERSIONED)), "started_at": now,
        "problem_set_id": problem_set_id, "content": json.dumps(content),
    }  # fmt: skip
    store.insert("checkpoints", [checkpoint], key="checkpoint_id")
    store.insert("runs", [run], key="run_id")


def id_of(model: ResolvedModel) -> str:
    """Return the checkpoint id of a first champion: that of its weights."""
    return content_id("ckpt", model.revision)
