"""What a recipe's files hold: part of a run's identity, since a path alone says nothing of what stands behind it.

A run whose problems, suites or templates have changed would mix two measurements under one name; so it is another run.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from ..config import Recipe
from ..eval import Split
from ..prompts import Template
from ..store import Store

Content = dict[str, str]
"""What the recipe names, to the content id of what it holds."""


@dataclass(frozen=True)
class EarlierRun:
    """A run of the same recipe and model on other content."""

    run_id: str
    content: Content


def describe_content(
    recipe: Recipe, problems: str | None, splits: Sequence[Split], templates: Sequence[Template]
) -> Content:
    """Return the content id of each thing that the recipe names."""
    content: Content = {}
    if recipe.problems is not None and problems is not None:
        content[f"problems {recipe.problems.source}"] = problems
    content |= {f"suite {s.suite.name}, {s.name} split": s.content_id for s in splits}
    return content | {f"template {t.name}": t.template_id for t in templates}


def find_earlier_run(store: Store, recipe: Recipe, base_checkpoint_id: str) -> EarlierRun | None:
    """Return the latest run of the same recipe and first model; None when there is none."""
    rows = store.query(
        "SELECT run_id, recipe, content FROM runs WHERE base_checkpoint_id = ? ORDER BY started_at DESC",
        [base_checkpoint_id],
    )
    for run_id, text, content in rows:
        if content is not None and _is_same(recipe, text):
            return EarlierRun(str(run_id), json.loads(content))
    return None


def _is_same(recipe: Recipe, text: str) -> bool:
    try:
        return Recipe.model_validate_json(text).identity() == recipe.identity()
    except ValidationError:  # a recipe of another flywheel
        return False
