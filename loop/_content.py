"""What a recipe's files hold: part of a run's identity, since a path alone says nothing of what stands behind it.

A run whose problems, suites or templates have changed would mix two measurements under one name; so it is another run.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ..config import Recipe
from ..eval import Split
from ..gen import ON_POLICY, SOLVE, Stage
from ..judge import Grader
from ..prompts import Template, load_template
from ..store import Store
from ._draws import config_of
from ._judges import ReadyJudge

Content = dict[str, str]
"""What the recipe names, to the content id of what it holds."""


@dataclass(frozen=True)
class EarlierRun:
    """A run of the same recipe and model on other content."""

    run_id: str
    content: Content


def describe_content(
    recipe: Recipe, problems: str | None, splits: Sequence[Split], templates: Sequence[Template], stages: Sequence[Stage],
    grader: Grader, judges: Sequence[ReadyJudge],
) -> Content:  # fmt: skip
    """Return the content id of each thing that the recipe names."""
    content: Content = {}
    if recipe.problems is not None and problems is not None:
        content[f"problems {', '.join(one.source for one in recipe.problems.sets)}"] = problems
    content |= {f"suite {s.suite.name}, {s.name} split": s.content_id for s in splits}
    content |= {f"template {t.name}": t.template_id for t in templates}
    content |= describe_generators(stages) | describe_verifier(recipe, grader)
    return content | {what: known for judge in judges for what, known in judge.content.items()}


def describe_generators(stages: Sequence[Stage]) -> Content:
    """Return the content id of each file of a user's that defines a generator, and of what the steps' options name."""
    found = {f"generator {s.config.generator}": code_id for s in stages if (code_id := s.code_id) is not None}
    return found | {what: known for stage in stages for what, known in stage.find_named().items()}


def describe_verifier(recipe: Recipe, grader: Grader) -> Content:
    """Return the content id of the user's file that defines the verifier, if it is one."""
    return {} if grader.code_id is None else {f"verifier {recipe.verifier.name}": grader.code_id}


def load_templates(recipe: Recipe, root: Path, stages: Sequence[Stage]) -> list[Template]:
    """Return the templates of a recipe's steps and of the wheel's own.

    Raises:
        NotFoundError: there is no such template.
    """
    own = [load_template(name, root) for name in sorted({config_of(recipe, s).template for s in (SOLVE, ON_POLICY)})]
    return own + [stage.template(name) for stage in stages for name in stage.generator.templates]


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
