"""The wheel's own steps: so many completions of each planned problem, kept as they come for a verifier."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..config import SolveConfig, StepConfig
from ..files import IMAGES
from ..llm import Sampling
from ..prompts import load_template
from ._ask import refuse_keywords
from ._generator import Ask, Item, Made, generator
from ._plan import Step
from ._steps import Stage

TEMPLATE = "solve"


@generator("draw", consumes=("question",), templates=(TEMPLATE,), most=lambda options, draws: (1, draws), images=True)
async def draw(item: Item, ask: Ask) -> AsyncIterator[Made]:
    """Draw completions of a problem and keep each as it came. The template may name any column of the problem; images of it are shown."""
    shown: dict[str, Any] = {"images": list(images)} if (images := item.get(IMAGES)) else {}
    for completion in await ask(TEMPLATE, **{name: item.get(name) for name in ask.variables(TEMPLATE)}, **shown):
        yield completion.made()


def make_draw_stage(step: Step, config: SolveConfig, project_root: Path) -> Stage:
    """Return a step over the problems that are planned for it.

    Raises:
        NotFoundError: there is no such template.
        RecipeError: it has a variable that is called like an argument of ``ask()``.
    """
    shown = config.model_dump(include={"template", "draws", "temperature", "top_p", "max_tokens"})
    sampling = Sampling(
        n=config.draws, temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens,
        logprobs=config.logprobs,
    )  # fmt: skip
    stage_config = StepConfig(step=step.name, generator=draw.name, source="problems", **shown)
    template = load_template(config.template, project_root)
    refuse_keywords(template, step.name)
    needed = replace(draw, consumes=template.variables)
    return Stage(stage_config, needed, {}, sampling, 0, project_root, scope=step.scope)
