"""The steps of ``generate``, made ready: each with its generator, its options, and the steps that follow it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..config import StepConfig
from ..errors import RecipeError
from ..llm import Sampling
from ..prompts import Template, load_template
from ..schema import seed_from
from ._generator import Generator
from ._registry import complete_options, find_generator

ROOTS = ("chunks", "problems", "imported")


@dataclass
class Stage:
    """One step made ready.

    Attributes:
        depth: number of steps before it; rows that are further on go first.
        followers: steps that consume its samples.
    """

    config: StepConfig
    generator: Generator
    options: dict[str, Any]
    sampling: Sampling
    depth: int
    project_root: Path
    followers: list["Stage"] = field(default_factory=list)
    _templates: dict[str, Template] = field(default_factory=dict)
    _seeds: dict[int, int] = field(default_factory=dict)

    def seed_of(self, seed: int, draw: int) -> int:
        """Return the seed of a request: it tells draws apart; the prompts tell the inputs apart."""
        found = self._seeds.get(draw)
        if found is None:
            found = self._seeds[draw] = seed_from(seed, self.name, draw) & 0x7FFFFFFF
        return found

    def with_max_tokens(self, max_tokens: int) -> "Stage":
        """Return the step with another limit of completion tokens."""
        return replace(self, sampling=replace(self.sampling, max_tokens=max_tokens), followers=[])

    @property
    def name(self) -> str:
        """The step's name."""
        return self.config.step

    @property
    def is_root(self) -> bool:
        """Whether it consumes rows of the store rather than another step's samples."""
        return self.config.source in ROOTS

    def template(self, name: str) -> Template:
        """Return a template by name; the recipe's ``template`` takes the place of the generator's first."""
        found = self._templates.get(name)
        if found is None:
            first = self.generator.templates[0] if self.generator.templates else name
            chosen = self.config.template if self.config.template and name == first else name
            found = self._templates[name] = load_template(chosen, self.project_root)
        return found


def make_stages(steps: Sequence[StepConfig], project_root: Path, base: Path) -> list[Stage]:
    """Return the steps in their order.

    Args:
        base: folder of the recipe, where generators and other files that it names are looked for.

    Raises:
        RecipeError: two steps of one name, a source that is no earlier step, an unknown generator, option or template.
        NotFoundError: no such generator or template file.
    """
    stages: dict[str, Stage] = {}
    for config in steps:
        if config.step in stages or config.step in ROOTS:
            raise RecipeError(
                f"step {config.step!r}", expected="a name of its own", received="a name that is taken",
                cure="rename one of the steps",
            )  # fmt: skip
        if config.source not in (*ROOTS, *stages):
            raise RecipeError(
                f"step {config.step!r}", expected=f"source: one of {', '.join((*ROOTS, *stages))}",
                received=config.source, cure="name an earlier step, or move that step up",
            )  # fmt: skip
        if config.source in stages and (config.where or config.limit):
            raise RecipeError(
                f"step {config.step!r}", expected=f"where and limit only on steps over {', '.join(ROOTS)}",
                received=f"source: {config.source}", cure=f"give them to step {config.source!r}",
            )  # fmt: skip
        place = f"step {config.step!r}"
        generator = find_generator(config.generator, base, f"{place}, generator")
        options = complete_options(generator, config.options, f"{place}, options")
        before = stages.get(config.source)
        sampling = Sampling(
            n=config.draws, temperature=config.temperature, top_p=config.top_p, max_tokens=config.max_tokens
        )
        stage = Stage(config, generator, options, sampling, before.depth + 1 if before else 0, project_root)
        for name in generator.templates:
            stage.template(name)
        stages[config.step] = stage
        if before is not None:
            before.followers.append(stage)
    return list(stages.values())
